import Federation
import Membership
import Rounds
import SecureAggregation
import Serving
import Transfer
import Wire

/// Valid messages of worker 6 that say nothing true, and what can be made of them.
enum HostileFrames {
  /// Stands in everything that a log must not repeat.
  static let marker = "INTRUDER"

  static func digest(_ seed: UInt8) -> Digest { Digest(unchecked: [UInt8](repeating: seed, count: 32)) }
  static let signature = Signature(unchecked: [UInt8](repeating: 7, count: 64))
  static let key = AgreementPublicKey(unchecked: [UInt8](repeating: 9, count: 32))
  static let vectors = [VectorSpecification(id: 0, ringBits: 32, count: 1210, chunkElements: 65_536)]

  static func attempt(_ run: RunID = "digits", round: RoundNumber = 1, attempt: AttemptNumber = 0) -> AttemptID {
    AttemptID(run: run, round: round, attempt: attempt)
  }

  /// Of every kind that belongs to a round, about other workers' indices, other transcripts and other attempts.
  static let rounds: [WorkerMessage] = [
    .accept(attempt("other")), .accept(attempt(round: 9_999)), .decline(attempt("other"), .busy, detail: marker),
    .progress(attempt(round: 77), .training, quarters: 4),
    .advert(
      attempt(round: 9_999),
      KeyAdvert(
        entry: RosterEntry(
          worker: "worker-1", certificateFingerprint: digest(1), encryptionKey: key, maskKey: key),
        modelDigest: digest(2), configurationDigest: digest(3), offerSignature: signature, signature: signature)),
    .bundle(
      SignedBundle(
        transcript: digest(4), dealer: 0,
        bundle: ShareBundle(
          seedCommitment: digest(5), ownShareCommitment: digest(6),
          entries: [
            ShareBundle.Entry(
              helper: 1, nonce: [UInt8](repeating: 5, count: 12), ciphertext: [UInt8](repeating: 6, count: 96),
              selfMaskCommitment: digest(7), maskKeyCommitment: digest(8))
          ]), signature: signature)),
    .shareCheck(
      SignedShareCheck(
        transcript: digest(4), helper: 9_999, complaints: Bitmap(members: [0, 1, 2, 3, 4], count: 5),
        signature: signature)),
    .agree(SurvivorAgreement(transcript: digest(4), worker: 1, signature: signature)),
    .unmask(
      UnmaskShares(
        transcript: digest(4), helper: 2, selfMaskShares: [.init(owner: 0, share: [UInt8](repeating: 1, count: 40))],
        maskKeyShares: [.init(owner: 0, share: [UInt8](repeating: 1, count: 40))])),
    .abort(WorkerAbort(transcript: digest(4), worker: 3, hasReleased: true, code: .deadline, signature: signature)),
  ]

  static let control: [ControlToCoordinator] =
    [.hello(session: 1, software: marker), .heartbeat, .goodbye] + rounds.map { .round($0) }

  static let header = InputHeader(
    transcript: digest(4), worker: 0, dealersDigest: digest(5), vectors: vectors, signature: signature)
  static let trailer = InputTrailer(
    transcript: digest(4), worker: 0, dealersDigest: digest(5), payloadDigest: digest(6), signature: signature)

  /// With the payload that belongs to each.
  static let bulk: [(message: BulkToCoordinator, payload: [UInt8]?)] = [
    (.request(BlobRequest(digest: digest(1), offset: 0, chunks: 8)), nil), (.open(header), nil),
    (.chunk(UploadChunk(upload: digest(4), number: 3)), Array(marker.utf8)), (.close(trailer), nil),
  ]

  // MARK: Malformed

  /// Frames that are no message of the control socket; the coordinator answers each of them with a refusal.
  static func malformedControl() throws -> [(name: String, frames: [[UInt8]])] {
    var out = try truncated(control.map { ($0.kind, try $0.encoded(), nil) })
    out += noise().map { ("random bytes", [$0]) }
    out += try foreign().filter { $0.home != "control" }.map { ("a message of another place", [$0.header]) }
    out.append(("two frames", [try ControlToCoordinator.heartbeat.encoded(), Array(marker.utf8)]))
    out.append(("sixteen frames", Array(repeating: try ControlToCoordinator.heartbeat.encoded(), count: 16)))
    // A name that is none: it would forge a line of the log.
    let run = RunID(unchecked: "\(marker)\n2026-01-01T00:00:00.000Z info coordinator: run ended state=completed")
    out.append(("a bad name", [try ControlToCoordinator.round(.accept(attempt(run))).encoded()]))
    out.append(("round 0", [try ControlToCoordinator.round(.accept(attempt(round: 0))).encoded()]))
    out.append(("a long text", [overlong]))
    return out
  }

