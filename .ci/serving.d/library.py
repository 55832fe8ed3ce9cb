"""Versions over HTTP with curl: ranges, validators, and a download that is taken up where it stopped."""

import hashlib, json, random, subprocess
from pathlib import Path
from parties import BIG_MODEL, MODEL
from web import ask, is_refusal


def curl(*words):
    return subprocess.run(["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "30", *map(str, words)],
                          capture_output=True, timeout=60)


def check(report, node, work, choices):
    base = f"/v1/models/{BIG_MODEL}/0"
    manifest = ask(node.place, "GET", f"{base}/manifest.json").body
    file = json.loads(manifest)["file"]
    digest = hashlib.sha256(manifest).hexdigest()
    path = f"/v1/models/{BIG_MODEL}/sha256:{digest}/model.safetensors"
    listing = json.loads(ask(node.place, "GET", "/v1/models").body)
    report.check({"name": BIG_MODEL, "version": 0, "digest": f"sha256:{digest}"}.items()
                 <= next(row for row in listing if row["name"] == BIG_MODEL).items(), f"listing: found {listing}")
    whole = whole_file(report, node, path, file)
    resumed(report, node, path, file, Path(work), choices)
    ranges(report, node, path, whole, choices)
    refusals(report, node)
    compressed(report, node, path)


def whole_file(report, node, path, file):
    answer = ask(node.place, "GET", path)
    tag = f'"sha256-{file["digest"]}"'
    report.equal((answer.status, answer.headers.get("etag"), answer.headers.get("accept-ranges")),
                 (200, tag, "bytes"), "the whole file")
    report.equal(hashlib.sha256(answer.body).hexdigest(), file["digest"], "its digest")
    head = ask(node.place, "HEAD", path)
    report.equal((head.status, head.headers.get("content-length"), head.headers.get("etag"), head.body),
                 (200, str(file["size"]), tag, b""), "HEAD")
    for field, expected in [(tag, 304), (f'W/"x", {tag}', 304), ("*", 304), ('"other"', 200)]:
        answer = ask(node.place, "GET", path, headers={"If-None-Match": field})
        report.equal((answer.status, len(answer.body)), (expected, 0 if expected == 304 else file["size"]),
                     f"If-None-Match: {field}")
    return ask(node.place, "GET", path).body


def resumed(report, node, path, file, work, choices):
    """`curl -C -` behind whatever came before, to the same bytes."""
    target = work / "resumed"
    whole = ask(node.place, "GET", path).body
    for count in [0, 1, *(choices.randrange(file["size"]) for _ in range(6)), file["size"] - 1]:
        target.write_bytes(whole[:count])
        done = curl("-C", "-", "-o", target, node.url + path)
        report.equal((done.returncode, hashlib.sha256(target.read_bytes()).hexdigest()), (0, file["digest"]),
                     f"curl -C - behind {count} bytes ({done.stderr.decode().strip()})")


def ranges(report, node, path, whole, choices):
    size = len(whole)
    tag = ask(node.place, "HEAD", path).headers["etag"]
    first = choices.randrange(size - 100)
    for field, start, end in [("bytes=0-0", 0, 1), ("bytes=0-", 0, size), (f"bytes={size - 1}-", size - 1, size),
                              (f"bytes={first}-{first + 99}", first, first + 100), ("bytes=-7", size - 7, size),
                              (f"bytes=-{size + 5}", 0, size), (f"bytes={first}-{size + 10**9}", first, size)]:
        answer = ask(node.place, "GET", path, headers={"Range": field})
        report.equal((answer.status, answer.headers.get("content-range")), (206, f"bytes {start}-{end - 1}/{size}"), field)
        report.check(answer.body == whole[start:end], f"{field}: found other bytes")
    for field in [f"bytes={size}-", f"bytes={size + 1}-{size + 2}", "bytes=-0"]:
        answer = ask(node.place, "GET", path, headers={"Range": field})
        report.equal((answer.status, answer.headers.get("content-range")), (416, f"bytes */{size}"), field)
        report.check(is_refusal(answer), f"{field}: found {answer.body[:200]!r}, expected an error (models.md, §10.2)")
    for field in ["bytes=5-2", "bytes=0-1,5-9", "lines=1-2", "bytes=a-b", "bytes=-", "bytes=99999999999999999999-"]:
        answer = ask(node.place, "GET", path, headers={"Range": field})
        report.check(answer.status in (200, 416) and (answer.status == 416 or answer.body == whole),
                     f"{field}: found {answer.status} and {len(answer.body)} bytes")
    for validator, status in [(tag, 206), ('"sha256-' + 64 * "0" + '"', 200), ("Wed, 21 Oct 2026 07:28:00 GMT", 200)]:
        answer = ask(node.place, "GET", path, headers={"Range": "bytes=0-9", "If-Range": validator})
        report.equal((answer.status, len(answer.body)), (status, 10 if status == 206 else size), f"If-Range: {validator}")


def refusals(report, node):
    for path, expected in [("/v1/models/unknown/latest/model.safetensors", 404),
                           (f"/v1/models/{MODEL}/999/manifest.json", 404), (f"/v1/models/{MODEL}/latest/passwd", 404),
                           (f"/v1/models/{MODEL}/latest/..%2fmanifest.json", 404),
                           (f"/v1/models/{MODEL}/sha256:zz/manifest.json", 400),
                           (f"/v1/models/{MODEL}/{30 * '9'}/manifest.json", 400),
                           ("/v1/models/%2e%2e/latest/manifest.json", 400), ("/v1/models/%00/latest/manifest.json", 400),
                           (f"/v1/models/{MODEL}/%ff/manifest.json", 400), ("/v1/nothing", 404)]:
        answer = ask(node.place, "GET", path)
        report.check(answer.status == expected and is_refusal(answer),
                     f"{path}: found {answer.status} {answer.body[:200]!r}, expected {expected} and an error")
    for method in ("PUT", "DELETE", "POST"):
        answer = ask(node.place, method, "/v1/models")
        report.check(answer.status == 405 and is_refusal(answer), f"{method}: found {answer.status} {answer.body[:200]!r}")


def compressed(report, node, path):
    """What is read once is compressed for who asks. Files, which resume by the byte, never are, nor are descriptions: the
    client of NVIDIA for asyncio asks for it everywhere and decodes it in predictions alone."""
    plain = ask(node.place, "GET", "/openapi.json").body
    for coding in ("gzip", "deflate"):
        done = curl("--compressed", "-H", f"Accept-Encoding: {coding}", "-D", "-", "-o", "-", node.url + "/openapi.json")
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        report.check(f"content-encoding: {coding}".encode() in head.lower() and body == plain,
                     f"curl --compressed, {coding}: found {head!r:.300} and {len(body)} bytes, expected {len(plain)}")
    folder = path.rsplit("/", 1)[0]
    for method, path in [("GET", path), ("GET", f"{folder}/manifest.json"), ("GET", f"{folder}/README.md"), ("GET", "/v1/models"),
                         ("GET", f"/v2/models/{MODEL}"), ("GET", f"/v2/models/{MODEL}/config"), ("GET", "/v2/models/stats"),
                         ("POST", "/v2/repository/index")]:
        answer = ask(node.place, method, path, headers={"Accept-Encoding": "gzip, deflate"})
        report.check("content-encoding" not in answer.headers,
                     f"{path}: found {len(answer.body)} bytes compressed, expected them as they are")
