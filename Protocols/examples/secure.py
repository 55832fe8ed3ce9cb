# Secure mode (SA1, complete graph, up to 256 workers) for worker.py: keys, sealed shares, masks, agreement, unmasking.
#
#     python Protocols/examples/secure.py demo/worker-5           takes part in plain and in secure rounds
#
# Sections are those of secure-aggregation.md. What is left out: evidence that a coordinator contradicted itself, and
# attempts that count again once enough signed aborts are known.
import math, secrets, struct, sys
from pathlib import Path
import numpy
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
import murmur_pb2 as pb
from worker import Attempt, Home, Refused, Worker, digest, label, lp, require, u8, u16, u32, u64, verify

PRIME = 2**61 - 1
ORDER = ["roster", "peer_shares", "dealers", "survivors", "quorum"]


def hkdf(salt, secret, info, length): return HKDF(hashes.SHA256(), length, salt, info).derive(secret)
def keystream(key, size): return Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(bytes(size))


def exchange(own, other):
    try:
        return own.exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError:
        raise Refused("allZeroSharedSecret") from None


def bitmap(members, count):
    bits = bytearray((count + 7) // 8)
    for i in members:
        bits[i // 8] |= 1 << i % 8
    return bytes(bits)


def members(message, count):
    require(message.count == count and len(message.bits) == (count + 7) // 8, "badBitmap")
    found = {i for i in range(8 * len(message.bits)) if message.bits[i // 8] >> i % 8 & 1}
    require(all(i < count for i in found), "badBitmap")
    return found


class SecureAttempt(Attempt):
    def __init__(self, home, offer, say):
        super().__init__(home, offer, say)
        self.transcript, self.accepted, self.is_released = None, {}, False

    # M1
    def answer(self):
        self.encryption, self.mask = X25519PrivateKey.generate(), X25519PrivateKey.generate()
        self.own = (self.home.me.name, self.home.me.fingerprint, self.encryption.public_key().public_bytes_raw(),
                    self.mask.public_key().public_bytes_raw())
        self.say(advert=pb.Advertisement(attempt=self.offer.attempt, advert=pb.KeyAdvert(
            worker=self.own[0], certificate_fingerprint=self.own[1], encryption_key=self.own[2], mask_key=self.own[3],
            model_digest=self.offer.model_digest, configuration_digest=self.configuration_digest,
            offer_signature=self.offer.signature, signature=self.home.sign(self.advert(self.own)))))

    def advert(self, entry):
        return label(b"advert") + self.round_id + lp(entry[0].encode()) + b"".join(entry[1:]) + self.offer.signature

    def stage(self, kind, body, handle, deadline):
        """One message a stage: a repetition is answered as before, another one is refused, an early or late one dropped."""
        mine = body.attempt == self.offer.attempt if kind == "roster" else body.transcript == self.transcript
        if not mine:
            return
        if kind in self.accepted:
            require(self.accepted[kind] == body, "a second " + kind)
            self.again()
        elif kind == ORDER[len(self.accepted)]:
            self.accepted[kind] = body
            self.wait(deadline)
            handle(body)

    def on_roster(self, m): self.stage("roster", m, self.deal, 41)
    def on_peer_shares(self, m): self.stage("peer_shares", m, self.check_shares, 41)
    def on_dealers(self, m): self.stage("dealers", m, self.upload, 42)
    def on_survivors(self, m): self.stage("survivors", m, self.agree, 43)
    def on_quorum(self, m): self.stage("quorum", m, self.check_quorum, 44)

    def on_result(self, m):
        if m.transcript == self.transcript:
            signed = label(b"result") + self.transcript + digest(m.survivors.bits) + m.model_digest + u64(m.weight)
            verify(self.home.coordinator.key, signed, m.signature)
            return True

    # M2, M3
    def deal(self, message):
        entries = [(a.worker, a.certificate_fingerprint, a.encryption_key, a.mask_key) for a in message.adverts]
        self.people = [self.home.members.get(e[0]) for e in entries]
        for member, entry in zip(self.people, entries):
            require(member and member.fingerprint == entry[1], "certificateNotSigned")
            require(member.role == 1, "wrongRole")
            require(member.is_valid_now(), "certificateNotValidNow")
        names = [e[0].encode() for e in entries]
        require(names == sorted(names), "rosterOrder")
        require(len(set(names)) == len(names), "duplicateWorker")
        require(all(len({e[at] for e in entries}) == len(entries) for at in (2, 3)), "duplicateKey")
        require(self.own in entries, "ownEntryChanged")
        for member, entry, a in zip(self.people, entries, message.adverts):
            require((a.offer_signature or message.offer_signature) == self.offer.signature, "advertOfAnotherOffer")
            verify(member.key, self.advert(entry), a.signature, "advertOfAnotherOffer")
        listed = (lp(e[0].encode()) + b"".join(e[1:]) for e in entries)
        whole = digest(label(b"roster"), self.round_id, u32(len(entries)), *listed)
        verify(self.home.coordinator.key, label(b"roster-sig") + self.round_id + whole, message.signature)
        self.thresholds([p.organisation for p in self.people])
        self.roster, self.index = entries, entries.index(self.own)
        self.transcript = digest(label(b"transcript"), self.round_id, whole)
        self.self_mask, self.rounding = secrets.token_bytes(32), secrets.token_bytes(32)
        T, i, n = self.transcript, self.index, len(entries)
        b, s = self.shares(self.self_mask), self.shares(self.mask.private_bytes_raw())
        self.held = {i: (b[i], None)}                                # shares by dealer
        body = digest(label(b"commit-b"), T, u32(i), self.self_mask) + self.commitment(b"B", i, i, b[i]) + u32(n - 1)
        for j in set(range(n)) - {i}:
            both = self.commitment(b"B", i, j, b[j]) + self.commitment(b"S", i, j, s[j])
            nonce = secrets.token_bytes(12)
            sealed = self.sealing(i, j, j).encrypt(nonce, b[j] + s[j], T + u32(i) + u32(j) + both)
            body += u32(j) + nonce + sealed + both
        self.say(bundle=pb.SignedBundle(transcript=T, dealer=i, body=body,
                                        signature=self.home.sign(label(b"bundle"), T, u32(i), digest(body))))

    # Section 9, with the stricter of the configuration and the own policy
    def thresholds(self, organisations):
        rules, law, n = self.rules, self.home.policy, len(organisations)
        require(n <= 256, "rosterTooLarge")
        bound = max(math.ceil(n / 3) - 1, max(map(organisations.count, organisations)))
        self.quorum = (n + bound) // 2 + 1 if rules[3] == 1 else 0
        self.threshold = self.quorum or n // 2 + 1
        cohort, honest = max(rules[8], law["minimum-cohort"]), max(rules[11], law["minimum-honest-sum"])
        self.diversity = max(rules[9], law["minimum-organisations"])
        caps = [rules[10], tuple(map(int, law["organisation-cap"].split("/")))]
        self.fits = lambda inside: all(max(map(inside.count, inside)) * below <= above * len(inside) for above, below in caps)
        self.smallest = max(self.threshold, self.quorum, cohort, bound + honest)
        require(n >= cohort, "belowMinimumCohort")
        require(len(set(organisations)) >= self.diversity, "tooFewOrganisations")
        require(self.fits(organisations), "organisationAboveCap")
        require(self.smallest <= n, "noSafeSurvivorSet")

    # Section 6
    def shares(self, secret):
        limbs = [int.from_bytes(secret[at:at + 7], "little") for at in range(0, 32, 7)]
        rows = [[limb] + [secrets.randbelow(PRIME) for _ in range(self.threshold - 1)] for limb in limbs]
        return [b"".join(u64(sum(c * pow(j + 1, e, PRIME) for e, c in enumerate(row)) % PRIME) for row in rows)
                for j in range(len(self.roster))]

    def commitment(self, kind, dealer, helper, share):
        return digest(label(b"commit-s" + kind), self.transcript, u32(dealer), u32(helper), share)

    def sealing(self, dealer, helper, other):
        secret = exchange(self.encryption, self.roster[other][2])
        return ChaCha20Poly1305(hkdf(self.transcript, secret, label(b"share-enc") + u32(dealer) + u32(helper), 32))

    # M4
    def check_shares(self, message):
        T, i, complaints = self.transcript, self.index, set()
        for x in message.shares:
            try:
                require(x.dealer < len(self.roster), "badLength")
                require(x.helper == i and x.dealer not in self.held and len(x.ciphertext) == 96, "badLength")
                both = x.self_mask_commitment + x.mask_key_commitment
                opened = self.sealing(x.dealer, i, x.dealer).decrypt(x.nonce, x.ciphertext, T + u32(x.dealer) + u32(i) + both)
                b, s = opened[:40], opened[40:]
                require(self.commitment(b"B", x.dealer, i, b) + self.commitment(b"S", x.dealer, i, s) == both, "shareCommitment")
                require(all(limb < PRIME for limb, in struct.iter_unpack("<Q", opened)), "nonCanonicalLimb")
                self.held[x.dealer] = (b, s)
            except (Refused, InvalidTag):
                complaints |= {x.dealer} & set(range(len(self.roster)))
        bits = bitmap(complaints, len(self.roster))
        self.say(share_check=pb.ShareCheck(transcript=T, helper=i, complaints=pb.Bitmap(count=len(self.roster), bits=bits),
                                           signature=self.home.sign(label(b"share-check"), T, u32(i), bits)))

    # M4b, M5
    def upload(self, message):
        verify(self.home.coordinator.key, label(b"u2") + self.transcript + message.dealers.bits, message.signature)
        self.dealers = members(message.dealers, len(self.roster))
        require(self.index in self.dealers, "notInU2")
        require(len(self.dealers) >= self.smallest, "tooFewDealers")
        require(self.dealers <= set(self.held), "dealerWithoutShare")
        self.dealers_digest, self.last = digest(message.dealers.bits), {}
        vectors, saturated, norm = [], 0, 0.0
        if self.rules[20]:
            lanes, saturated, norm = self.integers()
            vectors.append(self.masked(0, self.rules[21], lanes))
        vectors.append(self.masked(1, 64, self.auxiliary(norm, saturated, len(self.roster))))
        self.open(self.transcript, self.index, self.dealers_digest, vectors)

    # Section 8
    def integers(self):
        """The update in the ring, how many elements were saturated, and its norm before the clip."""
        x, k, n, clip = self.difference(), self.rules[21], len(self.roster), self.rules[23]
        d, norm, reach = len(x), math.sqrt(sum(x * x)), clip
        weight = int(self.auxiliary(0.0, 0, n)[self.rules[26].index(1)]) / self.rules[24]
        x = x * ((clip / norm if norm > clip else 1.0) * weight)
        if self.rules[22]:
            power = 1 << d.bit_length() - 1
            for turn, begin in enumerate((0, d - power)):
                key = hkdf(self.transcript, self.transcript, label(b"rotation") + u8(turn), 16)
                signs = numpy.frombuffer(keystream(key, (power + 7) // 8), numpy.uint8)
                window, h = x[begin:begin + power] * (1.0 - 2.0 * numpy.unpackbits(signs, bitorder="little")[:power]), 1
                while h < power:
                    pairs = window.reshape(-1, 2, h)
                    window = numpy.stack((pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]), 1).reshape(-1)
                    h *= 2
                x[begin:begin + power] = window * (1 / math.sqrt(power))
            reach = min(clip, math.sqrt(2) * math.sqrt(2 * math.log(2 * d * n / self.rules[25])) * clip / math.sqrt(d))
        bound = 2**(k - max(1, math.ceil(math.log2(n))) - 1) - 1
        v = x / (reach / bound)
        words = numpy.frombuffer(keystream(hkdf(self.transcript, self.rounding, label(b"round-rng"), 16), 4 * d), "<u4")
        q = numpy.floor(v) + (words < (v - numpy.floor(v)) * 2.0**32)
        return numpy.clip(q, -bound, bound).astype(numpy.int64).view(numpy.uint64), int((abs(q) > bound).sum()), norm

    # Section 7: all sums modulo 2^64, cut to the ring at the end
    def masked(self, vector, k, lanes):
        def stream(secret, info):
            key = hkdf(self.transcript, secret, info + u32(vector) + u8(k), 16 * self.rules[2])
            raw = numpy.frombuffer(keystream(key, k // 8 * len(lanes)), numpy.uint8).reshape(-1, k // 8)
            return numpy.pad(raw, ((0, 0), (0, 8 - k // 8))).view("<u8").reshape(-1)
        y = lanes + stream(self.self_mask, label(b"self-mask") + u32(self.index))
        for j in self.dealers - {self.index}:
            low, high = sorted((self.index, j))
            pair = stream(exchange(self.mask, self.roster[j][3]), label(b"pair-mask") + u32(low) + u32(high))
            y = y + pair if j > self.index else y - pair
        return vector, k, len(lanes), y.astype("<u8").view(numpy.uint8).reshape(-1, 8)[:, :k // 8].tobytes()

    # M6, M7
    def agree(self, message):
        T, bits, agreed = self.transcript, message.survivors.bits, self.home.ledger["agreed"]
        verify(self.home.coordinator.key, label(b"u3") + T + message.dealers_digest + bits, message.signature)
        require(message.dealers_digest == self.dealers_digest, "wrongDigest")
        self.survivors = members(message.survivors, len(self.roster))
        require(agreed.get(T.hex(), digest(bits).hex()) == digest(bits).hex(), "secondSurvivorSet")
        require(self.survivors <= self.dealers, "survivorOutsideU2")
        require(self.index in self.survivors, "notASurvivor")
        require(len(self.survivors) >= self.smallest, "tooFewSurvivors")
        inside = [self.people[j].organisation for j in self.survivors]
        require(len(set(inside)) >= self.diversity, "tooFewOrganisations")
        require(self.fits(inside), "organisationAboveCap")
        if self.rules[3] == 2:
            return self.unmask()
        agreed[T.hex()] = digest(bits).hex()
        self.home.write()
        self.agreement = label(b"agree") + T + self.dealers_digest + bits
        self.say(agree=pb.Agreement(transcript=T, worker=self.index, signature=self.home.sign(self.agreement)))

    # M8, M9
    def check_quorum(self, message):
        signers = [x.worker for x in message.signers]
        require(len(set(signers)) == len(signers), "duplicateSigner")
        require(set(signers) <= self.survivors, "signerOutsideU3")
        require(len(signers) >= self.quorum, "quorumTooSmall")
        for x in message.signers:
            verify(self.people[x.worker].key, self.agreement, x.signature)
        self.unmask()

    def unmask(self):
        self.is_released = True
        self.say(unmask=pb.UnmaskShares(
            transcript=self.transcript, helper=self.index,
            self_mask_shares=[pb.OwnedShare(owner=o, share=self.held[o][0]) for o in sorted(self.survivors)],
            mask_key_shares=[pb.OwnedShare(owner=o, share=self.held[o][1]) for o in sorted(self.dealers - self.survivors)]))

    def leave(self, reason, text, code):
        if self.transcript is None:
            return super().leave(reason, text, code)
        signature = self.home.sign(label(b"abort"), self.transcript, u32(self.index), u8(self.is_released), u16(code))
        self.send(abort=pb.WorkerAbort(transcript=self.transcript, worker=self.index, has_released=self.is_released, code=code,
                                       signature=signature))


if __name__ == "__main__":
    Worker(Home(Path(sys.argv[1])), {pb.AGGREGATION_MODE_PLAIN: Attempt, pb.AGGREGATION_MODE_SECURE: SecureAttempt}).run()
