"""Writes manifest.json beside this file: one version of a model, made from Protocols/models.md alone.

Needs Python 3.9 and the package `cryptography`. The same bytes every time. The keys are known answers, not secrets.
"""
import hashlib, json, os, struct
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

sha256 = lambda data: hashlib.sha256(data).digest()
lp = lambda data: struct.pack("<I", len(data)) + data
label = lambda name: lp(b"murmuration/sa1/" + name.encode())

tensors = [  # name, dtype, dtype code, shape, bytes
    ("layer0.bias", "F32", 10, [2], struct.pack("<2f", 0.5, -0.25)),
    ("layer0.weight", "F32", 10, [2, 3], struct.pack("<6f", 1, 2, 3, -1, -2, -3)),
]
model = label("model") + b"".join(
    lp(name.encode()) + bytes([code, len(shape)]) + b"".join(struct.pack("<Q", d) for d in shape) + raw
    for name, _, code, shape, raw in tensors)

# safetensors: metadata first, then tensors by type and name; the header padded with spaces to a multiple of 8.
header, offset = {"__metadata__": {"model": "digits@3"}}, 0
for name, dtype, _, shape, raw in tensors:
    header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(raw)]}
    offset += len(raw)
text = json.dumps(header, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)
file = struct.pack("<Q", len(text)) + text + b"".join(raw for *_, raw in tensors)

manifest = {
    "format": "murmuration/manifest/1", "federation": "f", "model": "digits", "version": 3,
    "parent": sha256(b"parent").hex(), "run": "run-1", "round": 3, "attempt": 1, "aggregation": "secure",
    "configurationDigest": sha256(b"configuration").hex(), "cohortSize": 8,
    "parentMetrics": {"lossSum": 12.125, "correct": 90, "evaluated": 100},
    "architecture": "mlp 3-2", "dataScale": 16, "modelDigest": sha256(model).hex(),
    "tensors": [{"name": name, "dtype": dtype, "shape": shape, "digest": sha256(raw).hex(), "size": len(raw)}
                for name, dtype, _, shape, raw in tensors],
    "file": {"digest": sha256(file).hex(), "size": len(file)}, "createdAt": 1800000000, "signer": "coordinator",
}
encoded = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()  # RFC 8785 for these values.
seed = sha256(b"KAT/coordinator")
key = Ed25519PrivateKey.from_private_bytes(seed)
signed = label("manifest") + lp(encoded)

vector = {
    "origin": "make.py beside this file",
    "tensors": [{"name": name, "bytes": raw.hex()} for name, *_, raw in tensors],
    "file": file.hex(), "manifest": encoded.decode(), "manifestDigest": sha256(encoded).hex(),
    "signedString": signed.hex(), "signingSeed": seed.hex(),
    "publicKey": key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex(),
    "signature": key.sign(signed).hex(),
}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "manifest.json"), "w") as out:
    json.dump(vector, out, indent=1)
    out.write("\n")
