import CFederationMessages
import Federation
import Membership
import ModelRegistry
import Rounds
import SecureAggregation
import Serving
import Testing
import Transfer

@testable import Wire

/// A frame that is protobuf, and that no honest peer sends.
struct Refused: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let field: String
  let decode: @Sendable () throws(WireError) -> Void

  /// `message` is written as it is: the writer does not check what its own side made.
  init(_ field: String, _ what: String, _ message: some WireMessage, payload: Int? = nil) {
    self.init(field, what, message, payload: payload) { $0 }
  }

  init<M: WireMessage>(
    _ field: String, _ what: String, _ message: M, payload: Int? = nil,
    changed: @escaping @Sendable ([UInt8]) -> [UInt8]
  ) {
    testDescription = "\(field): \(what)"
    self.field = field
    decode = { () throws(WireError) in _ = try M(decoding: changed(try message.encoded()), payloadBytes: payload) }
  }

  /// The body is made by hand, for values that have no Swift form.
  init<M: WireMessage>(
    _ field: String, _ what: String, as _: M.Type, _ body: Murmur__Envelope__BodyCase,
    _ store: @escaping @Sendable (MessageArena, inout Murmur__Envelope) -> Void
  ) {
    testDescription = "\(field): \(what)"
    self.field = field
    decode = { () throws(WireError) in
      let draft = EnvelopeDraft(version: .current, request: 0)
      draft.set(body, store)
      _ = try M(decoding: draft.packed(byteCountMax: .max))
    }
  }
}

@Suite("Fields that are refused")
struct RefusedFieldTests {
  static let names: [Refused] = [
    Refused("accept.attempt.run", "empty", worker(.accept(AttemptID(run: "", round: 1, attempt: 0)))),
    Refused("accept.attempt.run", "a path", worker(.accept(AttemptID(run: "../etc", round: 1, attempt: 0)))),
    Refused(
      "accept.attempt.run", "too long",
      worker(.accept(AttemptID(run: RunID(unchecked: String(repeating: "r", count: 129)), round: 1, attempt: 0)))),
    Refused("accept.attempt.run", "NUL", worker(.accept(AttemptID(run: "a\0b", round: 1, attempt: 0)))),
    Refused("accept.attempt.round", "round 0", worker(.accept(AttemptID(run: "r", round: 0, attempt: 0)))),
    Refused("advert.worker", "a space", worker(.advert(Values.attempt, Values.advert("worker 1", seed: 1)))),
    Refused("hello.software", "not UTF-8", Values.toCoordinator[0]) { bytes in
      bytes.map { $0 == UInt8(ascii: "m") ? 0xFF : $0 }
    },
    Refused("hello.labels.key", "NUL", Values.toCoordinator[Values.toCoordinator.count - 1]) { bytes in
      bytes.map { $0 == UInt8(ascii: "g") ? 0 : $0 }
    },
    Refused("hello.labels", "a control character", Values.toCoordinator[Values.toCoordinator.count - 1]) { bytes in
      bytes.map { $0 == UInt8(ascii: "g") ? 7 : $0 }
    },
    Refused(
      "offer.task.architecture", "NUL", offer(task: { $0.architecture = "mlp\0" })),
    Refused("offer.task.architecture", "empty", offer(task: { $0.architecture = "" })),
    Refused(
      "offer.task.architecture", "too long", offer(task: { $0.architecture = String(repeating: "x", count: 1025) })),
    Refused("submit_run.yaml", "too long", OperatorRequest.submitRun(yaml: String(repeating: "x", count: 262_145))),
    Refused("resolve.reference", "empty", PullRequest.resolve(reference: "")),
    Refused("event_batch.rows", "0", EventBatch(model: "digits", rows: 0, element: .uint8)),
    Refused("event_batch.rows", "4,097", EventBatch(model: "digits", rows: 4_097, element: .uint8)),
    Refused("event_batch.element", "3", as: EventBatch.self, MURMUR__ENVELOPE__BODY_EVENT_BATCH) { arena, envelope in
      envelope.event_batch = arena.make(murmur__event_batch__init) {
        $0.model = arena.text("digits")
        $0.rows = 1
        $0.element = 3
      }
    },
    Refused("event_batch.version", "a space", as: EventBatch.self, MURMUR__ENVELOPE__BODY_EVENT_BATCH) {
      arena, envelope in
      envelope.event_batch = arena.make(murmur__event_batch__init) {
        $0.model = arena.text("digits")
        $0.version = arena.text("a b")
        $0.rows = 1
        $0.element = 1
      }
    },
    Refused(
      "state_record.alias_moved.alias", "a digit first", as: StateMessage.self, MURMUR__ENVELOPE__BODY_STATE_RECORD
    ) {
      arena, envelope in
      envelope.state_record = arena.make(murmur__state_record__init) {
        $0.kind_case = MURMUR__STATE_RECORD__KIND_ALIAS_MOVED
        $0.alias_moved = arena.make(murmur__alias_moved__init) {
          $0.model = arena.text("digits")
          $0.alias = arena.text("3")
        }
      }
    },
  ]