  /// Frames of another major version; one without any bytes is of version 0.
  static func otherVersions() throws -> [[UInt8]] {
    try [[]]
      + ([0, 2, 99, .max] as [UInt32]).map { major in
        try ControlToCoordinator.hello(session: 1, version: ProtocolVersion(major: major, minor: 0)).encoded()
      }
  }

  /// Frames that are no message of the bulk socket; the coordinator drops each of them with a line in its log.
  static func malformedBulk() throws -> [(name: String, frames: [[UInt8]])] {
    var out = try truncated(bulk.map { ($0.message.kind, try $0.message.encoded(), $0.payload) })
    out += noise().map { ("random bytes", [$0]) }
    out += try foreign().filter { $0.home != "bulk" }.map { ("a message of another place", [$0.header]) }
    let chunk = try BulkToCoordinator.chunk(UploadChunk(upload: digest(4), number: 0)).encoded()
    out.append(("no bytes", [[]]))
    out.append(("a chunk without its bytes", [chunk]))
    out.append(("an empty chunk", [chunk, []]))
    out.append(("a chunk that is too long", [chunk, [UInt8](repeating: 1, count: 262_145)]))
    out.append(("a header that is too long", [[UInt8](repeating: 8, count: (64 << 10) + 1)]))
    out.append(("three frames", [chunk, [1], [1]]))
    let request = try BulkToCoordinator.request(BlobRequest(digest: digest(1), offset: 0, chunks: 1)).encoded()
    out.append(("a payload that does not belong here", [request, [1]]))
    for (offset, chunks) in [(0, 9), (0, .max), (1, 1), (1 << 35, 1), (.max, 1)] as [(UInt64, UInt32)] {
      let request = BlobRequest(digest: digest(1), offset: offset, chunks: chunks)
      out.append(("a window or an offset out of bounds", [try BulkToCoordinator.request(request).encoded()]))
    }
    let endless = UploadChunk(upload: digest(4), number: .max)
    out.append(("a chunk without end", [try BulkToCoordinator.chunk(endless).encoded(), [1]]))
    return out
  }

  /// Of every kind that a coordinator says.
  static let fromCoordinator: [ControlToWorker] = [
    .welcome(
      Welcome(
        version: .current, session: SessionID(1), federation: "north", heartbeatInterval: .milliseconds(500),
        missedHeartbeats: 3)),
    .heartbeat, .goodbye, .rest(.seconds(1)), .refused(.superseded, detail: marker),
    .round(
      .roster(
        attempt(),
        RosterMessage(
          adverts: rounds.compactMap { if case .advert(_, let advert) = $0 { advert } else { nil } },
          signature: signature))),
    .round(.peerShares(PeerShares(transcript: digest(4), entries: []))),
    .round(.dealers(DealerSet(transcript: digest(4), dealers: Bitmap(members: [0], count: 5), signature: signature))),
    .round(
      .survivors(
        SurvivorSet(
          transcript: digest(4), dealersDigest: digest(5), survivors: Bitmap(members: [0], count: 5),
          signature: signature))),
    .round(.quorum(QuorumCertificate(transcript: digest(4), signers: [.init(worker: 0, signature: signature)]))),
    .round(
      .result(
        AttemptResult(
          transcript: digest(4), survivors: Bitmap(members: [0], count: 5), modelDigest: digest(6), weight: .max,
          signature: signature))),
    .round(.ended(attempt(), .abandoned, reason: marker)),
  ]

  /// Frames that are no message from a coordinator on the control socket.
  static func malformedFromCoordinator() throws -> [[[UInt8]]] {
    var out = try truncated(fromCoordinator.map { ($0.kind, try $0.encoded(), nil) }).map(\.frames)
    out += noise().map { [$0] }
    out += try bulk.map { [try $0.message.encoded()] }
    out += [[try ControlToCoordinator.hello(session: 1).encoded()], [[]], [[0x08, 99]]]
    out.append([try ControlToWorker.heartbeat.encoded(), Array(marker.utf8)])
    // Heartbeats so seldom that a worker would never notice an absence, and so often that it would do nothing else.
    for (interval, missed) in [(0, 3), (9, 3), (60_001, 3), (500, 0), (500, 1), (500, 101)] as [(Int, UInt32)] {
      let welcome = Welcome(
        version: .current, session: SessionID(1), federation: "north", heartbeatInterval: .milliseconds(interval),
        missedHeartbeats: missed)
      out.append([try ControlToWorker.welcome(welcome).encoded()])
    }
    return out
  }

