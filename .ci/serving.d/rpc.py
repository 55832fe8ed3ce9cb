"""Calls of gRPC as no client would make them, by curl: each is refused with a status, and the next one is answered."""

import gzip, re, struct, subprocess
from parties import MODEL
import numpy as np
from tritonclient.grpc import service_pb2

METHOD = "inference.GRPCInferenceService/ModelInfer"
BODY_MAX = 16 << 20
OK, INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNIMPLEMENTED = 0, 3, 5, 8, 12


def framed(message, compressed=0, length=None):
    return struct.pack(">BI", compressed, len(message) if length is None else length) + message


def call(place, work, body, *headers, method=METHOD):
    """The status that the trailers say; None without one."""
    path = work / "message"
    path.write_bytes(body)
    fields = [word for header in ("content-type: application/grpc", "te: trailers", *headers) for word in ("-H", header)]
    done = subprocess.run(["curl", "-sv", "--noproxy", "*", "--max-time", "20", "--http2-prior-knowledge", "-o", work / "answer",
                           *fields, "--data-binary", f"@{path}", f"http://{place}/{method}"],
                          capture_output=True, text=True, errors="replace")
    found = re.findall(r"^< grpc-status: (\d+)", done.stderr, re.M)
    return int(found[-1]) if found else None


def check(report, node, rows, work):
    if "grpc" not in node.endpoints:
        return report.skip("not asked for (--grpc, of a build with the trait)")
    place = node.endpoints["grpc"]
    request = service_pb2.ModelInferRequest(model_name=MODEL)
    request.inputs.add(name="features", datatype="FP32", shape=[len(rows), rows.shape[1]])
    request.raw_input_contents.append(np.ascontiguousarray(rows, "<f4").tobytes())
    good = request.SerializeToString()
    zeros = service_pb2.ModelInferRequest(model_name=MODEL, raw_input_contents=[bytes(BODY_MAX)]).SerializeToString()
    packed, coding = gzip.compress(good), "grpc-encoding: gzip"

    def answers():
        report.equal(call(place, work, framed(good)), OK, "a good call")

    answers()
    report.equal(call(place, work, framed(packed, 1), coding), OK, "compressed")
    for what, expected, body, *headers in [
        ("random bytes as a message", INVALID_ARGUMENT, framed(bytes(range(256)))),
        ("a message that is cut off", INVALID_ARGUMENT, framed(good[:-5])),
        ("a length of 4 GiB", RESOURCE_EXHAUSTED, framed(good, length=0xFFFFFFFF)),
        ("a message above the limit", RESOURCE_EXHAUSTED, framed(zeros)),
        ("a compressed message above the limit", RESOURCE_EXHAUSTED, framed(gzip.compress(zeros), 1), coding),
        ("broken gzip", INVALID_ARGUMENT, framed(b"no gzip", 1), coding),
        ("another coding", UNIMPLEMENTED, framed(packed, 1), "grpc-encoding: zstd"),
    ]:
        report.equal(call(place, work, body, *headers), expected, what)
        answers()
    report.equal(call(place, work, framed(b""), method="inference.GRPCInferenceService/None"), UNIMPLEMENTED, "no method")
    answers()