  static let lengths: [Refused] = [
    Refused("agree.transcript", "31 bytes", worker(.agree(agreement(transcript: 31)))),
    Refused("agree.transcript", "33 bytes", worker(.agree(agreement(transcript: 33)))),
    Refused("agree.transcript", "nothing", worker(.agree(agreement(transcript: 0)))),
    Refused("agree.signature", "63 bytes", worker(.agree(agreement(signature: 63)))),
    Refused("unmask.share", "39 bytes", worker(.unmask(unmask(shareBytes: 39)))),
    Refused("peer_shares.shares.nonce", "11 bytes", coordinator(.peerShares(shares(nonce: 11, ciphertext: 96)))),
    Refused("peer_shares.shares.ciphertext", "97 bytes", coordinator(.peerShares(shares(nonce: 12, ciphertext: 97)))),
    Refused("advert.encryption_key", "30 bytes", worker(.advert(Values.attempt, advert(keyBytes: 30)))),
    Refused("tensors.digest", "nothing", as: ControlToWorker.self, MURMUR__ENVELOPE__BODY_OFFER) {
      arena, envelope in
      envelope.offer = arena.make(murmur__round_offer__init) {
        $0.n_tensors = 1
        $0.tensors = arena.list([0]) { _ in
          arena.make(murmur__tensor_reference__init) {
            $0.name = arena.text("w")
            $0.dtype = 10
            $0.byte_count = 4
          }
        }
      }
    },
    Refused(
      "resolved.manifest", "too long",
      PullReply.resolved(
        SignedManifest(
          bytes: [UInt8](repeating: 1, count: Manifest.byteCountMax + 1), signature: Values.signature(1), signer: "c"),
        nil)),
    Refused(
      "resolved.attachments.bundle", "too long",
      PullReply.resolved(
        Values.manifest,
        ModelAttachments(
          bundle: [UInt8](repeating: 1, count: ModelSignature.bundleByteCountMax + 1), key: [],
          endorsement: Values.signature(1)))),
    Refused(
      "resolved.attachments.key", "too long",
      PullReply.resolved(
        Values.manifest,
        ModelAttachments(
          bundle: [], key: [UInt8](repeating: 1, count: ModelAttachments.keyByteCountMax + 1),
          endorsement: Values.signature(1)))),
    Refused(
      "change_alias.change", "an event", as: OperatorRequest.self, MURMUR__ENVELOPE__BODY_CHANGE_ALIAS
    ) { arena, envelope in
      envelope.change_alias = arena.make(murmur__change_alias__init) {
        $0.model = arena.text("digits")
        $0.alias = arena.text("best")
        $0.change = MURMUR__ALIAS_CHANGE__ALIAS_CHANGE_RETIREMENT
      }
    },
    Refused("change_alias.target", "nothing", as: OperatorRequest.self, MURMUR__ENVELOPE__BODY_CHANGE_ALIAS) {
      arena, envelope in
      envelope.change_alias = arena.make(murmur__change_alias__init) {
        $0.model = arena.text("digits")
        $0.alias = arena.text("best")
        $0.change = MURMUR__ALIAS_CHANGE__ALIAS_CHANGE_MOVE
      }
    },
    Refused("retire_version.reason", "nothing", OperatorRequest.retireVersion("digits", 1, reason: "")),
    Refused(
      "state_record.version_retired.reason", "too long", as: StateMessage.self,
      MURMUR__ENVELOPE__BODY_STATE_RECORD
    ) { arena, envelope in
      envelope.state_record = arena.make(murmur__state_record__init) {
        $0.kind_case = MURMUR__STATE_RECORD__KIND_VERSION_RETIRED
        $0.version_retired = arena.make(murmur__retired_version__init) {
          $0.model = arena.text("digits")
          $0.manifest_digest = arena.data(Values.digest(1))
          $0.reason = arena.text(String(repeating: "x", count: RetiredVersion.reasonBytesMax + 1))
        }
      }
    },
    Refused("bundle.body", "one byte too many", Values.toCoordinator[5]) { bytes in
      // The body is the bytes field that begins with the seed commitment; lengthen the count of its entries instead.
      let count: [UInt8] = Array(Values.digest(2).bytes) + [1, 0, 0, 0]
      return replace(count, by: Array(Values.digest(2).bytes) + [2, 0, 0, 0], in: bytes)
    },
  ]

