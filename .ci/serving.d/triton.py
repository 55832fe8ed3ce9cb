"""NVIDIA's client: what it can ask of a node, over HTTP and gRPC, blocking and with asyncio."""

import asyncio, inspect
import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as http_aio
from tritonclient.utils import InferenceServerException
from parties import MODEL
from reference import TOLERANCE

ROWS = 64
# How tensors go in, and how they come out; the name is the row of the matrix.
ENCODINGS = {"JSON": (False, False), "binary": (True, True), "binary in, JSON out": (True, False),
             "JSON in, binary out": (False, True)}
CODINGS = [None, "gzip", "deflate"]
NOT_FOUND = {"HTTP": "404", "gRPC": "StatusCode.NOT_FOUND"}


class Client:
    """One client with its ways in common: `call` waits for an answer, whether or not that is a coroutine."""

    def __init__(self, name, transport, module, inner, loop=None):
        self.name, self.transport, self.module, self.inner, self.loop = name, transport, module, inner, loop

    def call(self, method, *arguments, **named):
        answer = getattr(self.inner, method)(*arguments, **named)
        return self.loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer

    def refusal(self, method, *arguments, **named):
        """The exception that a call ends with; None if it does not."""
        try:
            self.call(method, *arguments, **named)
        except InferenceServerException as error:
            return error
        return None

    def tensors(self, rows, binary_in, binary_out, outputs=("probabilities", "label")):
        tensor = self.module.InferInput("features", list(rows.shape), "FP32")
        if self.transport == "HTTP":
            tensor.set_data_from_numpy(rows, binary_data=binary_in)
            return [tensor], [self.module.InferRequestedOutput(name, binary_data=binary_out) for name in outputs]
        tensor.set_data_from_numpy(rows)
        return [tensor], [self.module.InferRequestedOutput(name) for name in outputs]

    def close(self):
        self.call("close")
        if self.loop:
            self.loop.close()


def clients(node):
    """One after the other, each closed behind its use; those of gRPC where the node has it."""
    yield Client("tritonclient", "HTTP", http, http.InferenceServerClient(node.place, concurrency=2))
    loop = asyncio.new_event_loop()

    async def make(module, place): return module.InferenceServerClient(place)
    yield Client("tritonclient, asyncio", "HTTP", http_aio, loop.run_until_complete(make(http_aio, node.place)), loop)
    if "grpc" not in node.endpoints:
        return
    import tritonclient.grpc as grpc
    import tritonclient.grpc.aio as grpc_aio
    place = node.endpoints["grpc"].split("://")[-1]
    yield Client("tritonclient", "gRPC", grpc, grpc.InferenceServerClient(place))
    loop = asyncio.new_event_loop()
    yield Client("tritonclient, asyncio", "gRPC", grpc_aio, loop.run_until_complete(make(grpc_aio, place)), loop)


def check(report, node, served, weights, rows, admin):
    """All clients. `served` is the version behind `latest`, `admin` a key that may load and unload."""
    if "grpc" not in node.endpoints:
        report.skip("gRPC: not asked for (--grpc, of a build with the trait)")
    rows = rows[:ROWS]
    for client in clients(node):
        try:
            health(report, client)
            descriptions(report, client, served)
            repository(report, client, served, admin)
            predictions(report, client, served, weights, rows)
            refusals(report, client, served, rows)
        finally:
            client.close()


def say(client, what): return f"{client.name} over {client.transport}, {what}"


def health(report, client):
    for method in ("is_server_live", "is_server_ready"):
        report.equal(client.call(method), True, say(client, method))
    for version, expected in [("", True), ("latest", True), ("999", False)]:
        report.equal(client.call("is_model_ready", MODEL, version), expected, say(client, f"ready '{version}'"))
    report.equal(client.call("is_model_ready", "unknown"), False, say(client, "ready of an unknown model"))
    report.does(client.name, f"{client.transport}: live, ready, model ready")


