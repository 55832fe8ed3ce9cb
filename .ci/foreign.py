"""The worker in Python among parties that are `murmur`, and before a coordinator that tests it.

    python .ci/foreign.py MURMUR FOLDER

FOLDER holds worker.py, secure.py and murmur_pb2.py. Ends with 1 if a claim does not hold, and prints the log behind it.
"""

import os, re, secrets, socket, subprocess, sys, time
from pathlib import Path

MURMUR, WORK = os.path.abspath(sys.argv[1]), Path(sys.argv[2])
DATA = Path(__file__).resolve().parent.parent / "Simulations/Data/optdigits.csv"
PEOPLE, ROUNDS = 5, 3
sys.path.insert(0, str(WORK))

RUN = """
name: {mode}
model: {{name: {mode}, architecture: mlp 64-16-10}}
data: {{features: 64, classes: 10, scale: 16}}
rounds: {rounds}
aggregation: {mode}
training: {{learning-rate: 0.1}}
clip: 4
cohort: {{minimum: {people}}}
deadlines: {{advert: 10s, share: 10s, input: 20s, agree: 5s, unmask: 5s}}
"""


def free_ports(count):
    """The first of so many free ports in a row."""
    for first in range(20_000 + secrets.randbelow(20_000), 60_000, count):
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
    sys.exit("foreign: no free ports")


class Process:
    """A process with its log in a file; gone with `end`."""
    all = []

    def __init__(self, name, *words):
        self.path = WORK / (name + ".log")
        with open(self.path, "wb") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        Process.all.append(self)

    @property
    def log(self): return self.path.read_text(errors="replace")

    def wait_for(self, pattern, seconds=40):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if re.search(pattern, self.log):
                return
            time.sleep(0.02)
        fail(f"{self.path.name}: expected '{pattern}' within {seconds} s", self)

    def end(self):
        self.process.kill()
        self.process.wait()
        Process.all.remove(self)


def fail(text, *processes):
    for process in processes or list(Process.all):
        print(f"--- {process.path.name}\n{process.log[-3000:]}")
    sys.exit("foreign: " + text)


def expect(condition, text, *processes):
    if not condition:
        fail(text, *processes)


def make_federation(name):
    folder = WORK / name
    subprocess.run([MURMUR, "init", folder, "--workers", str(PEOPLE), "--federation", "foreign", "--label", "digit",
                    "--first-port", str(free_ports(5)), "--allow-plain"], check=True, stdout=subprocess.DEVNULL)
    header, *rows = DATA.read_text().splitlines()
    for number in range(PEOPLE):
        own = [header] + rows[number:400:PEOPLE]
        (folder / f"worker-{number + 1}/data.csv").write_text("\n".join(own) + "\n")
    return folder


def take_part(mode, script):
    """A run with four workers of murmur's and one in Python, each of whom every round needs."""
    folder = make_federation(mode)
    run = folder / "run.yaml"
    run.write_text(RUN.format(mode=mode, rounds=ROUNDS, people=PEOPLE))
    coordinator = Process(mode + "-coordinator", MURMUR, "coordinator", "--home", folder / "coordinator", "--local",
                          "--run", run)
    coordinator.wait_for("coordinator ready")
    workers = [Process(f"{mode}-worker-{n}", MURMUR, "worker", "--home", folder / f"worker-{n}", "--threads", "1")
               for n in range(1, PEOPLE)]
    foreign = Process(mode + "-foreign", sys.executable, WORK / script, folder / f"worker-{PEOPLE}")
    coordinator.wait_for("run ended.*state=completed")
    rounds = re.findall(r" round attempt=(\S+) .*outcome=committed.*reported=(\d+)", coordinator.log)
    rounds = rounds or re.findall(r"attempt=(\S+).*cohort=\d+ outcome=committed reported=(\d+)", coordinator.log)
    expect(len(rounds) == ROUNDS + 1 and all(reported == str(PEOPLE) for _, reported in rounds),
           f"{mode}: expected {ROUNDS + 1} attempts of {PEOPLE}, found {rounds}", coordinator, foreign)
    expect(foreign.process.poll() is None, f"{mode}: the worker in Python ended", foreign)
    expect("worker lost" not in coordinator.log, f"{mode}: a worker was lost", coordinator)
    for process in [foreign, *workers, coordinator]:
        process.end()
    print(f"{mode}: {len(rounds)} attempts of {PEOPLE}, one of them in Python")


