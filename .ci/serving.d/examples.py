"""The examples of Protocols/inference.md, run as they are against the node."""

import json, re, subprocess, sys
from matrix import PAGE

ADDRESS = "127.0.0.1:8080"


def check(report, node, work):
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    report.check(len(blocks) >= 5, f"examples: found {len(blocks)}")
    folder = work / "examples"
    folder.mkdir()
    for language, text in blocks:
        words = ["sh", "-euc"] if language == "sh" else [sys.executable, "-c"]
        done = subprocess.run([*words, text.replace(ADDRESS, node.place)], cwd=folder, capture_output=True, text=True,
                              timeout=60)
        report.check(done.returncode == 0 and (done.stdout or "answer.bin" in text),
                     f"{text}: found exit {done.returncode} {done.stdout[:300]!r} {done.stderr[:300]!r}")
    first = next(text for _, text in blocks if '"id": "first"' in text).replace(ADDRESS, node.place)
    done = subprocess.run(["sh", "-euc", first], capture_output=True, text=True, timeout=60)
    answer = json.loads(done.stdout)
    report.equal((answer["id"], [out["name"] for out in answer["outputs"]], answer["outputs"][0]["shape"]),
                 ("first", ["label"], [1]), "the label of a row")
    report.check((folder / "answer.bin").stat().st_size > 40, "a raw answer: found no numbers")