def fields(answer):
    """A description as a dictionary: HTTP gives one, gRPC a message."""
    if isinstance(answer, (dict, list)):
        return answer
    from google.protobuf.json_format import MessageToDict
    return MessageToDict(answer, preserving_proto_field_name=True)


def descriptions(report, client, served):
    server = fields(client.call("get_server_metadata"))
    report.equal(server["name"], "murmur", say(client, "name"))
    report.check({"binary_tensor_data", "model_repository", "statistics", "model_configuration"}
                 <= set(server["extensions"]), say(client, f"extensions: found {server['extensions']}"))
    for version in ("", str(served), "latest"):
        model = fields(client.call("get_model_metadata", MODEL, version))
        report.check(str(served) in model["versions"], say(client, f"versions: found {model['versions']}"))
        tensors = {(tensor["name"], tensor["datatype"], tuple(map(int, tensor["shape"])))
                   for tensor in model["inputs"] + model["outputs"]}
        report.equal(tensors, {("features", "FP32", (-1, 64)), ("probabilities", "FP32", (-1, 10)),
                               ("label", "INT64", (-1,))}, say(client, f"metadata '{version}'"))
    report.does(client.name, f"{client.transport}: server and model metadata")
    configuration = fields(client.call("get_model_config", MODEL))
    configuration = configuration.get("config", configuration)
    report.check(int(configuration["max_batch_size"]) > 0 and configuration["input"][0]["name"] == "features",
                 say(client, f"configuration: found {configuration}"))
    report.does(client.name, f"{client.transport}: model configuration")
    for arguments in [(), (MODEL,), (MODEL, str(served))]:
        stats = fields(client.call("get_inference_statistics", *arguments))["model_stats"]
        report.check(any(one["name"] == MODEL and one["version"] == str(served) for one in stats),
                     say(client, f"statistics {arguments}: found {stats!r:.300}"))
    report.does(client.name, f"{client.transport}: statistics")


def repository(report, client, served, admin):
    def states():
        index = fields(client.call("get_model_repository_index"))
        index = index.get("models", []) if isinstance(index, dict) else index
        return {(one["name"], one["version"]): one["state"] for one in index}
    report.equal(states().get((MODEL, str(served))), "READY", say(client, "repository index"))
    error = client.refusal("unload_model", MODEL)
    report.check(error is not None and "admin" in error.message(), say(client, f"unload by anybody: found {error}"))
    key = {"headers": {"x-api-key": admin}}
    client.call("unload_model", MODEL, **key)
    report.equal(client.call("is_model_ready", MODEL), False, say(client, "ready after unload"))
    report.equal(states().get((MODEL, str(served))), "UNAVAILABLE", say(client, "index after unload"))
    client.call("load_model", MODEL, **key)
    report.equal(client.call("is_model_ready", MODEL), True, say(client, "ready after load"))
    report.does(client.name, f"{client.transport}: repository index, load, unload")


def is_right(result, weights, rows):
    expected = weights.probabilities(rows)
    found, label = result.as_numpy("probabilities"), result.as_numpy("label")
    return found.dtype == np.float32 and found.shape == expected.shape and label.dtype == np.int64 \
        and np.abs(found - expected).max() <= TOLERANCE and (label == expected.argmax(axis=1)).all()


def header(answer): return answer if isinstance(answer, dict) else fields(answer)


