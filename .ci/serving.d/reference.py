"""The same weights evaluated in NumPy, from the page Protocols/models.md."""

import hashlib, json
import numpy as np
from parties import DATA

DTYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4"}
TOLERANCE = 1e-5


def held_out():
    """The rows that no worker has: features [359, 64] from 0 to 16, and their labels."""
    table = np.loadtxt(DATA, delimiter=",", skiprows=1)[4::5]
    header = DATA.read_text().split("\n", 1)[0].split(",")
    label = header.index("digit")
    return np.delete(table, label, axis=1).astype(np.float32), table[:, label].astype(np.int64)


class Weights:
    """A multilayer perceptron: `mlp A-B-…-Z` of §8, features divided by the manifest's `dataScale`."""

    def __init__(self, manifest, tensors):
        if not manifest["architecture"].startswith("mlp "):
            raise ValueError(f"found the architecture {manifest['architecture']}, expected an mlp")
        widths = list(map(int, manifest["architecture"][4:].split("-")))
        self.scale = np.float64(manifest["dataScale"])
        self.layers = []
        for index, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
            weight, bias = (np.asarray(tensors[f"layer{index}.{name}"], np.float64) for name in ("weight", "bias"))
            if weight.shape != (outputs, inputs) or bias.shape != (outputs,):
                raise ValueError(f"layer {index}: found {weight.shape} and {bias.shape}, expected {outputs}x{inputs}")
            self.layers.append((weight, bias))

    def probabilities(self, rows):
        """Of rows [n, A], in float64: [n, Z]."""
        x = np.asarray(rows, np.float64) / self.scale
        for index, (weight, bias) in enumerate(self.layers):
            x = x @ weight.T + bias
            if index < len(self.layers) - 1:
                x = np.maximum(x, 0)
        x = np.exp(x - x.max(axis=1, keepdims=True))
        return x / x.sum(axis=1, keepdims=True)


def manifest(federation, version, model="digits"):
    """As the coordinator's folder has it."""
    path = federation.home / f"coordinator/models/models/{model}/versions/{version}/manifest.json"
    return json.loads(path.read_bytes())


def published(federation, version, model="digits"):
    """What the coordinator published, from its folder: the weights, every tensor checked against its digest."""
    document, tensors = manifest(federation, version, model), {}
    for tensor in document["tensors"]:
        bytes_ = (federation.home / "coordinator/models/blobs" / tensor["digest"]).read_bytes()
        if hashlib.sha256(bytes_).hexdigest() != tensor["digest"]:
            raise ValueError(f"{model}@{version}: tensor {tensor['name']} is not what its digest says")
        tensors[tensor["name"]] = np.frombuffer(bytes_, DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
    return Weights(document, tensors)
