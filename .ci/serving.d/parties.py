"""A federation on this machine, and the processes of it."""

import http.client, os, re, secrets, shutil, signal, socket, subprocess, time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "Simulations/Data/optdigits.csv"
WORKERS = 5
MODEL, BIG_MODEL = "digits", "big"
# 8.9 MB of weights: enough for a download to be stopped at many places.
BIG_ARCHITECTURE = "mlp 64-2048-1024-10"

RUN = """
name: {name}
model: {{name: {name}, architecture: {architecture}, seed: 1}}
data: {{features: 64, classes: 10, scale: 16}}
rounds: {rounds}
aggregation: plain
training: {{learning-rate: 0.1, local-epochs: 1, batch-size: 16}}
clip: 4
cohort: {{minimum: {people}}}
deadlines: {{advert: 10s, share: 10s, input: 60s, agree: 5s, unmask: 5s}}
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
    raise RuntimeError("found no free ports")


def until(seconds, what, condition):
    """The first true answer of `condition`; errors of connections are no answer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = condition()
        except (OSError, http.client.HTTPException):
            found = None
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


class Process:
    """A process with its log at the end of a file; gone with `end`."""
    all = []

    def __init__(self, log, *words):
        self.path = Path(log)
        with open(self.path, "ab") as file:
            self.begin = file.tell()
            self.process = subprocess.Popen(list(map(str, words)), stdout=file, stderr=file, stdin=subprocess.DEVNULL)
        Process.all.append(self)

    @property
    def log(self): return self.path.read_bytes()[self.begin:].decode(errors="replace")

    @property
    def is_running(self): return self.process.poll() is None

    def end(self, how=signal.SIGTERM):
        """Ends the process, and waits; what does not end on SIGTERM is killed after ten seconds.

        Returns whether it ended by itself.
        """
        ended = True
        if self.is_running:
            self.process.send_signal(how)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            ended = False
            self.process.kill()
            self.process.wait()
        Process.all.remove(self)
        return ended

    @classmethod
    def end_all(cls):
        for process in list(cls.all):
            process.end(signal.SIGKILL)


class Federation:
    """A coordinator, five workers and a serving node, in folders below one."""

    def __init__(self, murmur, node_program, work, with_grpc):
        self.node_program = os.path.abspath(node_program)
        self.murmur, self.home = os.path.abspath(murmur), Path(work) / "federation"
        self.logs = Path(work)
        self.coordinator, self.workers = None, []
        self.first_port = free_ports(7)
        self.run("init", self.home, "--workers", WORKERS, "--federation", "serving", "--label", "digit",
                 "--first-port", self.first_port, "--allow-plain")
        header, *rows = DATA.read_text().splitlines()
        for number in range(WORKERS):
            # Every fifth row is nobody's: the checks predict on those.
            own = [header] + [row for index, row in enumerate(rows) if index % 5 != 4][number:400:WORKERS]
            (self.home / f"worker-{number + 1}/data.csv").write_text("\n".join(own) + "\n")
        # At a fixed port, so that clients find a node that was killed where it was.
        configuration = self.home / "serving/serving.yaml"
        text, count = re.subn(r'bind: "?127\.0\.0\.1:8080"?', f'bind: "127.0.0.1:{self.first_port + 5}"',
                              configuration.read_text())
        if count != 1:
            raise RuntimeError(f"{configuration}: found no address of HTTP, expected 127.0.0.1:8080")
        if with_grpc:
            text += f'grpc: {{bind: "127.0.0.1:{self.first_port + 6}"}}\n'
        configuration.write_text(text)

    def run(self, *words, check=True, timeout=60):
        """A command of murmur, to its end."""
        done = subprocess.run([self.murmur, *map(str, words)], capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise RuntimeError(f"murmur {' '.join(map(str, words))}: exit {done.returncode}: {done.stderr.strip()}")
        return done

    def write_run(self, name, architecture, rounds):
        path = self.logs / f"{name}.yaml"
        path.write_text(RUN.format(name=name, architecture=architecture, rounds=rounds, people=WORKERS))
        return path

    def start_coordinator(self):
        self.coordinator = Process(self.logs / "coordinator.log", self.murmur, "coordinator", "--home",
                                   self.home / "coordinator", "--local")
        until(30, "the coordinator", lambda: "coordinator ready" in self.coordinator.log or not self.coordinator.is_running)
        if not self.coordinator.is_running:
            raise RuntimeError(f"the coordinator ended: {self.coordinator.log[-1000:]}")

    def start_workers(self):
        self.workers = [Process(self.logs / f"worker-{n}.log", self.murmur, "worker", "--home",
                                self.home / f"worker-{n}", "--threads", "1") for n in range(1, WORKERS + 1)]

    def submit(self, path): self.run("run", "submit", path, "--home", self.home / "coordinator")

    def stop(self):
        for process in [*self.workers, *([self.coordinator] if self.coordinator else [])]:
            process.end()
        self.coordinator, self.workers = None, []

    # What the coordinator has published, on disk.

    def versions(self, model=MODEL):
        folder = self.home / "coordinator/models/models" / model / "versions"
        return sorted(int(path.name) for path in folder.glob("[0-9]*")) if folder.exists() else []

    def node(self, folder="serving", *words): return Node(self, folder, *words)

    def node_process(self, folder, *words):
        """A node of which nobody waits for anything."""
        return Process(self.logs / f"{folder}.log", self.node_program, "serve", "--home", self.home / folder, *words)

    def copy_node(self, name):
        """The serving node's folder under another name: the same identity, keys and versions."""
        return shutil.copytree(self.home / "serving", self.home / name)


class Node:
    """A serving node that runs; `url` of its HTTP, `pull` of its ZeroMQ."""

    def __init__(self, federation, folder, *words):
        self.home = federation.home / folder
        self.endpoints = {}
        file = self.home / "state/endpoints.yaml"
        file.unlink(missing_ok=True)
        self.process = federation.node_process(folder, *words)
        until(30, f"{folder}: its addresses", lambda: self.read(file) or not self.process.is_running)
        if "http" not in self.endpoints:
            raise RuntimeError(f"{folder}: found no 'http' in {file}, exit code {self.process.process.poll()}: "
                               + self.process.log[-2000:])

    def read(self, file):
        if not file.exists():
            return False
        self.endpoints = dict(re.findall(r'^(\w+): "?([^"\s]+)"?$', file.read_text(), re.M))
        return "http" in self.endpoints

    @property
    def url(self): return self.endpoints["http"]

    @property
    def place(self): return self.url.split("://")[1]

    @property
    def pull(self): return self.endpoints["pull"]

    def end(self, how=signal.SIGTERM): return self.process.end(how)
