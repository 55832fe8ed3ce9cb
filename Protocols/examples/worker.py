# A worker of a Murmuration federation in Python, written from the pages in the folder above.
#
# It shows what a foreign worker does in plain mode: sessions and heartbeats, the checks on an offer, blobs down, a signed
# input up under credit, answers repeated after a reconnect. secure.py beside it adds secure mode. It trains nothing: its
# update is TINY in every element, and its metrics count no examples. To run it in the place of `murmur worker`, whose
# policy.yaml must allow plain aggregation:
#
#     pip install pyzmq cryptography protobuf pyyaml numpy
#     protoc -I Protocols --python_out=Protocols/examples murmur.proto
#     python Protocols/examples/worker.py demo/worker-5
import hashlib, json, math, os, re, secrets, struct, sys, time
from pathlib import Path
import numpy, yaml, zmq
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from google.protobuf.message import DecodeError
import murmur_pb2 as pb

TINY, EXAMPLES, CHUNK, AHEAD, UNCREDITED = 1e-6, 100, 262_144, 4, 32_768
F32, SIZES = 10, dict(zip(range(1, 14), (1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 8, 8, 8)))      # bytes an element, by dtype code


# Elements: secure-aggregation.md, section 2
def u8(x): return struct.pack("<B", x)
def u16(x): return struct.pack("<H", x)
def u32(x): return struct.pack("<I", x)
def u64(x): return struct.pack("<Q", x)
def f64(x): return struct.pack("<d", x)
def lp(x): return u32(len(x)) + x
def label(x): return lp(b"murmuration/sa1/" + x)
def digest(*parts): return hashlib.sha256(b"".join(parts)).digest()
def log(*words): print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


class Refused(Exception):
    """A message or an offer that this worker does not accept; `reason` is what OfferDeclined says."""
    def __init__(self, name, reason=pb.DECLINE_REASON_BAD_OFFER):
        super().__init__(name)
        self.reason = reason


def require(condition, name, reason=pb.DECLINE_REASON_BAD_OFFER):
    if not condition:
        raise Refused(name, reason)


def verify(key, message, signature, name="badSignature"):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused(name) from None


# The type of each field of a configuration, and the fields that may be missing: section 3
TYPES = {**dict.fromkeys([*range(1, 6), 8, 9, 11, 12, 13, 14, 20, 21, 22, 24, 27, *range(40, 45), 60, 64, 65, 83, 84], 1),
         **dict.fromkeys([23, 25, 61, 62, 63, 82, 85, 86, 87], 2), 80: 3, 81: 3, 50: 4, 51: 4, 88: 4,
         **dict.fromkeys([6, 7, 10, 15], 5), 26: 6}
OPTIONAL = {14, 15, *range(60, 66), *range(85, 89)}


# Those under which a worker that trains without a proximal term reports its difference as it is: strategies.md.
STRATEGIES = ("fedavg", "fedavgm", "fedadagrad", "fedadam", "fedyogi", "median", "trimmed-mean", "krum", "multi-krum",
              "geometric-median")


def configuration(data):
    """The values by number; a ratio is a pair."""
    read = {1: lambda v: struct.unpack("<Q", v)[0], 2: lambda v: struct.unpack("<d", v)[0], 3: bytes.decode, 4: bytes,
            5: lambda v: struct.unpack("<II", v), 6: lambda v: [x for x, in struct.iter_unpack("<H", v)]}
    values, at = {}, 0
    while at < len(data):
        require(at + 7 <= len(data), "truncated")
        number, kind, size = struct.unpack_from("<HBI", data, at)
        require(at + 7 + size <= len(data), "truncated")
        require(number > max(values, default=0), "fieldOrder")
        require(number in TYPES, "unknownField")
        require(kind == TYPES[number], "fieldType")
        require({1: size == 8, 2: size == 8, 3: True, 4: size == 32, 5: size == 8, 6: size % 2 == 0}[kind], "fieldSize")
        try:
            values[number] = read[kind](data[at + 7:at + 7 + size])
        except UnicodeDecodeError:
            raise Refused("fieldValue") from None
        at += 7 + size
    require(set(TYPES) - OPTIONAL <= set(values), "missingField")
    require(values[1] == 1 and values[2] in (1, 2) and values[3] in (1, 2) and values[21] in (16, 24, 32), "fieldValue")
    require(0 < values[23] < math.inf and 0 < values[25] < 1 and values[24] and 0 < values[27] <= 65_536, "fieldValue")
    require(set(values[26]) <= set(range(1, 9)) and values[26] and 2 <= values[4] <= 10_000, "fieldValue")
    return values


