"""Who is let in: tokens that PyJWT and joserfc made, whole and forged, API keys, and rate limits."""

import base64, hashlib, hmac, http.server, json, threading, time
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwk as jose_keys, jwt as jose
from parties import BIG_MODEL, MODEL, until
from web import ask, inference, is_refusal

AUDIENCE = "murmur-node"
FILE_ISSUER, WEB_ISSUER = "https://file.example", "https://web.example"

ACCESS = """
issuers:
  - issuer: {file_issuer}
    audience: {audience}
    algorithms: [RS256, ES256]
    jwks: issuer.json
    tenant: alpha
  - issuer: {web_issuer}
    audience: {audience}
    algorithms: [EdDSA]
    jwks: {web}/keys
    tenant: beta
limits:
  models:
    {limited}: {{per-second: 2, burst: 4}}
"""


def encoded(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b"=").decode()


class Issuer:
    """Keys by `kid`, and the set of their public halves."""

    def __init__(self, name, keys):
        self.name, self.keys = name, keys

    @property
    def key_set(self):
        documents = []
        for kid, (algorithm, key) in self.keys.items():
            document = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key()))
            document.pop("key_ops", None)
            documents.append({**document, "kid": kid, "alg": algorithm, "use": "sig"})
        return json.dumps({"keys": documents})

    def claims(self, **changes):
        now = int(time.time())
        claims = {"iss": self.name, "sub": "someone", "aud": AUDIENCE, "exp": now + 300, "nbf": now - 5, "iat": now,
                  "scope": "openid model:read model:infer", **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, kid, **changes):
        algorithm, key = self.keys[kid]
        return jwt.encode(self.claims(**changes), key, algorithm, headers={"kid": kid})


class KeyServer:
    """An issuer's address: answers with its key set, and counts how often."""

    def __init__(self, issuer):
        self.asked = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                body = issuer.key_set.encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_): pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self): return f"http://127.0.0.1:{self.server.server_port}"

    def end(self): self.server.shutdown()


def check(report, federation, rows):
    rsa_key, stranger = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    files = Issuer(FILE_ISSUER, {"rsa-1": ("RS256", rsa_key), "ec-1": ("ES256", ec.generate_private_key(ec.SECP256R1()))})
    web = Issuer(WEB_ISSUER, {"ed-1": ("EdDSA", ed25519.Ed25519PrivateKey.generate())})
    server = KeyServer(web)
    home = federation.copy_node("guarded")
    (home / "issuer.json").write_text(files.key_set)
    (home / "access.yaml").write_text(ACCESS.format(file_issuer=FILE_ISSUER, web_issuer=WEB_ISSUER, audience=AUDIENCE,
                                                    web=server.url, limited=BIG_MODEL))
    keys = make_keys(federation, home)
    node = federation.node("guarded", "--any-port")
    until(30, "the guarded node", lambda: ask(node.place, "GET", "/v2/health/ready").status == 200)
    try:
        open_paths(report, node)
        good_tokens(report, node, files, web, rows)
        report.check(server.asked == 1, f"key set: found {server.asked} requests for it, expected one that is kept")
        attacks(report, node, files, rsa_key, stranger, rows)
        api_keys(report, federation, node, keys, rows)
        limits(report, node, keys, rows)
    finally:
        node.end()
        server.end()


def make_keys(federation, home):
    def make(name, *words):
        done = federation.run("keys", "create", name, *words, "--home", home, "--json")
        return json.loads(done.stdout)["key"]
    return {
        "reader": make("reader", "--scope", f"model:read:{MODEL}"),
        "caller": make("caller", "--scope", f"model:infer:{MODEL}"),
        "slow": make("slow", "--scope", "model:infer", "--per-second", "1", "--burst", "3"),
        "wide": make("wide", "--scope", "model:infer", "--scope", "model:read"),
    }


def predict(node, rows, headers, model=MODEL):
    return ask(node.place, "POST", f"/v2/models/{model}/infer", inference(rows[:1]), headers)


def bearer(token): return {"Authorization": f"Bearer {token}"}


def open_paths(report, node):
    """What everybody may see, and that the rest is nobody's without a credential."""
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/openapi.json", "/healthz", "/readyz"):
        report.equal(ask(node.place, "GET", path).status, 200, f"{path} without a credential")
    for method, path in [("GET", "/v1/models"), ("GET", f"/v2/models/{MODEL}"), ("GET", "/metrics"),
                         ("GET", f"/v1/models/{MODEL}/latest/model.safetensors"), ("POST", "/v2/repository/index"),
                         ("POST", f"/v2/models/{MODEL}/infer"), ("POST", f"/v2/repository/models/{MODEL}/unload"),
                         ("GET", f"/v2/models/{MODEL}/stats"), ("POST", "/v2/models/unknown/infer")]:
        refused(report, ask(node.place, method, path), 401, f"{method} {path} without a credential")


