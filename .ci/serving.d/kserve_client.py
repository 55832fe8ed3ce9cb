"""KServe's client: health, predictions in JSON and in binary, over HTTP and, where the node has it, gRPC."""

import asyncio
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from parties import MODEL
from reference import TOLERANCE

ROWS = 16


def request(rows, model, version, binary_in, binary_out):
    tensor = InferInput("features", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows, binary_data=binary_in)
    outputs = [RequestedOutput(name, {"binary_data": binary_out}) for name in ("probabilities", "label")]
    return InferRequest(model, [tensor], request_id="k-9", model_version=version, request_outputs=outputs)


def is_right(answer, weights, rows):
    expected = weights.probabilities(rows)
    found = {output.name: output.as_numpy() for output in answer.outputs}
    return np.abs(found["probabilities"] - expected).max() <= TOLERANCE \
        and (found["label"] == expected.argmax(axis=1)).all()


def check(report, node, served, weights, rows):
    asyncio.run(rest(report, node, weights, rows[:ROWS]))
    if "grpc" in node.endpoints:
        asyncio.run(rpc(report, node, served, weights, rows[:ROWS]))
    else:
        report.skip("gRPC: not asked for (--grpc, of a build with the trait)")


async def rest(report, node, weights, rows):
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    try:
        report.equal(await client.is_server_live(node.url), True, "live")
        report.equal(await client.is_server_ready(node.url), True, "ready")
        report.equal(await client.is_model_ready(node.url, MODEL), True, "model ready")
        report.does("kserve", "HTTP: live, ready, model ready")
        for binary_in, binary_out, name in [(False, False, "JSON"), (True, True, "binary"),
                                            (True, False, "binary in, JSON out"), (False, True, "JSON in, binary out")]:
            answer = await client.infer(node.url, request(rows, MODEL, None, binary_in, binary_out), model_name=MODEL)
            report.check(is_right(answer, weights, rows), f"{name}: found other numbers than NumPy's")
            # This client does not keep the version of an answer over HTTP.
            report.equal((answer.model_name, answer.id), (MODEL, "k-9"), name)
            report.does("kserve", f"HTTP: predict, {name}", "no version")
            try:
                await client.infer(node.url, request(rows, "unknown", None, binary_in, binary_out), model_name="unknown")
                report.check(False, f"{name}, unknown model: found an answer")
            except Exception as error:
                holds = "404" in str(error)
                report.check(holds, f"{name}, unknown model: found {error!r}, expected 404")
                if holds:
                    report.does("kserve", f"HTTP: predict, {name}", "unknown model")
    finally:
        await client.close()


async def rpc(report, node, served, weights, rows):
    client = InferenceGRPCClient(node.endpoints["grpc"].split("://")[-1])
    try:
        report.equal(await client.is_server_live(), True, "live over gRPC")
        report.equal(await client.is_server_ready(), True, "ready over gRPC")
        report.equal(await client.is_model_ready(MODEL), True, "model ready over gRPC")
        report.does("kserve", "gRPC: live, ready, model ready")
        for version, column in ((None, "no version"), (str(served), "number")):
            answer = await client.infer(request(rows, MODEL, version, True, True))
            report.check(is_right(answer, weights, rows), "gRPC: found other numbers than NumPy's")
            report.equal((answer.model_name, answer.model_version), (MODEL, str(served)), "gRPC")
            report.does("kserve", "gRPC: predict, raw", column)
    finally:
        await client.close()