  static let numbers: [Refused] = [
    Refused("agree.worker", "beyond any roster", worker(.agree(agreement(worker: 10_000)))),
    Refused("progress.quarters", "five quarters", worker(.progress(Values.attempt, .training, quarters: 5))),
    Refused("blob_request.offset", "between chunks", BulkToCoordinator.request(request(offset: 1))),
    Refused("blob_request.offset", "beyond any blob", BulkToCoordinator.request(request(offset: 1 << 35))),
    Refused("blob_request.chunks", "more than a window", BulkToCoordinator.request(request(chunks: 9))),
    Refused(
      "blob_chunk.offset", "behind the end",
      BulkToWorker.chunk(BlobChunk(digest: Values.digest(1), offset: 262_144, totalBytes: 262_144)), payload: 0),
    Refused(
      "blob_chunk.total_bytes", "beyond any blob",
      BulkToWorker.chunk(BlobChunk(digest: Values.digest(1), offset: 0, totalBytes: (1 << 34) + 1)), payload: 262_144),
    Refused(
      "blob_chunk.total_bytes", "an empty blob, which nobody asks for",
      BulkToWorker.chunk(BlobChunk(digest: Values.digest(1), offset: 0, totalBytes: 0)), payload: 0),
    Refused(
      "upload_grant.chunks", "more than a window",
      BulkToWorker.grant(UploadGrant(upload: Values.digest(1), firstChunk: 0, chunks: 9))),
    Refused("upload_open.vectors", "none", header([])),
    Refused("upload_open.vectors", "nine", header(Array(repeating: Values.vectors[1], count: 9))),
    Refused("upload_open.vectors.ring_bits", "20 bits", header([vector(ringBits: 20)])),
    Refused("upload_open.vectors.count", "no elements", header([vector(count: 0)])),
    Refused("upload_open.vectors.count", "64 GiB", header([vector(count: 1 << 34)])),
    Refused("upload_open.vectors", "four times 8 GiB", header(Array(repeating: vector(count: 1 << 31), count: 4))),
    Refused("upload_open.vectors.chunk_elements", "no elements", header([vector(chunkElements: 0)])),
    Refused("upload_open.vectors.chunk_elements", "more than a frame", header([vector(chunkElements: 65_537)])),
    Refused("tensors.dtype", "dtype 14", offer(tensors: [tensor(dtype: 14)])),
    Refused("tensors.dtype", "dtype 0", offer(tensors: [tensor(dtype: 0)])),
    Refused("tensors.shape", "nine dimensions", offer(tensors: [tensor(shape: Array(repeating: 1, count: 9))])),
    Refused("tensors.shape", "overflow", offer(tensors: [tensor(shape: [1 << 40, 1 << 40])])),
    Refused("tensors.byte_count", "not the shape's", offer(tensors: [tensor(shape: [2], byteCount: 4)])),
    Refused("offer.tensors", "out of order", offer(tensors: Values.tensors.reversed())),
    Refused("offer.tensors", "twice", offer(tensors: [tensor(), tensor()])),
    Refused(
      "offer.tensors", "too many",
      offer(tensors: (0...RoundOffer.tensorCountMax).map { tensor(name: "t\(String($0 + 10_000))") })),
    Refused("offer.control_since", "round 0", controlled(since: 0)),
    Refused("tensors.byte_count", "not the control variate's shape", controlled(byteCount: 8)),
    Refused(
      "tensors.shape", "a control variate beyond every transfer", controlled(shape: [1 << 50], byteCount: 1 << 52)),
    Refused("offer.task.data_scale", "NaN", offer(task: { $0.dataScale = .nan })),
    Refused("offer.task.hold_out_fraction", "infinity", offer(task: { $0.holdOutFraction = .infinity })),
    Refused(
      "get_run_events.limit", "more than an answer holds", OperatorRequest.runEvents("r", after: 0, limit: 1025)),
    Refused(
      "welcome.missed_heartbeats", "one",
      ControlToWorker.welcome(
        Welcome(
          version: .current, session: SessionID(1), federation: "f", heartbeatInterval: .milliseconds(500),
          missedHeartbeats: 1))),
    Refused(
      "welcome.heartbeat_milliseconds", "a day",
      ControlToWorker.welcome(
        Welcome(
          version: .current, session: SessionID(1), federation: "f", heartbeatInterval: .seconds(86_400),
          missedHeartbeats: 3))),
  ]