class Examiner:
    """A coordinator's sockets with nothing behind them but this script."""
    def __init__(self, folder):
        import yaml, zmq
        keys = (folder / "coordinator/curve.key_secret").read_text()
        public, secret = (re.search(name + r'-key = "(.{40})"', keys)[1].encode() for name in ("public", "secret"))
        endpoints = yaml.safe_load((folder / "coordinator/federation").read_text())["endpoints"]
        self.context = zmq.Context()
        self.sockets = []
        for name in ("control", "bulk"):
            router = self.context.socket(zmq.ROUTER)
            router.curve_server, router.linger = True, 0
            router.curve_publickey, router.curve_secretkey = public, secret
            router.bind(endpoints[name])
            self.sockets.append(router)
        self.control, self.link = self.sockets[0], None

    def hear(self, seconds):
        """The next message of the worker; None if none comes."""
        import murmur_pb2 as pb
        if not self.control.poll(int(seconds * 1000)):
            return None
        self.link, frame = self.control.recv_multipart()
        return pb.Envelope.FromString(frame)

    def hears(self, kind, seconds=5, never=None):
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            message = self.hear(left)
            found = message and message.WhichOneof("body")
            if found == kind:
                return message
            expect(not found or found != never, f"expected no '{never}' of the worker in Python")
        fail(f"expected '{kind}' of the worker in Python")

    def say(self, envelope): self.control.send_multipart([self.link, envelope.SerializeToString()])

    def end(self):
        for router in self.sockets:
            router.close()
        self.context.term()


def examine():
    """Hello, heartbeats, versions and errors: wire.md, sections 2, 4 and 9."""
    import murmur_pb2 as pb
    folder = make_federation("examined")
    examiner = Examiner(folder)
    worker = Process("examined-worker", sys.executable, WORK / "worker.py", folder / f"worker-{PEOPLE}")

    def welcome(hello, minor=0, major=1):
        examiner.say(pb.Envelope(protocol_major=major, protocol_minor=minor, welcome=pb.Welcome(
            session=hello.session, federation="foreign", heartbeat_milliseconds=200, missed_heartbeats=10)))

    first = examiner.hears("hello", 20)
    expect(first.protocol_major == 1 and first.hello.session, "expected a session and version 1")
    again = examiner.hears("hello")
    expect(again.hello.session == first.hello.session, "expected the same session in every hello")
    # Another major is as if nothing had been said: the worker goes on greeting.
    welcome(first.hello, major=2)
    examiner.hears("hello", 10, never="heartbeat")
    examiner.hears("hello", 10, never="heartbeat")
    # A newer minor is a welcome like any other; fields and bodies that nobody knows are passed over.
    welcome(first.hello, minor=7)
    started = time.monotonic()
    for _ in range(5):
        examiner.hears("heartbeat")
    expect(0.6 < time.monotonic() - started < 4, "expected a heartbeat every 0.2 s")
    examiner.control.send_multipart([examiner.link, b"\xff\xff\xff not protobuf"])
    examiner.control.send_multipart([examiner.link, pb.Envelope(protocol_major=1).SerializeToString() + b"\xfa\x3e\x01x"])
    examiner.say(pb.Envelope(protocol_major=1, refused=pb.SessionRefused(reason=pb.SESSION_REFUSAL_MALFORMED)))
    examiner.hears("heartbeat")
    # An offer that nobody signed is declined by name.
    examiner.say(pb.Envelope(protocol_major=1, offer=pb.RoundOffer(
        attempt=pb.Attempt(run="r", round=1, attempt=0), configuration=b"no configuration")))
    declined = examiner.hears("decline").decline
    expect(declined.attempt.run == "r", "expected the offered attempt to be declined")
    # A coordinator that has forgotten the session is greeted again, with the same one; so is one that was silent.
    examiner.say(pb.Envelope(protocol_major=1, refused=pb.SessionRefused(reason=pb.SESSION_REFUSAL_UNKNOWN_SESSION)))
    welcome(examiner.hears("hello").hello)
    expect(examiner.hears("hello", 10).hello.session == first.hello.session, "expected the same session after silence")
    # A refusal for the version ends the worker, with an error.
    examiner.say(pb.Envelope(protocol_major=1, refused=pb.SessionRefused(
        reason=pb.SESSION_REFUSAL_UNSUPPORTED_VERSION)))
    try:
        code = worker.process.wait(5)
    except subprocess.TimeoutExpired:
        fail("expected the worker in Python to end", worker)
    expect(code == 1, f"expected exit code 1, found {code}", worker)
    worker.end()
    examiner.end()
    print("examined: hello, heartbeats, versions, errors")


if __name__ == "__main__":
    try:
        examine()
        take_part("plain", "worker.py")
        take_part("secure", "secure.py")
    finally:
        for process in list(Process.all):
            process.end()