class Member:
    """A certificate of the federation's list: section 4."""
    def __init__(self, entry, authority):
        self.certificate = bytes.fromhex(entry["certificate"])
        verify(authority, self.certificate, bytes.fromhex(entry["signature"]), "certificateNotSigned")
        rest, texts = self.certificate[len(label(b"certificate")):], []
        for _ in range(2):
            size, = struct.unpack_from("<I", rest)
            texts.append(rest[4:4 + size].decode())
            rest = rest[4 + size:]
        self.organisation, self.name = texts
        self.role, self.key, self.link, self.begin, self.end = struct.unpack("<B32s32sQQ", rest)
        self.fingerprint = digest(self.certificate)

    def is_valid_now(self): return self.begin <= time.time() < self.end


class Home:
    """A party's folder, and the ledger of what must be durable before a message leaves: section 13."""
    def __init__(self, folder):
        public = yaml.safe_load((folder / "federation").read_text())
        self.federation, authority = public["federation"], bytes.fromhex(public["authority-key"])
        self.endpoints = public["endpoints"]
        people = sorted((Member(m, authority) for m in public["members"]), key=lambda m: m.name.encode())
        self.members = {m.name: m for m in people}
        self.issuance_log = digest(label(b"issuance-log"), lp(self.federation.encode()), authority, u32(len(people)),
                                   *(lp(m.certificate) for m in people))
        self.coordinator = next(m for m in people if m.role == 2)
        own = bytes.fromhex(yaml.safe_load((folder / "certificate").read_text())["certificate"])
        self.me = next(m for m in people if m.certificate == own)
        self.identity = Ed25519PrivateKey.from_private_bytes(bytes.fromhex((folder / "signing.key").read_text()))
        self.curve = [re.search(name + r'-key = "(.{40})"', (folder / "curve.key_secret").read_text())[1].encode()
                      for name in ("public", "secret")]
        self.policy = yaml.safe_load((folder / "policy.yaml").read_text())
        self.path = folder / "ledger.json"
        self.ledger = json.loads(self.path.read_text()) if self.path.exists() else {"mark": {}, "sent": {}, "agreed": {}}

    def write(self):
        with open(self.path.with_suffix(".new"), "w") as file:
            json.dump(self.ledger, file)
            file.flush()
            os.fsync(file.fileno())
        self.path.with_suffix(".new").rename(self.path)

    def sign(self, *parts): return self.identity.sign(b"".join(parts))