  static let choices: [Refused] = [
    Refused("refused.reason", "5", as: ControlToWorker.self, MURMUR__ENVELOPE__BODY_REFUSED) { arena, envelope in
      envelope.refused = arena.make(murmur__session_refused__init) { $0.reason = Murmur__SessionRefusal(5) }
    },
    Refused("refused.reason", "unspecified", as: ControlToWorker.self, MURMUR__ENVELOPE__BODY_REFUSED) {
      arena, envelope in
      envelope.refused = arena.make(murmur__session_refused__init) { _ in }
    },
    Refused("abort.code", "65,537", as: ControlToCoordinator.self, MURMUR__ENVELOPE__BODY_ABORT) { arena, envelope in
      envelope.abort = arena.make(murmur__worker_abort__init) {
        $0.transcript = arena.data(Values.digest(1))
        $0.code = 65_537
      }
    },
    Refused("failure.code", "−1", as: PullReply.self, MURMUR__ENVELOPE__BODY_FAILURE) { arena, envelope in
      envelope.failure = arena.make(murmur__failure__init) { $0.code = Murmur__FailureCode(.max) }
    },
    Refused("state_record.kind", "none", as: StateMessage.self, MURMUR__ENVELOPE__BODY_STATE_RECORD) {
      arena, envelope in
      envelope.state_record = arena.make(murmur__state_record__init) { _ in }
    },
  ]

