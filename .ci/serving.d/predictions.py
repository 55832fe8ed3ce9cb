"""Predictions beside NumPy's, over all rows that are held out, in every way that one request can have them."""

import json
import numpy as np
from parties import MODEL
from reference import TOLERANCE
from web import ask, inference

PATH = f"/v2/models/{MODEL}/infer"


def tensors(answer):
    """The outputs of an answer in JSON as arrays."""
    return {out["name"]: np.array(out["data"]).reshape(out["shape"]) for out in json.loads(answer.body)["outputs"]}


def binary_tensors(answer):
    """The outputs of an answer with binary tensors behind its JSON."""
    end = int(answer.headers["inference-header-content-length"])
    arrays = {}
    for out in json.loads(answer.body[:end])["outputs"]:
        count = out["parameters"]["binary_data_size"]
        dtype = {"FP32": "<f4", "INT64": "<i8"}[out["datatype"]]
        arrays[out["name"]] = np.frombuffer(answer.body[end:end + count], dtype).reshape(out["shape"])
        end += count
    if end != len(answer.body):
        raise ValueError(f"found {len(answer.body)} bytes, expected {end}")
    return arrays


def compare(report, found, weights, rows, what):
    expected = weights.probabilities(rows)
    error = np.abs(found["probabilities"] - expected).max()
    report.check(error <= TOLERANCE, f"{what}: found a difference of {error}, expected at most {TOLERANCE}")
    report.check((found["label"] == expected.argmax(axis=1)).all(), f"{what}: found other labels than NumPy's")


def check(report, node, weights, rows, labels):
    answer = ask(node.place, "POST", PATH, inference(rows))
    report.equal(answer.status, 200, f"{len(rows)} rows in one request")
    compare(report, tensors(answer), weights, rows, "all rows in JSON")
    accuracy = (tensors(answer)["label"] == labels).mean()
    report.check(accuracy > 0.5, f"accuracy: found {accuracy}, expected a model that has learned")
    for index in range(0, len(rows), 7):
        compare(report, tensors(ask(node.place, "POST", PATH, inference(rows[index:index + 1]))), weights,
                rows[index:index + 1], f"row {index} alone")
    document = json.loads(inference(rows))
    document["inputs"][0].pop("data")
    document["inputs"][0]["parameters"] = {"binary_data_size": rows.nbytes}
    document["parameters"] = {"binary_data_output": True}
    head = json.dumps(document).encode()
    answer = ask(node.place, "POST", PATH, head + rows.tobytes(), {"Inference-Header-Content-Length": str(len(head))})
    report.equal(answer.status, 200, "all rows in binary")
    compare(report, binary_tensors(answer), weights, rows, "all rows in binary")
    answer = ask(node.place, "POST", PATH, rows[:1].tobytes(), {"Inference-Header-Content-Length": "0"})
    report.equal(answer.status, 200, "a raw request")
    compare(report, binary_tensors(answer), weights, rows[:1], "a raw request")
    # Numbers as rows in rows, and as whole ones, are the same numbers.
    document = json.loads(inference(rows[:5]))
    document["inputs"][0]["data"] = rows[:5].astype(int).tolist()
    compare(report, tensors(ask(node.place, "POST", PATH, json.dumps(document))), weights, rows[:5], "nested rows")