  /// Frames that are no message from a coordinator on the bulk socket.
  static func malformedBulkFromCoordinator() throws -> [[[UInt8]]] {
    let chunk = try BulkToWorker.chunk(BlobChunk(digest: digest(1), offset: 0, totalBytes: 100)).encoded()
    let messages: [BulkToWorker] = [
      .unavailable(BlobUnavailable(digest: digest(1))),
      .grant(UploadGrant(upload: digest(4), firstChunk: 0, chunks: 8)),
      .answer(UploadAnswer(upload: digest(4), refusal: marker)),
    ]
    var out = try truncated(messages.map { ($0.kind, try $0.encoded(), nil) }).map(\.frames)
    out += noise().map { [$0] }
    out += try bulk.map { [try $0.message.encoded()] }
    out += [[chunk], [chunk, []], [chunk, [UInt8](repeating: 1, count: 99)], [chunk, [1], [1]]]
    for (first, chunks) in [(0, 9), (.max, 1), (1 << 40, 8)] as [(UInt64, UInt32)] {
      out.append([try BulkToWorker.grant(UploadGrant(upload: digest(4), firstChunk: first, chunks: chunks)).encoded()])
    }
    return out
  }

  /// Every message cut short: by one byte, in half, to one byte, and where its body begins.
  private static func truncated(
    _ messages: [(kind: String, header: [UInt8], payload: [UInt8]?)]
  ) -> [(name: String, frames: [[UInt8]])] {
    messages.flatMap { message in
      let whole = message.header.count
      return Set([1, min(4, whole - 1), whole / 2, whole - 1]).sorted().map { length in
        let header = Array(message.header.prefix(length))
        return ("\(message.kind) of \(length) bytes", [header] + (message.payload.map { [$0] } ?? []))
      }
    }
  }

  /// Bytes of a fixed seed that are no protobuf of this protocol.
  private static func noise() -> [[UInt8]] {
    var generator = SeededGenerator(seed: 6, stream: "noise")
    return [1, 2, 16, 255, 4096, 60_000].map { count in
      // A first byte with wire type 7, which does not exist.
      [0xFF] + (1..<max(2, count)).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }
  }

  /// Messages of other sockets and of the other direction.
  private static func foreign() throws -> [(home: String, header: [UInt8])] {
    let welcome = ControlToWorker.welcome(
      Welcome(
        version: .current, session: SessionID(1), federation: "north", heartbeatInterval: .milliseconds(500),
        missedHeartbeats: 3))
    return [
      ("", try welcome.encoded()), ("", try ControlToWorker.refused(.superseded, detail: marker).encoded()),
      ("", try ControlToWorker.round(.ended(attempt(), .abandoned, reason: marker)).encoded()),
      ("", try BulkToWorker.grant(UploadGrant(upload: digest(4), firstChunk: 0, chunks: 8)).encoded()),
      ("", try BulkToWorker.answer(UploadAnswer(upload: digest(4), refusal: "")).encoded()),
      ("", try OperatorRequest.status.encoded()), ("", try OperatorRequest.submitRun(yaml: marker).encoded()),
      ("", try SnapshotRequest.snapshot.encoded()), ("", try PullRequest.listModels.encoded()),
      ("control", try ControlToCoordinator.heartbeat.encoded()), ("bulk", try BulkToCoordinator.open(header).encoded()),
    ]
  }

  /// A hello (field 10) whose software (field 2) is longer than it may be. Writers shorten texts, so it is made by hand.
  private static let overlong: [UInt8] = {
    let software = Array(String(repeating: marker, count: 100).utf8)
    let hello = [0x12, UInt8(software.count & 0x7F | 0x80), UInt8(software.count >> 7)] + software
    return [0x08, 1, 0x52, UInt8(hello.count & 0x7F | 0x80), UInt8(hello.count >> 7)] + hello
  }()

  /// More than a control frame may have: libzmq ends the connection.
  static let oversizeControl = [UInt8](repeating: 0x08, count: (1 << 20) + 1)
  static let oversizeBulk = [UInt8](repeating: 0x08, count: 1 << 20)
}