def refused(report, answer, status, what):
    """The status, the protocol's shape, and for 401 which scheme is expected."""
    holds = answer.status == status and is_refusal(answer)
    if status == 401:
        holds = holds and answer.headers.get("www-authenticate", "").startswith("Bearer")
    report.check(holds, f"{what}: found {answer.status} {answer.headers} {answer.body[:300]!r}, expected {status}")


def good_tokens(report, node, files, web, rows):
    for issuer, kid in [(files, "rsa-1"), (files, "ec-1"), (web, "ed-1")]:
        answer = predict(node, rows, bearer(issuer.token(kid)))
        report.equal(answer.status, 200, f"a token of {issuer.name} by {kid} ({answer.body[:200]!r})")
    key = jose_keys.import_key(files.keys["rsa-1"][1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()), "RSA")
    token = jose.encode({"alg": "RS256", "kid": "rsa-1"}, files.claims(aud=["other", AUDIENCE]), key)
    report.equal(predict(node, rows, bearer(token)).status, 200, "a token by joserfc, of two audiences")
    for number in range(5):
        token = web.token("ed-1", jti=str(number))
        report.equal(predict(node, rows, bearer(token)).status, 200, "a further token of the same key")
    scoped = files.token("rsa-1", scope=f"model:infer:{MODEL}")
    report.equal(predict(node, rows, bearer(scoped)).status, 200, "a token for this model")
    refused(report, predict(node, rows, bearer(scoped), BIG_MODEL), 403, "a token for another model")
    refused(report, predict(node, rows, bearer(files.token("rsa-1", scope="openid profile"))), 403, "a token of no scope")
    refused(report, predict(node, rows, bearer(files.token("rsa-1", scope=None))), 403, "a token without the claim")
    refused(report, ask(node.place, "POST", f"/v2/repository/models/{MODEL}/unload", headers=bearer(
        files.token("rsa-1"))), 403, "unload with a token that is not an administrator's")


def attacks(report, node, files, rsa_key, stranger, rows):
    now = int(time.time())
    claims = files.claims()
    public = rsa_key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    good = files.token("rsa-1")
    head, body, signature = good.split(".")

    def unsigned(algorithm):
        return f"{encoded({'alg': algorithm, 'typ': 'JWT', 'kid': 'rsa-1'})}.{encoded(claims)}."

    def confused(secret):
        # The public key as the secret of a symmetric algorithm, which PyJWT refuses to make.
        text = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': 'rsa-1'})}.{encoded(claims)}"
        return f"{text}.{encoded(hmac.digest(secret, text.encode(), hashlib.sha256))}"

    def odd(**changes):
        # Rightly signed, and not what PyJWT would sign.
        return jwt.api_jws.encode(json.dumps({**claims, **changes}).encode(), rsa_key, "RS256", {"kid": "rsa-1"})
    forged = {
        "algorithm none": unsigned("none"), "algorithm None": unsigned("None"), "algorithm nOnE": unsigned("nOnE"),
        "an empty algorithm": unsigned(""), "RS256 without a signature": unsigned("RS256"),
        "HS256 with the public key (PEM)": confused(public), "HS256 with the public key, trimmed": confused(public.strip()),
        "HS256 with the key set": confused(files.key_set.encode()),
        "expired": files.token("rsa-1", exp=now - 3600), "no expiry": files.token("rsa-1", exp=None),
        "an expiry in words": odd(exp=str(now + 300)), "an expiry that is no number": odd(exp=[now + 300]),
        "an expiry below zero": odd(exp=-1), "an audience that is a number": odd(aud=7),
        "a subject that is an object": odd(sub={"name": "someone"}),
        "not valid yet": files.token("rsa-1", nbf=now + 3600),
        "another audience": files.token("rsa-1", aud="other-node"), "no audience": files.token("rsa-1", aud=None),
        "an empty list of audiences": files.token("rsa-1", aud=[]),
        "another issuer": files.token("rsa-1", iss="https://evil.example"),
        "the other issuer": files.token("rsa-1", iss=WEB_ISSUER),
        "an unknown kid": jwt.encode(claims, rsa_key, "RS256", headers={"kid": "rsa-2"}),
        "no kid": jwt.encode(claims, rsa_key, "RS256"),
        "a kid as a path": jwt.encode(claims, rsa_key, "RS256", headers={"kid": "../../etc/passwd"}),
        "a stranger's key under a known kid": jwt.encode(claims, stranger, "RS256", headers={"kid": "rsa-1"}),
        "a stranger's key in the header": jwt.encode(claims, stranger, "RS256", headers={"kid": "rsa-1", "jwk": json.loads(
            jwt.get_algorithm_by_name("RS256").to_jwk(stranger.public_key()))}),
        "a stranger's address in the header": jwt.encode(claims, stranger, "RS256", headers={
            "kid": "rsa-1", "jku": "http://127.0.0.1:1/keys"}),
        "an algorithm that is not this issuer's": jwt.encode(claims, rsa_key, "PS256", headers={"kid": "rsa-1"}),
        "a critical extension": jwt.encode(claims, rsa_key, "RS256", headers={"kid": "rsa-1", "crit": ["x"], "x": 1}),
        "other claims under the signature": f"{head}.{encoded({**claims, 'sub': 'root', 'scope': 'admin'})}.{signature}",
        "another header over the signature": f"{encoded({'alg': 'RS256', 'kid': 'rsa-1', 'x': 1})}.{body}.{signature}",
        "a changed signature": f"{head}.{body}.{'B' if signature[0] != 'B' else 'C'}{signature[1:]}",
        "a signature cut short": good[:-8], "two parts": f"{head}.{body}", "four parts": good + ".x", "no parts": "...",
        "no token": "", "bytes": "a.b.c", "a long token": "a." + 12_000 * "b" + ".c",
        "five parts, as if encrypted": "a.b.c.d.e",
    }
    for what, token in forged.items():
        refused(report, predict(node, rows, bearer(token)), 401, f"a token with {what}")
    refused(report, predict(node, rows, bearer(20_000 * "a")), 431, "a token beyond the limit of header fields")
    for what, headers in {
        "Basic": {"Authorization": "Basic dXNlcjpwYXNz"}, "another scheme": {"Authorization": f"Token {good}"},
        "both kinds of credential": {**bearer(good), "X-API-Key": "x"},
    }.items():
        refused(report, predict(node, rows, headers), 401, what)
    report.equal(predict(node, rows, bearer(good)).status, 200, "a whole token behind all of that")


