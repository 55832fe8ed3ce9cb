"""Asks a live Prometheus every query of the dashboards and alerts, while it reads a live federation.

    observability.py MURMUR WORK                       starts a federation in the folder WORK
    observability.py --targets C S WORK                reads these addresses of a coordinator and a serving node instead

Expects `prometheus` and `promtool` in PATH. Ends with 0 if everything holds; says what does not, otherwise. Standard
library only.
"""

import glob
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

FOLDER = "Cluster/observability"
WORKERS = 5
ROUNDS_BEFORE = 5
# Scrapes of each process before anything is asked: rates need two, means of a window some more.
SCRAPES = 20
# More of them while one version stays: its own rates need two.
SCRAPES_OF_ONE_VERSION = 5
REQUESTS_PER_TURN = 20

# Queries of dashboards that may have no answer in a federation where nothing goes wrong, and why.
MAY_BE_EMPTY = {
    "murmur_model_versions_taken_back_total": "no version makes the model worse here",
}

processes = []

# Everything is on this machine, whatever proxy the environment names.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fail(text):
    print(f"observability: {text}", file=sys.stderr)
    sys.exit(1)


def start(name, work, *command):
    log = open(os.path.join(work, f"{name}.log"), "wb")
    process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    processes.append(process)
    return process


def stop_all():
    for process in reversed(processes):
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


def log_end(work):
    for path in sorted(glob.glob(os.path.join(work, "*.log"))):
        with open(path, errors="replace") as log:
            print(f"--- {os.path.basename(path)}", *log.read().splitlines()[-5:], sep="\n", file=sys.stderr)


def until(seconds, what, condition):
    limit = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > limit:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.2)


def get(url, accept=None, body=None):
    """The status, the content type and the body of an answer; also of one that refuses."""
    headers = {"Accept": accept} if accept else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.headers.get("Content-Type", ""), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Content-Type", ""), error.read()


# The federation.


def http_address(home):
    path = os.path.join(home, "state", "endpoints.yaml")
    if not os.path.exists(path):
        return None
    with open(path) as file:
        found = re.search(r'^http: "?(\S+?)"?$', file.read(), re.MULTILINE)
    return found and found.group(1)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ends with {done.returncode}: {done.stderr.strip()}")


def start_federation(murmur, work):
    home = os.path.join(work, "federation")
    run(murmur, "init", home, "--workers", str(WORKERS), "--label", "digit")
    run(murmur, "data", "partition", "Simulations/Data/optdigits.csv", "--parts", str(WORKERS), "--federation", home)
    run_file = os.path.join(home, "operator", "run.yaml")
    with open(run_file) as file:
        text = file.read()
    with open(run_file, "w") as file:
        file.write(re.sub(r"^rounds:.*", "rounds: 100000", text, flags=re.MULTILINE))
    start("coordinator", work, murmur, "coordinator", "--home", f"{home}/coordinator", "--local", "--any-port")
    until(30, "key 'http' in the coordinator's endpoints.yaml", lambda: http_address(f"{home}/coordinator"))
    there = ("--endpoints", f"{home}/coordinator/state/endpoints.yaml")
    start("serving", work, murmur, "serve", "--home", f"{home}/serving", "--any-port", "--insecure-anonymous", *there)
    for number in range(1, WORKERS + 1):
        start(f"worker-{number}", work, murmur, "worker", "--home", f"{home}/worker-{number}", *there)
    run(murmur, "run", "submit", run_file, "--home", f"{home}/coordinator")
    until(30, "key 'http' in the serving node's endpoints.yaml", lambda: http_address(f"{home}/serving"))
    return http_address(f"{home}/coordinator"), http_address(f"{home}/serving")


def rounds_committed(coordinator):
    text = get(f"{coordinator}/metrics")[2].decode()
    return sum(
        float(line.split()[-1])
        for line in text.splitlines()
        if line.startswith("murmur_rounds_total{") and 'outcome="committed"' in line
    )


# Load.


