"""/metrics before the parsers of others, in both formats."""

import json, shutil, subprocess
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from parties import MODEL
from web import ask, inference

ACCEPT = {"prometheus": "text/plain;version=0.0.4", "openmetrics": "application/openmetrics-text;version=1.0.0"}


def samples(families):
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families for sample in family.samples}


def check(report, node, rows):
    texts = {}
    for name, accept in ACCEPT.items():
        answer = ask(node.place, "GET", "/metrics", headers={"Accept": accept})
        report.equal(answer.status, 200, f"/metrics as {name}")
        report.check(answer.headers["content-type"].startswith(accept.split(";")[0]),
                     f"{name}: found {answer.headers['content-type']}")
        texts[name] = answer.body.decode()
    report.check(texts["openmetrics"].endswith("# EOF\n"), "OpenMetrics: found no '# EOF' at the end")
    families = {"prometheus": list(prometheus(texts["prometheus"])), "openmetrics": list(openmetrics(texts["openmetrics"]))}
    for name, found in families.items():
        report.check(len(found) > 5, f"{name}: found {len(found)} families")
        for family in found:
            report.check(family.documentation != "" and family.type != "unknown" and family.name.startswith(
                ("murmur_", "process_")), f"{name}: found family {family.name} of type {family.type}")
    counts(report, node, rows)
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=texts["prometheus"], capture_output=True, text=True)
        report.check(done.returncode == 0, f"promtool check metrics: found {done.stdout} {done.stderr}")
    else:
        report.skip("promtool: found none")


def counts(report, node, rows):
    """Twenty requests and a refused one are counted as such."""
    def read(): return samples(prometheus(ask(node.place, "GET", "/metrics").body.decode()))
    before = read()
    for _ in range(20):
        ask(node.place, "POST", f"/v2/models/{MODEL}/infer", inference(rows[:1]))
    ask(node.place, "POST", f"/v2/models/{MODEL}/infer", inference(rows[:1, :5]))
    after = read()
    moved = {}
    for key, value in after.items():
        if key[0] == "murmur_inference_requests_total" and value != before.get(key, 0):
            code = dict(key[1]).get("code")
            moved[code] = moved.get(code, 0) + value - before.get(key, 0)
    report.equal(moved, {"200": 20, "400": 1}, "requests by code")