class Attempt:
    """One offer, and what follows from it: here in plain mode, in secure.py in secure mode."""
    def __init__(self, home, offer, say):
        self.home, self.offer, self.send = home, offer, say
        self.last, self.header, self.is_taken, self.chunks = {}, None, False, []
        self.tensors, self.missing, self.blob, self.awaited = {}, [], b"", 0
        self.news = time.monotonic()
        self.deadline = math.inf

    def say(self, **body):
        self.last = body
        self.send(**body)

    def again(self):
        """After a reconnect, or without news: repeats whatever has not been answered."""
        self.news = time.monotonic()
        if self.last:
            self.send(**self.last)
        if self.missing:
            self.ask()
        if self.header and not self.is_taken:
            self.send(bulk=True, upload_open=self.header)

    def check(self):
        """Everything that the pages ask for before an offer is accepted; then fetches the model."""
        a, task, law, ledger = self.offer.attempt, self.offer.task, self.home.policy, self.home.ledger
        rules = self.rules = configuration(self.offer.configuration)
        require(task.kind in (pb.TASK_KIND_TRAIN, pb.TASK_KIND_EVALUATE), "task")
        self.is_plain, self.is_training = task.aggregation == pb.AGGREGATION_MODE_PLAIN, task.kind == pb.TASK_KIND_TRAIN
        self.configuration_digest = digest(label(b"config"), lp(self.offer.configuration))
        self.round_id = digest(label(b"round"), lp(self.home.federation.encode()), lp(a.run.encode()), u64(a.round),
                               u32(a.attempt), self.offer.model_digest, self.configuration_digest)
        verify(self.home.coordinator.key, label(b"offer") + self.round_id, self.offer.signature)
        trainer = digest(label(b"task"), u8(task.kind - 1), u8(task.aggregation - 1), lp(task.architecture.encode()),
                         f64(task.data_scale), f64(task.hold_out_fraction), u64(task.seed),
                         lp(task.optimizer.encode()))
        require(rules.get(88) == trainer, "the task is not the configuration's")
        require(task.optimizer == "sgd", "an optimizer that this worker does not have")
        require(rules[80].split(",")[0] in STRATEGIES, "a strategy that this worker does not have")
        require(rules[50] == self.home.issuance_log, "another issuance log")
        require(rules[51] == digest(label(b"revocation-list"), u32(0)), "another revocation list")
        for t in self.offer.tensors:
            require(t.byte_count == SIZES.get(t.dtype, 0) * math.prod(t.shape), "byte count")
        elements = sum(math.prod(t.shape) for t in self.offer.tensors if t.dtype == F32)
        require(rules[20] == (elements if self.is_training else 0), "vectorLength")
        policy = pb.DECLINE_REASON_POLICY
        require(not self.is_plain or law["allow-plain"], "plain aggregation", policy)
        divided = any(setting.startswith("groups ") for setting in rules[80].split(", "))
        require(not divided or law["allow-groups"], "sums of groups", policy)
        require(self.is_plain or ("aes-128", "aes-256")[rules[2] - 1] in law["suites"], "suite", policy)
        require(self.is_plain or ("malicious", "semi-honest")[rules[3] - 1] in law["modes"], "mode", policy)
        require(ledger["mark"].get(a.run, [0, 0]) < [a.round, a.attempt], "not above the mark", pb.DECLINE_REASON_STALE)
        self.contribution = a.run + " " + self.offer.model_digest.hex()
        require(ledger["sent"].get(self.contribution, 0) < law["maximum-attempts-per-model"], "contributions",
                pb.DECLINE_REASON_CONTRIBUTIONS_EXHAUSTED)
        ledger["mark"][a.run] = [a.round, a.attempt]
        self.home.write()
        self.wait(42 if self.is_plain else 40)
        self.missing = sorted({(t.digest, t.byte_count) for t in self.offer.tensors if t.byte_count})
        self.ask()

    def wait(self, field):
        self.deadline = time.monotonic() + self.rules[field] / 1000 + 5

    # Blobs: wire.md, section 6. One at a time, at most AHEAD chunks outstanding
    def ask(self):
        if not self.missing:
            return self.begin()
        wanted, size = self.missing[0]
        self.awaited = min(AHEAD, math.ceil((size - len(self.blob)) / CHUNK))
        self.send(bulk=True, blob_request=pb.BlobRequest(digest=wanted, offset=len(self.blob), chunks=self.awaited))

    def on_blob_chunk(self, chunk, payload):
        if not self.missing or (chunk.digest, chunk.offset) != (self.missing[0][0], len(self.blob)):
            return
        wanted, size = self.missing[0]
        require(chunk.total_bytes == size and len(payload) == min(CHUNK, size - len(self.blob)), "a chunk of the wrong length")
        self.blob += payload
        self.awaited -= 1
        if size > UNCREDITED:
            self.send(bulk=True, blob_request=pb.BlobRequest(digest=wanted, offset=chunk.offset, chunks=0))
        if len(self.blob) == size:
            require(digest(self.blob) == wanted, "wrongDigest")
            self.tensors[wanted], self.blob = self.blob, b""
            self.missing.pop(0)
            self.ask()
        elif self.awaited == 0:
            self.ask()

    def begin(self):
        """The model is here: what counts is the digest of these tensors, not the one that was announced."""
        held = [lp(t.name.encode()) + u8(t.dtype) + u8(len(t.shape)) + b"".join(map(u64, t.shape))
                + self.tensors.get(t.digest, b"") for t in sorted(self.offer.tensors, key=lambda t: t.name.encode())]
        require(digest(label(b"model"), *held) == self.offer.model_digest, "wrongDigest")
        self.answer()

    # Plain mode: wire.md, section 5
    def answer(self):
        self.say(accept=pb.OfferAccepted(attempt=self.offer.attempt))
        x, vectors = self.difference(), []
        norm, clip = math.sqrt(sum(x * x)), self.rules[23]
        if self.is_training:
            x = (x * (clip / norm if norm > clip else 1)).astype("<f4")
            vectors.append((2, 32, len(x), x.tobytes()))
        auxiliary = self.auxiliary(norm, 0, self.rules[4])
        self.open(self.round_id, 0, bytes(32), [*vectors, (1, 64, len(auxiliary), auxiliary.astype("<u8").tobytes())])

    def difference(self):
        return numpy.full(self.rules[20] if self.is_training else 0, TINY, numpy.float32).astype(numpy.float64)

    def auxiliary(self, norm, saturated, roster):
        """What the layout asks for, as lanes of 64 bits: section 8."""
        bar = min(15, max(0, 8 + math.floor(math.log2(norm / self.rules[23])))) if norm else 0
        values = {1: min(EXAMPLES, self.rules[24]), 2: 1, 3: int(norm > self.rules[23]), 4: 0, 5: 0, 6: 0, 7: saturated}
        lanes = [v for code in self.rules[26] for v in ([int(i == bar) for i in range(16)] if code == 8 else [values[code]])]
        bound = 2**62 // roster
        return numpy.array([max(-bound, min(bound, v)) for v in lanes], numpy.int64).view(numpy.uint64)

    # Uploads, in both modes: secure-aggregation.md, M5, and wire.md, section 6
    def open(self, upload, index, dealers, vectors):
        table, digests = [], []
        for vector, bits, count, data in vectors:
            each = self.rules[27] // 2 if bits == 64 else self.rules[27]
            table.append((vector, bits, count, each))
            for number, at in enumerate(range(0, len(data), each * bits // 8)):
                self.chunks.append(data[at:at + each * bits // 8])
                digests.append(digest(label(b"chunk"), upload, u32(index), u32(vector), u32(number), lp(self.chunks[-1])))
        payload = digest(label(b"input"), *digests)
        signed = b"".join(u32(vector) + u8(bits) + u64(count) + u32(each) for vector, bits, count, each in table)
        self.header = pb.InputHeader(
            transcript=upload, worker=index, dealers_digest=dealers,
            vectors=[pb.VectorSpecification(id=v, ring_bits=b, count=c, chunk_elements=e) for v, b, c, e in table],
            signature=self.home.sign(label(b"input-header"), upload, u32(index), dealers, u32(len(table)), signed))
        self.trailer = pb.InputTrailer(transcript=upload, worker=index, dealers_digest=dealers, payload_digest=payload,
                                       signature=self.home.sign(label(b"input-sig"), upload, u32(index), dealers, payload))
        sent = self.home.ledger["sent"]
        sent[self.contribution] = sent.get(self.contribution, 0) + 1
        self.home.write()
        self.send(bulk=True, upload_open=self.header)

    def on_upload_grant(self, grant):
        if not self.header or grant.upload != self.header.transcript:
            return
        end = grant.first_chunk + grant.chunks
        for number in range(grant.first_chunk, min(end, len(self.chunks))):
            self.send(self.chunks[number], bulk=True, upload_chunk=pb.UploadChunk(upload=grant.upload, number=number))
        if end >= len(self.chunks):
            self.send(bulk=True, upload_close=self.trailer)

    def on_upload_answer(self, answer):
        if self.header and answer.upload == self.header.transcript:
            self.is_taken = True
            log("input refused: " + answer.refusal if answer.refusal else "input taken")

    def leave(self, reason, text, code):
        self.send(decline=pb.OfferDeclined(attempt=self.offer.attempt, reason=reason, detail=text))


class Worker:
    """The two sockets and the session: wire.md, sections 1 and 4."""
    def __init__(self, home, kinds):
        self.home, self.kinds, self.context, self.attempt = home, kinds, zmq.Context(), None
        self.control, self.bulk = self.connect("control", 1 << 20), self.connect("bulk", CHUNK)
        self.session, self.is_connected, self.interval, self.missed = secrets.randbits(64), False, 0.5, 3
        self.said = self.heard = time.monotonic()
        self.pause, self.greeting = 0.25, 0.0

    def connect(self, name, longest):
        socket = self.context.socket(zmq.DEALER)
        socket.curve_publickey, socket.curve_secretkey = self.home.curve
        socket.curve_serverkey = self.home.coordinator.link
        socket.maxmsgsize, socket.linger = longest + 33, 0          # libzmq measures the sealed frame, which is 33 bytes longer
        socket.immediate = name == "control"                        # a greeting is repeated, a request should wait for the link
        socket.connect(self.home.endpoints[name])
        return socket

    def say(self, payload=None, bulk=False, **body):
        frame = pb.Envelope(protocol_major=1, **body).SerializeToString()
        try:
            (self.bulk if bulk else self.control).send_multipart([frame] if payload is None else [frame, payload], zmq.NOBLOCK)
        except zmq.Again:
            return                                                   # no link: what is not answered is said again
        if not bulk:
            self.said = time.monotonic()

    def run(self):
        poller = zmq.Poller()
        poller.register(self.control, zmq.POLLIN)
        poller.register(self.bulk, zmq.POLLIN)
        while True:
            self.tick(time.monotonic())
            for socket, _ in poller.poll(50):
                header, *payload = socket.recv_multipart()
                try:
                    self.hear(pb.Envelope.FromString(header), payload)
                except DecodeError:
                    log("a message that cannot be read")
                except Refused as refusal:
                    self.leave(refusal.reason, str(refusal), 2)

    def tick(self, now):
        if self.is_connected and now - self.heard > self.interval * self.missed:
            log("the coordinator is silent")
            self.greet()
        if not self.is_connected and now >= self.greeting:
            self.say(hello=pb.Hello(session=self.session, software="worker.py 1", threads=1))
            self.greeting = now + self.pause * (0.75 + secrets.randbelow(500) / 1000)
            self.pause = min(4, self.pause * 2)
        if self.is_connected and now - self.said >= self.interval:
            self.say(heartbeat=pb.Heartbeat())
        if self.attempt and now > self.attempt.deadline:
            self.leave(pb.DECLINE_REASON_STALE, "deadline", 1)
        elif self.attempt and self.is_connected and now > self.attempt.news + (1 if self.attempt.missing else 10):
            self.attempt.again()                                     # a chunk may have been left out: soon, before the deadline

    def greet(self): self.is_connected, self.pause, self.greeting = False, 0.25, 0.0

    def leave(self, reason, text, code):
        log("leaves the attempt:", text)
        self.attempt.leave(reason, text, code)
        self.attempt = None

    def hear(self, envelope, payload):
        if envelope.protocol_major != 1:                             # another major: nothing in it means what it seems to
            return log("protocol version", envelope.protocol_major)
        kind = envelope.WhichOneof("body")
        body = getattr(envelope, kind) if kind else None
        if not (kind or "").startswith(("blob", "upload")):
            self.heard = time.monotonic()
        if kind in (None, "heartbeat") or len(payload) != (kind == "blob_chunk"):
            return
        if kind == "welcome" and body.session == self.session:
            if body.federation != self.home.federation:
                sys.exit("another federation: " + body.federation)
            self.interval, self.missed = body.heartbeat_milliseconds / 1000, body.missed_heartbeats
            self.is_connected = True
            log("connected")
            if self.attempt:
                self.attempt.again()
        elif kind == "refused":
            log("refused:", pb.SessionRefusal.Name(body.reason), body.detail)
            if body.reason in (pb.SESSION_REFUSAL_UNSUPPORTED_VERSION, pb.SESSION_REFUSAL_SUPERSEDED):
                sys.exit(1)
            if body.reason == pb.SESSION_REFUSAL_UNKNOWN_SESSION:
                self.greet()
        elif kind == "goodbye":
            self.greet()
        elif kind == "offer":
            self.on_offer(body)
        elif self.attempt and kind == "ended" and body.attempt == self.attempt.offer.attempt:
            self.end(pb.AttemptOutcome.Name(body.outcome), body.reason)
        elif self.attempt and hasattr(self.attempt, "on_" + kind):
            self.attempt.news = time.monotonic()
            if getattr(self.attempt, "on_" + kind)(body, *payload):
                self.end("result")

    def on_offer(self, offer):
        if self.attempt and offer == self.attempt.offer:
            return self.attempt.again()
        make = self.kinds.get(offer.task.aggregation)
        self.attempt = (make or Attempt)(self.home, offer, self.say)
        require(make, "this aggregation", pb.DECLINE_REASON_POLICY)
        self.attempt.check()

    def end(self, *words):
        a = self.attempt.offer.attempt
        log(f"{a.run}/{a.round}.{a.attempt} ended:", *words)
        self.attempt = None


if __name__ == "__main__":
    Worker(Home(Path(sys.argv[1])), {pb.AGGREGATION_MODE_PLAIN: Attempt}).run()
