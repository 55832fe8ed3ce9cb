"""Makes tokens.json: access tokens that another implementation signed, and the key set that goes with them.

    python3 make.py > tokens.json        (joserfc 1.6.5, cryptography 48.0.0)

Every run has new keys. What joserfc refuses to sign, as it should, is put together by hand.
"""

import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

NOW = 1_900_000_000
ISSUER = "https://login.example.org"
AUDIENCE = "murmur"

rsa = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
elliptic = ECKey.generate_key("P-256", {"kid": "elliptic", "use": "sig", "alg": "ES256"})
larger = ECKey.generate_key("P-384", {"kid": "larger", "use": "sig"})
edwards = OKPKey.generate_key("Ed25519", {"kid": "edwards", "use": "sig"})
stranger = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})

registry = jws.JWSRegistry(algorithms=["RS256", "PS256", "ES256", "ES384", "EdDSA"])


def claims(**changes):
    base = {
        "iss": ISSUER, "sub": "alice", "aud": AUDIENCE, "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 600,
        "scope": "openid model:infer:digits* model:read",
    }
    return {k: v for k, v in {**base, **changes}.items() if v is not None}


def signed(algorithm, key, kid, body):
    return jwt.encode({"alg": algorithm, "kid": kid, "typ": "at+jwt"}, body, key, registry=registry)


def part(value):
    raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(header, body, mac=None):
    text = part(header) + "." + part(body)
    return text + "." + (part(hmac.new(mac, text.encode(), hashlib.sha256).digest()) if mac else "")


pem = rsa.raw_value.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
good = signed("RS256", rsa, "rsa", claims())

tokens = [
    ("RS256", good, "granted"),
    ("PS256", signed("PS256", rsa, "rsa", claims()), "granted"),
    ("ES256", signed("ES256", elliptic, "elliptic", claims()), "granted"),
    ("ES384", signed("ES384", larger, "larger", claims()), "granted"),
    ("EdDSA, several audiences", signed("EdDSA", edwards, "edwards", claims(aud=["other", AUDIENCE])), "granted"),
    ("a stranger's key under a known id", signed("RS256", stranger, "rsa", claims()), "badSignature"),
    ("an unknown id", signed("RS256", rsa, "rsa-2", claims()), "unknownKid"),
    ("expired", signed("RS256", rsa, "rsa", claims(exp=NOW - 60)), "expired"),
    ("not valid yet", signed("RS256", rsa, "rsa", claims(nbf=NOW + 61)), "notYetValid"),
    ("for somebody else", signed("ES256", elliptic, "elliptic", claims(aud="other")), "wrongAudience"),
    ("without exp", signed("RS256", rsa, "rsa", claims(exp=None)), "malformed"),
    ("of a stranger", signed("EdDSA", edwards, "edwards", claims(iss="https://login.example.net")), "unknownIssuer"),
    ("none", by_hand({"alg": "none", "kid": "rsa"}, claims()), "algorithmNotAllowed"),
    ("HS256 with the RSA key as the secret", by_hand({"alg": "HS256", "kid": "rsa"}, claims(), pem),
     "algorithmNotAllowed"),
]

print(json.dumps({
    "origin": "joserfc 1.6.5 with cryptography 48.0.0 (make.py beside this file)",
    "now": NOW, "issuer": ISSUER, "audience": AUDIENCE, "subject": "alice",
    "keySet": {"keys": [key.as_dict(private=False) for key in (rsa, elliptic, larger, edwards)]},
    "tokens": [{"name": name, "token": token, "verdict": verdict} for name, token, verdict in tokens],
}, indent=1))