  static let structure: [Refused] = [
    Refused("accept.attempt", "missing", as: ControlToCoordinator.self, MURMUR__ENVELOPE__BODY_ACCEPT) {
      arena, envelope in
      envelope.accept = arena.make(murmur__offer_accepted__init) { _ in }
    },
    Refused("advert.advert", "missing", as: ControlToCoordinator.self, MURMUR__ENVELOPE__BODY_ADVERT) {
      arena, envelope in
      envelope.advert = arena.make(murmur__advertisement__init) { $0.attempt = Values.attempt.draft(in: arena) }
    },
    Refused(
      "advert.model_digest", "left out where nothing stands in", as: ControlToCoordinator.self,
      MURMUR__ENVELOPE__BODY_ADVERT
    ) {
      arena, envelope in
      envelope.advert = arena.make(murmur__advertisement__init) {
        $0.attempt = Values.attempt.draft(in: arena)
        $0.advert = Values.advert("a", seed: 1).draft(in: arena)
        $0.advert.pointee.model_digest.len = 0
      }
    },
    Refused(
      "roster.model_digest", "no advert",
      coordinator(.roster(Values.attempt, RosterMessage(adverts: [], signature: Values.signature(1))))),
    Refused("dealers.dealers.bits", "a bit behind the roster", as: ControlToWorker.self, MURMUR__ENVELOPE__BODY_DEALERS)
    {
      arena, envelope in
      envelope.dealers = arena.make(murmur__dealer_set__init) {
        $0.transcript = arena.data(Values.digest(1))
        $0.dealers = Values.members.draft(in: arena)
        $0.dealers.pointee.bits = arena.data([0x05, 0x04])
      }
    },
    Refused("dealers.dealers.bits", "a byte too many", as: ControlToWorker.self, MURMUR__ENVELOPE__BODY_DEALERS) {
      arena, envelope in
      envelope.dealers = arena.make(murmur__dealer_set__init) {
        $0.transcript = arena.data(Values.digest(1))
        $0.dealers = Values.members.draft(in: arena)
        $0.dealers.pointee.bits = arena.data([0x05, 0x02, 0x00])
      }
    },
    Refused("dealers.dealers.count", "a roster of nobody", as: ControlToWorker.self, MURMUR__ENVELOPE__BODY_DEALERS) {
      arena, envelope in
      envelope.dealers = arena.make(murmur__dealer_set__init) {
        $0.transcript = arena.data(Values.digest(1))
        $0.dealers = arena.make(murmur__bitmap__init) { _ in }
      }
    },
    Refused("offer.configuration", "not canonical", as: ControlToWorker.self, MURMUR__ENVELOPE__BODY_OFFER) {
      arena, envelope in
      envelope.offer = Values.offer.draft(in: arena)
      envelope.offer.pointee.configuration = arena.data([1, 2, 3])
    },
  ]

  @Test("A name is a name", arguments: names)
  func badName(_ refused: Refused) { expect(refused) }

  @Test("A value has its length", arguments: lengths)
  func badLength(_ refused: Refused) { expect(refused) }

  @Test("A number lies in its range", arguments: numbers)
  func badNumber(_ refused: Refused) { expect(refused) }

  @Test("A choice is one that has a meaning", arguments: choices)
  func badChoice(_ refused: Refused) { expect(refused) }

  @Test("What must be there is there", arguments: structure)
  func badStructure(_ refused: Refused) { expect(refused) }

  private func expect(_ refused: Refused) {
    do throws(WireError) {
      try refused.decode()
      Issue.record("accepted")
    } catch {
      guard case .badField(let field, _, _) = error else {
        Issue.record(error)
        return
      }
      #expect(field == refused.field)
    }
  }
}

// MARK: Values with one thing wrong.

private func worker(_ message: WorkerMessage) -> ControlToCoordinator { .round(message) }
private func coordinator(_ message: CoordinatorMessage) -> ControlToWorker { .round(message) }

