"""kill -9 of a serving node under load, while versions arrive; versions that are damaged; what it says and serves then."""

import collections, http.client, json, signal, threading, time
import numpy as np
from parties import MODEL, until
from reference import TOLERANCE, published
from web import ask, inference

CLIENTS = 3
ANYBODY = "--insecure-anonymous"


class Load:
    """Clients that ask without pause and note each answer. A connection that ends is opened again; any status but 200
    and 503 is an error, and so is a 503 that is no refusal."""

    def __init__(self, place, rows):
        self.place, self.body = place, inference(rows)
        self.answers = collections.defaultdict(set)  # By version, the bytes of the probabilities.
        self.count, self.latest, self.errors, self.unready = 0, -1, [], 0
        self.lock, self.is_running = threading.Lock(), True
        self.threads = [threading.Thread(target=self.ask_on, daemon=True) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def ask_on(self):
        connection = None
        while self.is_running:
            try:
                connection = connection or http.client.HTTPConnection(self.place, timeout=10)
                connection.request("POST", f"/v2/models/{MODEL}/infer", self.body)
                answer = connection.getresponse()
                self.note(answer.status, answer.read())
            except (OSError, http.client.HTTPException):
                connection = None
                time.sleep(0.005)

    def note(self, status, body):
        with self.lock:
            if status != 200:
                self.unready += status == 503
                if status != 503 or not body.startswith(b'{"error":'):
                    self.errors.append((status, body[:300]))
                return
            document = json.loads(body)
            version = int(document["model_version"])
            outputs = {out["name"]: out["data"] for out in document["outputs"]}
            self.answers[version].add(np.array(outputs["probabilities"], np.float32).tobytes())
            self.count, self.latest = self.count + 1, max(self.latest, version)

    def seen(self):
        with self.lock:
            return self.count, self.latest

    def end(self):
        self.is_running = False
        for thread in self.threads:
            thread.join(15)


def judge(report, federation, load, rows, what):
    """Each answer is what NumPy computes from the published weights of the version that it names."""
    report.check(load.count > 0, f"{what}: found no answers")
    report.equal(load.errors[:3], [], f"{what}: answers that are neither predictions nor 'not ready'")
    for version, answers in sorted(load.answers.items()):
        expected = published(federation, version).probabilities(rows)
        for answer in answers:
            error = np.abs(np.frombuffer(answer, np.float32).reshape(expected.shape) - expected).max()
            report.check(error <= TOLERANCE, f"{what}: an answer by version {version} differs by {error} from its weights")


def kill_node(report, federation, rows, choices, count):
    """The run goes on; the node dies again and again, and comes back with the version it had or a later one."""
    rows = rows[:4]
    node = federation.node("serving", ANYBODY)
    load = Load(node.place, rows)
    until(30, "answers", lambda: load.seen()[0] > 0)
    killed, early, back = 0, 0, []
    while killed < count:
        time.sleep(choices.uniform(0, 1))
        before = load.seen()[1]
        node.end(signal.SIGKILL)
        killed += 1
        if choices.random() < 0.3:
            # Also while it starts.
            process = federation.node_process("serving", ANYBODY)
            time.sleep(choices.uniform(0, 0.5))
            process.end(signal.SIGKILL)
            killed, early = killed + 1, early + 1
        started = time.monotonic()
        node = federation.node("serving", ANYBODY)
        answer = first_answer(node, load.body)
        back.append(time.monotonic() - started)
        holds = answer.status == 200 and int(json.loads(answer.body)["model_version"]) >= before
        report.check(holds, f"kill {killed}: found {answer.status} {answer.body[:300]!r}, expected version {before} or later")
    # Versions arrived meanwhile, or do now.
    until(60, "three versions that answered", lambda: len(load.answers) >= 3)
    load.end()
    judge(report, federation, load, rows, "under kills")
    report.check(node.end(), "SIGTERM: found the node to go on for 10 s")
    print(f"kills of the node: {killed}, {early} of them while it started; back after {sorted(back)[len(back) // 2]:.2f} s, "
          f"at most {max(back):.2f} s; {load.count} answers by {len(load.answers)} versions")


def first_answer(node, body):
    """Predictions, or what was answered instead for 20 seconds."""
    def predict(): return ask(node.place, "POST", f"/v2/models/{MODEL}/infer", body)
    try:
        until(20, "predictions", lambda: predict().status == 200)
    except TimeoutError:
        pass
    return predict()


def swap(report, federation, rows, count):
    """Versions come and go under load, and no request fails."""
    rows = rows[:4]
    node = federation.node("serving", ANYBODY)
    until(30, "readiness", lambda: ask(node.place, "GET", f"/v2/models/{MODEL}/ready").status == 200)
    load = Load(node.place, rows)
    until(120, f"{count} versions under load", lambda: len(load.answers) >= count)
    load.end()
    judge(report, federation, load, rows, "under swaps")
    report.equal(load.unready, 0, "requests that found nothing ready")
    node.end()
    print(f"swaps: {len(load.answers)} versions, {load.count} answers, none failed")


def damage(report, federation, rows):
    """A version that is damaged where it comes from changes nothing; one that is damaged at the node is never served."""
    rows = rows[:4]
    # Workers and the node are gone: the coordinator has versions that the node has never seen.
    known = stored(federation)
    newest = federation.versions()[-1]
    if not report.check(newest > known, f"versions: found {newest} at the coordinator, expected one behind {known}"):
        return
    with damaged(federation.home / "coordinator/models", newest):
        federation.start_coordinator()
        node = federation.node("serving", ANYBODY)
        load = Load(node.place, rows)
        until(20, "answers", lambda: load.seen()[0] > 0)

        def bad(): return [one for one in index(node) if one["version"] == str(newest) and one["state"] == "UNAVAILABLE"]
        try:
            found = until(15, "a refusal of the damaged version", bad)
            report.check(found[0]["reason"] != "", f"repository index: found {found}, expected a reason")
        except TimeoutError:
            report.check(False, f"repository index: found {index(node)}, expected version {newest} to be unavailable")
        answer = ask(node.place, "POST", f"/v2/models/{MODEL}/versions/{newest}/infer", load.body)
        report.check(answer.status in (404, 503), f"the damaged version: found {answer.status} {answer.body[:200]!r}")
        load.end()
        report.equal(list(load.answers), [known], "versions that answered beside a damaged one")
        judge(report, federation, load, rows, "beside a damaged version")
        report.equal(load.unready, 0, "requests that found nothing ready")
    # Whole again, it is fetched within the pause behind a failed fetch (32 s at most).
    try:
        until(40, "the version that is whole again", lambda: ask(
            node.place, "GET", f"/v2/models/{MODEL}/versions/{newest}/ready").status == 200)
        report.check(True, "the version that is whole again is served")
    except TimeoutError:
        report.check(False, f"version {newest}, whole again: found {index(node)}, expected it to be served within 40 s")
    at_the_node(report, federation, node, newest, rows)
    federation.stop()


def at_the_node(report, federation, node, newest, rows):
    """A byte of the node's own copy: what is in memory answers on, what is pulled is refused, and it is fetched anew."""
    body = inference(rows)
    with damaged(federation.home / "serving/models", newest):
        load = Load(node.place, rows)
        target = federation.logs / "damaged/model"
        for source in (node.pull, node.url):
            done = federation.run("pull", f"{MODEL}@{newest}", "-o", target, "--no-cache", "--from", source, "--home",
                                  federation.home / "consumer", check=False)
            report.check(done.returncode != 0 and not target.exists(),
                         f"a pull of a damaged version from {source}: found exit {done.returncode} {done.stderr}")
        load.end()
        judge(report, federation, load, rows, "beside a damaged file")
        report.equal(list(load.answers), [newest], "versions that answered beside a damaged file")
        node.end()
        federation.stop()
        # Alone, it has nothing else for this model unless another alias points to one: never the damaged one.
        node = federation.node("serving", ANYBODY)
        time.sleep(1)
        answer = ask(node.place, "POST", f"/v2/models/{MODEL}/versions/{newest}/infer", body)
        report.check(answer.status in (404, 503), f"a damaged version, alone: found {answer.status} {answer.body[:200]!r}")
        federation.start_coordinator()
        try:
            until(20, "the damaged version, fetched anew", lambda: ask(
                node.place, "POST", f"/v2/models/{MODEL}/versions/{newest}/infer", body).status == 200)
            report.check(True, "a damaged version is fetched anew")
        except TimeoutError:
            report.check(False, f"a damaged version: found {index(node)}, expected it to be fetched anew within 20 s")
    node.end()


def stored(federation):
    """The version that the node's `latest` points to, on disk."""
    return int((federation.home / f"serving/models/models/{MODEL}/aliases/latest").read_text())


def index(node):
    return [one for one in json.loads(ask(node.place, "POST", "/v2/repository/index").body) if one["name"] == MODEL]


class damaged:
    """One byte of a version's largest tensor is another, for a time; unless the file was written anew meanwhile."""

    def __init__(self, models, version):
        manifest = json.loads((models / f"models/{MODEL}/versions/{version}/manifest.json").read_bytes())
        tensor = max(manifest["tensors"], key=lambda tensor: tensor["size"])
        self.path, self.place = models / "blobs" / tensor["digest"], tensor["size"] // 2

    def __enter__(self):
        self.whole = self.path.read_bytes()
        broken = bytearray(self.whole)
        broken[self.place] ^= 1
        self.path.chmod(0o600)
        self.path.write_bytes(broken)

    def __exit__(self, *_):
        if self.path.read_bytes() != self.whole:
            self.path.write_bytes(self.whole)