def predictions(report, client, served, weights, rows):
    """Every encoding of tensors with every coding of bodies, of every way to name the version."""
    encodings = ENCODINGS if client.transport == "HTTP" else {"raw": (True, True)}
    for encoding, (binary_in, binary_out) in encodings.items():
        for coding_in in CODINGS:
            for coding_out in CODINGS if client.transport == "HTTP" else [None]:
                for version in ("", str(served), "latest"):
                    inputs, outputs = client.tensors(rows, binary_in, binary_out)
                    named = {"request_compression_algorithm": coding_in, "response_compression_algorithm": coding_out} \
                        if client.transport == "HTTP" else {"compression_algorithm": coding_in}
                    result = client.call("infer", MODEL, inputs, model_version=version, outputs=outputs,
                                         request_id="a-17", **named)
                    what = say(client, f"{encoding}, {coding_in} in, {coding_out} out, version '{version}'")
                    report.check(is_right(result, weights, rows), f"{what}: found other numbers than NumPy's")
                    answer = header(result.get_response())
                    report.equal((answer["model_name"], answer["model_version"], answer["id"]),
                                 (MODEL, str(served), "a-17"), what)
                    report.does(client.name, row(client, encoding, coding_in), {"": "no version", "latest": "alias"}.get(
                        version, "number"))
    # All outputs, where none is named; one, where one is; and columns of another order of memory.
    inputs, _ = client.tensors(rows, True, True)
    report.check(is_right(client.call("infer", MODEL, inputs), weights, rows), say(client, "outputs not named"))
    inputs, outputs = client.tensors(np.asfortranarray(rows[:3]), True, True, outputs=["label"])
    result = client.call("infer", MODEL, inputs, outputs=outputs)
    report.check(result.as_numpy("probabilities") is None and
                 (result.as_numpy("label") == weights.probabilities(rows[:3]).argmax(axis=1)).all(),
                 say(client, "one output"))


def row(client, encoding, coding):
    """Of the matrix: how the request was encoded. Answers came in all codings."""
    return f"{client.transport}: predict, {encoding}" + (f", {coding}" if coding else "")


def refusals(report, client, served, rows):
    encodings = ENCODINGS if client.transport == "HTTP" else {"raw": (True, True)}
    for encoding, (binary_in, binary_out) in encodings.items():
        for coding in CODINGS:
            inputs, outputs = client.tensors(rows[:2], binary_in, binary_out)
            named = {"request_compression_algorithm" if client.transport == "HTTP" else "compression_algorithm": coding}
            for model, version, column, word in [("unknown", "", "unknown model", "found no model 'unknown'"),
                                                 (MODEL, "999", "unknown version", "found no version 999"),
                                                 (MODEL, "nobody", "unknown alias", "found no version 'nobody'")]:
                error = client.refusal("infer", model, inputs, model_version=version, outputs=outputs, **named)
                holds = error is not None and error.status() == NOT_FOUND[client.transport] and word in error.message()
                report.check(holds, say(client, f"{encoding}, {column}: found {error}, expected '{word}'"))
                if holds:
                    report.does(client.name, row(client, encoding, coding), column)
    for what, shape, datatype, word in [
            ("too few features", [2, 63], "FP32", "features"), ("another rank", [2, 8, 8], "FP32", "features"),
            ("text", [2, 64], "BYTES", "features")]:
        array = np.full(shape, b"x", dtype=np.object_) if datatype == "BYTES" else np.zeros(shape, np.float32)
        tensor = client.module.InferInput("features", shape, datatype)
        tensor.set_data_from_numpy(array)
        error = client.refusal("infer", MODEL, [tensor])
        status = "400" if client.transport == "HTTP" else "StatusCode.INVALID_ARGUMENT"
        report.check(error is not None and error.status() == status and word in error.message(),
                     say(client, f"{what}: found {error}, expected {status}"))
    tensor = client.module.InferInput("pixels", [1, 64], "FP32")
    tensor.set_data_from_numpy(np.zeros([1, 64], np.float32))
    error = client.refusal("infer", MODEL, [tensor])
    report.check(error is not None and "pixels" in error.message(), say(client, f"unknown input: found {error}"))
    for method, arguments in [("get_model_metadata", ("unknown",)), ("get_model_config", ("unknown",)),
                              ("get_inference_statistics", ("unknown",)), ("get_model_metadata", (MODEL, "999"))]:
        error = client.refusal(method, *arguments)
        report.check(error is not None and error.status() == NOT_FOUND[client.transport] and "found no" in error.message(),
                     say(client, f"{method}{arguments}: found {error}"))