private func offer(
  tensors: [TensorReference] = Values.tensors, task change: (inout TrainingTask) -> Void = { _ in }
) -> ControlToWorker {
  var task = Values.task
  change(&task)
  return .round(
    .offer(
      RoundOffer(
        attempt: Values.attempt, modelName: "digits", baseVersion: 2, modelDigest: Values.digest(6), tensors: tensors,
        configuration: Values.configuration, task: task, signature: Values.signature(7))))
}

private func controlled(since: UInt64 = 1, shape: [UInt64] = [1], byteCount: UInt64 = 4) -> ControlToWorker {
  var task = Values.task
  let control = tensor(shape: shape, byteCount: byteCount)
  task.control = TrainingTask.Control(digest: control.digest, since: RoundNumber(since))
  return .round(
    .offer(
      RoundOffer(
        attempt: Values.attempt, modelName: "digits", baseVersion: 2, modelDigest: Values.digest(6), tensors: [],
        configuration: Values.configuration, task: task, control: control, signature: Values.signature(7))))
}

private func tensor(
  name: String = "w", dtype: UInt8 = 10, shape: [UInt64] = [1], byteCount: UInt64 = 4
) -> TensorReference {
  TensorReference(name: name, dtypeCode: dtype, shape: shape, digest: Values.digest(1), byteCount: byteCount)
}

private func agreement(transcript: Int = 32, worker: Int = 0, signature: Int = 64) -> SurvivorAgreement {
  SurvivorAgreement(
    transcript: Digest(unchecked: [UInt8](repeating: 1, count: transcript)), worker: worker,
    signature: Signature(unchecked: [UInt8](repeating: 2, count: signature)))
}

private func unmask(shareBytes: Int) -> UnmaskShares {
  UnmaskShares(
    transcript: Values.digest(1), helper: 1,
    selfMaskShares: [UnmaskShares.Entry(owner: 1, share: [UInt8](repeating: 1, count: shareBytes))], maskKeyShares: [])
}

private func shares(nonce: Int, ciphertext: Int) -> PeerShares {
  PeerShares(
    transcript: Values.digest(1),
    entries: [
      PeerShares.Entry(
        dealer: 1,
        sealed: ShareBundle.Entry(
          helper: 2, nonce: [UInt8](repeating: 1, count: nonce), ciphertext: [UInt8](repeating: 2, count: ciphertext),
          selfMaskCommitment: Values.digest(1), maskKeyCommitment: Values.digest(2)))
    ])
}

private func advert(keyBytes: Int) -> KeyAdvert {
  KeyAdvert(
    entry: RosterEntry(
      worker: "a", certificateFingerprint: Values.digest(1),
      encryptionKey: AgreementPublicKey(unchecked: [UInt8](repeating: 1, count: keyBytes)), maskKey: Values.key(1)),
    modelDigest: Values.digest(1), configurationDigest: Values.digest(2), offerSignature: Values.signature(1),
    signature: Values.signature(2))
}

private func request(offset: UInt64 = 0, chunks: UInt32 = 1) -> BlobRequest {
  BlobRequest(digest: Values.digest(1), offset: offset, chunks: chunks)
}

private func vector(ringBits: UInt8 = 32, count: UInt64 = 10, chunkElements: UInt32 = 65_536) -> VectorSpecification {
  VectorSpecification(id: 0, ringBits: ringBits, count: count, chunkElements: chunkElements)
}

private func header(_ vectors: [VectorSpecification]) -> BulkToCoordinator {
  .open(
    InputHeader(
      transcript: Values.digest(1), worker: 0, dealersDigest: Values.digest(2), vectors: vectors,
      signature: Values.signature(1)))
}

/// `bytes` with the first occurrence of `old` replaced by as many bytes.
private func replace(_ old: [UInt8], by new: [UInt8], in bytes: [UInt8]) -> [UInt8] {
  var out = bytes
  for start in 0...(bytes.count - old.count) where Array(bytes[start..<start + old.count]) == old {
    out.replaceSubrange(start..<start + old.count, with: new)
    return out
  }
  return out
}
