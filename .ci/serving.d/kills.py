"""kill -9 during pulls, at bytes and moments that a seed chooses: what has a name on disk is whole, and the last pull
ends well."""

import hashlib, json, shutil, signal, socket, subprocess, threading, time
from pathlib import Path
from parties import BIG_MODEL
from reference import manifest


class Tap:
    """A proxy of TCP that lets so many bytes of answers through and then holds them back, on all its connections together."""

    def __init__(self, place):
        host, port = place.rsplit(":", 1)
        self.target, self.room, self.held = (host, int(port)), None, threading.Event()
        self.lock, self.is_open = threading.Lock(), True
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self): return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def allow(self, count):
        """So many bytes from now on; None for all."""
        with self.lock:
            self.room = count
            self.held.clear()

    def accept(self):
        while self.is_open:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.target)
            except OSError:
                continue
            threading.Thread(target=self.carry, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self.carry, args=(far, near, True), daemon=True).start()

    def take(self, count):
        """How many of so many bytes may pass."""
        with self.lock:
            if self.room is None:
                return count
            taken = min(count, self.room)
            self.room -= taken
            if self.room == 0:
                self.held.set()
            return taken

    def carry(self, source, target, is_answer):
        try:
            while data := source.recv(65_536):
                while data:
                    count = self.take(len(data)) if is_answer else len(data)
                    target.sendall(data[:count])
                    data = data[count:]
                    if data:
                        time.sleep(0.002)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def end(self):
        self.is_open = False
        self.listener.close()


class Pulls:
    """Pulls of the big model into one folder, each killed, over HTTP and over ZeroMQ in turn."""

    def __init__(self, report, federation, node, work, choices):
        self.report, self.federation, self.node, self.choices = report, federation, node, choices
        self.folder = Path(work) / "killed/model"
        self.folder.parent.mkdir()
        self.tap = Tap(node.place)
        file = manifest(federation, 0, BIG_MODEL)["file"]
        self.digest, self.size = file["digest"], file["size"]
        self.killed, self.finished, self.partial = 0, 0, 0

    def start(self, source):
        return subprocess.Popen(
            [self.federation.murmur, "pull", f"{BIG_MODEL}@0", "-o", self.folder, "--no-cache", "--from", source, "--home",
             self.federation.home / "consumer"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def run(self, count):
        # As long as a pull takes here and now that nobody kills.
        started = time.monotonic()
        done = self.start(self.node.pull)
        self.report.equal(done.wait(60), 0, f"a pull of {self.size} bytes ({done.stderr.read()[:300]!r})")
        self.usual = time.monotonic() - started
        self.look("behind a pull that nobody killed", must=True)
        shutil.rmtree(self.folder)
        for number in range(3 * count):
            if self.killed == count:
                break
            self.kill_at_byte() if number % 2 else self.kill_after(self.choices.uniform(0, self.usual))
            self.look(f"behind kill {self.killed}")
        self.report.equal(self.killed, count, "pulls killed")
        self.tap.allow(None)
        source = self.choices.choice([self.tap.url, self.node.pull])
        last = self.start(source)
        self.report.equal(last.wait(60), 0, f"the pull behind all kills, from {source} ({last.stderr.read()[:300]!r})")
        self.look("behind the last pull", must=True)
        done = self.federation.run("verify", self.folder, "--home", self.federation.home / "consumer", check=False)
        self.report.equal(done.returncode, 0, f"murmur verify ({done.stderr})")
        left = [path.name for path in self.folder.parent.iterdir() if "partial" in path.name or path.name.endswith(".new")]
        self.report.equal(left, [], "what is left beside the folder")
        self.tap.end()
        result = f"{self.killed} killed, {self.partial} of them with a part of the file, {self.finished} were faster"
        self.report.check(self.partial > count // 4, f"pulls: found {result}, expected more with a part of the file")
        print(f"pulls: {result}")

    def kill_at_byte(self):
        self.tap.allow(self.choices.randrange(self.size + 4_096))
        process = self.start(self.tap.url)
        deadline = time.monotonic() + 20
        while not self.tap.held.is_set() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(self.choices.uniform(0, 0.01))
        self.kill(process)

    def kill_after(self, seconds):
        """Behind a part of the time that a pull takes; which is less than was thought, if it ends before."""
        started = time.monotonic()
        process = self.start(self.node.pull)
        try:
            process.wait(seconds)
            self.usual = time.monotonic() - started
        except subprocess.TimeoutExpired:
            pass
        self.kill(process)

    def kill(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            self.killed += 1
        else:
            self.finished += 1
        process.wait()
        if process.returncode not in (0, -signal.SIGKILL):
            self.report.check(False, f"a pull: found exit {process.returncode}: {process.stderr.read()[:500]!r}")
        process.stderr.close()

    def look(self, when, must=False):
        """What has its name is whole; what is not has a name that begins with a dot."""
        parts = [path for path in self.folder.parent.rglob("*partial-*") if path.stat().st_size]
        self.partial += bool(parts)
        names = sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []
        visible = [name for name in names if not name.startswith(".")]
        if must:
            self.report.check("model.safetensors" in visible, f"{when}: found {names}, expected the model")
        if not visible:
            self.report.check(not must, f"{when}: found nothing")
            return
        holds = {"manifest.json", "manifest.sig", "model.safetensors"} <= set(visible)
        digest = hashlib.sha256((self.folder / "model.safetensors").read_bytes()).hexdigest() if holds else None
        self.report.check(holds and digest == self.digest, f"{when}: found {visible} with digest {digest}")
        if not must:
            # Whole already: the next pull begins anew, or would have nothing to fetch.
            shutil.rmtree(self.folder)