def api_keys(report, federation, node, keys, rows):
    for headers in ({"X-API-Key": keys["caller"]}, bearer(keys["caller"])):
        report.equal(predict(node, rows, headers).status, 200, f"an API key in {list(headers)[0]}")
    key = {"X-API-Key": keys["caller"]}
    refused(report, predict(node, rows, key, BIG_MODEL), 403, "an API key for another model")
    refused(report, ask(node.place, "GET", f"/v2/models/{MODEL}", headers=key), 403, "reading with a key for predictions")
    refused(report, predict(node, rows, {"X-API-Key": keys["reader"]}), 403, "predictions with a key for reading")
    listing = ask(node.place, "GET", "/v1/models", headers={"X-API-Key": keys["reader"]})
    # models.md, §10.1: who may not read a model does not see it.
    report.check(listing.status == 200 and {row["name"] for row in json.loads(listing.body)} == {MODEL},
                 f"a listing with a key for one model: found {listing.status} {listing.body[:300]!r}")
    for what, text in [("another secret", keys["caller"][:-4] + "aaaa"), ("half a key", keys["caller"][:20]), ("none", ""),
                       ("words", "let me in")]:
        refused(report, predict(node, rows, {"X-API-Key": text}), 401, f"an API key with {what}")
    row = next(row for row in json.loads(federation.run("keys", "list", "--home", node.home, "--json").stdout)
               if row["name"] == "caller")
    text = (node.home / "keys.yaml").read_text()
    report.check(keys["caller"] not in text and keys["caller"].rsplit("_", 1)[-1] not in text,
                 "keys.yaml: found a secret in it")
    federation.run("keys", "revoke", row["id"], "--home", node.home)
    try:
        until(10, "the revocation", lambda: predict(node, rows, key).status == 401)
        report.check(True, "a revoked key is refused")
    except TimeoutError:
        report.check(False, "a revoked key: found it good after 10 s, expected 401")


def limits(report, node, keys, rows):
    """One request a second, three at once: the fourth is told when to come again, and is let in then."""
    key = {"X-API-Key": keys["slow"]}
    statuses, limited = [], None
    for _ in range(8):
        answer = predict(node, rows, key)
        statuses.append(answer.status)
        if answer.status == 429 and limited is None:
            limited = answer
    report.check(statuses[:3] == [200, 200, 200] and 429 in statuses, f"burst of three: found {statuses}")
    if limited:
        pause = limited.headers.get("retry-after", "")
        report.check(is_refusal(limited) and pause.isdigit() and 1 <= int(pause) <= 2,
                     f"429: found Retry-After '{pause}' and {limited.body[:200]!r}")
        time.sleep(int(pause or 1))
        report.equal(predict(node, rows, key).status, 200, "behind Retry-After")
    report.equal(predict(node, rows, {"X-API-Key": keys["wide"]}).status, 200, "another key meanwhile")
    # The limit of a model is for all callers together.
    statuses = [predict(node, rows, {"X-API-Key": keys["wide"]}, BIG_MODEL).status for _ in range(8)]
    report.check(200 in statuses and 429 in statuses, f"the limit of a model: found {statuses}")