class Load:
    """Predictions that succeed, and some that cannot."""

    def __init__(self, serving):
        self.serving = serving
        self.model = "digits"
        self.body = None

    def is_ready(self):
        status, _, body = get(f"{self.serving}/v2/models/{self.model}")
        if status != 200:
            return False
        tensor = json.loads(body)["inputs"][0]
        shape = [1 if size < 0 else size for size in tensor["shape"]]
        values = [i % 17 for i in range(math.prod(shape))]
        inputs = [{"name": tensor["name"], "datatype": tensor["datatype"], "shape": shape, "data": values}]
        self.body = json.dumps({"inputs": inputs}).encode()
        return True

    def turn(self):
        if self.body is None:
            return
        for _ in range(REQUESTS_PER_TURN):
            status, _, body = get(f"{self.serving}/v2/models/{self.model}/infer", body=self.body)
            if status != 200:
                raise RuntimeError(f"a prediction is answered with {status}: {body[:200]!r}, expected 200")
        get(f"{self.serving}/v2/models/{self.model}/infer", body=b"{}")
        get(f"{self.serving}/v2/models/no-such-model/infer", body=self.body)


# Prometheus.


class Prometheus:
    def __init__(self, work, coordinator, serving):
        folder = os.path.join(work, "prometheus")
        shutil.copytree(FOLDER, folder)
        config = os.path.join(folder, "prometheus.yml")
        with open(config) as file:
            text = file.read()
        with open(config, "w") as file:
            file.write(re.sub(r"(scrape_interval|evaluation_interval): 5s", r"\1: 1s", text))
        os.makedirs(os.path.join(folder, "targets"), exist_ok=True)
        for name, url in (("coordinator", coordinator), ("serving", serving)):
            address = urllib.parse.urlparse(url).netloc
            with open(os.path.join(folder, "targets", f"{name}.yaml"), "w") as file:
                file.write(f'- targets: ["{address}"]\n')
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        start(
            "prometheus", work, "prometheus", f"--config.file={config}",
            f"--storage.tsdb.path={os.path.join(work, 'tsdb')}", f"--web.listen-address=127.0.0.1:{port}",
        )
        until(30, "Prometheus", self.is_ready)

    def is_ready(self):
        try:
            return get(f"{self.url}/-/ready")[0] == 200
        except OSError:
            return False

    def api(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        answer = json.loads(get(f"{self.url}/api/v1/{path}?{query}")[2])
        if answer["status"] != "success":
            raise RuntimeError(answer.get("error", "no success"))
        return answer["data"]

    def query(self, expression):
        """The values of all series that answer."""
        data = self.api("query", query=expression)
        if data["resultType"] == "scalar":
            return [float(data["result"][1])]
        return [float(series["value"][1]) for series in data["result"]]


def fill_in(expression):
    """What Grafana does with its variables before it asks."""
    expression = expression.replace("$__rate_interval", "1m")
    return re.sub(r"\$(model|run)\b", ".*", expression)


def dashboard_queries():
    for path in sorted(glob.glob(f"{FOLDER}/grafana/dashboards/*.json")):
        with open(path) as file:
            board = json.load(file)
        name = os.path.basename(path)
        if board["id"] is not None or not board["uid"]:
            fail(f"{name}: found id {board['id']!r} and uid {board['uid']!r}, expected null and a name that stays")
        identifiers = [panel["id"] for panel in board["panels"]]
        if len(identifiers) != len(set(identifiers)):
            fail(f"{name}: two panels have one id")
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                if target["datasource"]["uid"] != "murmuration-prometheus":
                    fail(f"{name}, '{panel['title']}': found the source {target['datasource']}, expected ours")
                yield f"{name}, '{panel['title']}'", target["expr"]
        for variable in board["templating"]["list"]:
            found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
            if not found:
                fail(f"{name}, '{variable['name']}': found {variable['definition']!r}, expected label_values(…)")
            yield f"{name}, '{variable['name']}'", f"count by ({found.group(2)}) ({found.group(1)})"


def check_dashboards(prometheus):
    """All that is wrong, and how many queries were asked."""
    problems, count = [], 0
    for place, expression in dashboard_queries():
        count += 1
        try:
            values = prometheus.query(fill_in(expression))
        except RuntimeError as error:
            problems.append(f"{place}: {expression}: {error}")
            continue
        excuse = next((why for metric, why in MAY_BE_EMPTY.items() if metric in expression), None)
        if excuse is None and all(math.isnan(value) for value in values):
            problems.append(f"{place}: {expression}: found {values or 'no series'}, expected a number")
    return problems, count


def check_alerts(prometheus):
    problems, count = [], 0
    for group in prometheus.api("rules")["groups"]:
        for rule in group["rules"]:
            count += 1
            if rule["health"] != "ok":
                problems.append(f"{rule['name']}: {rule['health']}: {rule.get('lastError')}")
            try:
                prometheus.query(rule["query"])
            except RuntimeError as error:
                problems.append(f"{rule['name']}: {rule['query']}: {error}")
            if rule.get("state") == "firing" and rule["labels"].get("severity") == "page":
                problems.append(f"{rule['name']} fires while all is well: {[a['labels'] for a in rule['alerts']]}")
    return problems, count


# What the processes say.


def check_exposition(name, url):
    problems = []
    for accept, content_type, end in (
        (None, "text/plain; version=0.0.4; charset=utf-8", b"\n"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            b"\n# EOF\n",
        ),
    ):
        status, found, body = get(f"{url}/metrics", accept=accept)
        if (status, found) != (200, content_type):
            problems.append(f"{name}: found {status} {found!r}, expected 200 {content_type!r}")
        if not body.endswith(end):
            problems.append(f"{name}: found {body[-20:]!r} at the end, expected {end!r}")
    text = get(f"{url}/metrics")[2]
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    if checked.returncode != 0:
        problems.append(f"{name}: promtool check metrics: {(checked.stdout + checked.stderr).decode().strip()}")
    return problems


def scrapes(prometheus):
    counts = prometheus.query('count_over_time(up{job=~"murmur-.*"}[5m])')
    return min(counts) if len(counts) == 2 else 0


def main(arguments):
    if len(arguments) == 4 and arguments[0] == "--targets":
        coordinator, serving, work = arguments[1:]
        load = None
    elif len(arguments) == 2:
        murmur, work = arguments
        coordinator, serving = start_federation(murmur, work)
        until(120, f"{ROUNDS_BEFORE} rounds", lambda: rounds_committed(coordinator) >= ROUNDS_BEFORE)
        load = Load(serving)
        until(30, "a model that is served", load.is_ready)
    else:
        fail("usage: observability.py MURMUR WORK | --targets COORDINATOR SERVING WORK")
    prometheus = Prometheus(work, coordinator, serving)

    def are_scraped(count):
        if load:
            load.turn()
        return scrapes(prometheus) >= count

    until(90, f"{SCRAPES} scrapes of both processes", lambda: are_scraped(SCRAPES))
    if load:
        # Where a round takes a tenth of a second, a version is gone before its predictions are in two scrapes.
        run(murmur, "run", "pause", "digits", "--home", os.path.join(work, "federation", "coordinator"))
        last = scrapes(prometheus) + SCRAPES_OF_ONE_VERSION
        until(60, "scrapes of one version", lambda: are_scraped(last))
    problems = check_exposition("coordinator", coordinator) + check_exposition("serving node", serving)
    found, queries = check_dashboards(prometheus)
    problems += found
    found, rules = check_alerts(prometheus)
    problems += found
    if problems:
        raise RuntimeError("\n  ".join(["what does not hold:"] + problems))
    samples = int(sum(prometheus.query('scrape_samples_scraped{job=~"murmur-.*"}')))
    print(f"observability: {queries} queries of dashboards and {rules} rules answered, {samples} samples in a scrape")


if __name__ == "__main__":
    # Whoever loses patience with this also wants its processes gone.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    failed = True
    try:
        main(sys.argv[1:])
        failed = False
    except (RuntimeError, TimeoutError, OSError) as error:
        print(f"observability: {error}", file=sys.stderr)
        log_end(sys.argv[-1])
    finally:
        stop_all()
    sys.exit(1 if failed else 0)
