import Cryptography
import Federation
import Membership
import ModelRegistry
import Rounds
import SecureAggregation
import Serving
import Tensors
import Transfer
import Wire

/// Inputs to start from: one well-formed value of each kind, so that the fuzzer need not come upon a format by itself.
package enum FuzzSeeds {
  package static func all(of target: FuzzTarget) -> [[UInt8]] {
    switch target {
    case .wire: wire
    case .canonical: canonical
    case .documents: documents
    case .inference: InferenceBodies.seeds
    case .attempt: sequences(choices: [150, 165, 172, 180, 190, 194, 200, 204, 207, 209, 211, 213, 215, 222, 227, 240])
    case .run: sequences(choices: [160, 172, 180, 186, 196, 202, 206, 210, 214, 217, 219, 220, 240])
    case .planted: []
    }
  }

  /// Every decision once, early and late in an attempt, with every set of rules.
  private static func sequences(choices: [UInt8]) -> [[UInt8]] {
    var out = (0..<32).map { [UInt8($0)] }
    for (number, choice) in choices.enumerated() {
      for quiet in [0, 9, 30, 55] {
        let rules = UInt8(number % 32)
        out.append([rules] + [UInt8](repeating: 0, count: quiet) + [choice, 1, 1, 40, 8, 0, 0])
      }
    }
    return out
  }

  // MARK: Frames

  private static func seed<M: WireMessage>(_ socket: UInt8, _ messages: [M]) -> [[UInt8]] {
    messages.compactMap { message in (try? message.encoded(request: 7)).map { [socket] + $0 } }
  }

  /// All messages of an honest attempt, and one of each kind beside them.
  private static var wire: [[UInt8]] {
    var out: [[UInt8]] = []
    var kinds: Set<String> = []
    for message in FuzzedAttempt.earlier {
      switch message {
      case .worker(_, let body) where kinds.insert(body.kind).inserted:
        out += seed(1, [ControlToWorker.round(body)])
      case .coordinator(let body, _) where kinds.insert(body.kind).inserted:
        out += seed(0, [ControlToCoordinator.round(body)])
      case .inputOpened(let header, _) where kinds.insert("open").inserted:
        out += seed(2, [BulkToCoordinator.open(header)])
      case .inputCompleted(let trailer, _, _) where kinds.insert("close").inserted:
        out += seed(2, [BulkToCoordinator.close(trailer)])
      case .worker, .coordinator, .inputOpened, .inputCompleted: break
      }
    }
    return out + sessions + transfers + questions
  }

  private static let attempt = AttemptID(
    run: RunID(unchecked: "run"), round: 3, attempt: 1)
  private static let digest = Digest.sha256(of: [1])

  private static var offer: RoundOffer {
    RoundOffer(
      attempt: attempt, modelName: ModelName(unchecked: "digits"), baseVersion: 2, modelDigest: digest,
      tensors: [TensorReference(name: "bias", dtypeCode: 10, shape: [3, 2], digest: digest, byteCount: 24)],
      configuration: FuzzedMembers.all.configuration(vectorLength: 6),
      task: TrainingTask(
        kind: .train, aggregation: .secure, architecture: "softmax 3-2", dataScale: 1, holdOutFraction: 0.2, seed: 1),
      signature: FuzzedMembers.all.coordinatorKey.signature(over: [1]))
  }

  private static var sessions: [[UInt8]] {
    seed(
      0,
      [
        ControlToCoordinator.hello(Hello(version: .current, session: SessionID(5), software: "murmur", threads: 2)),
        .heartbeat, .goodbye, .round(.accept(attempt)), .round(.decline(attempt, .policy, detail: "policy.yaml:3")),
        .round(.progress(attempt, .training, quarters: 2)),
      ])
      + seed(
        1,
        [
          ControlToWorker.welcome(
            Welcome(
              version: .current, session: SessionID(5), federation: FederationID(unchecked: "north"),
              heartbeatInterval: .milliseconds(500), missedHeartbeats: 3)),
          .round(.offer(offer)), .round(.ended(attempt, .abandoned, reason: "deadline")), .rest(.seconds(30)),
        ] + SessionRefusal.allCases.prefix(1).map { .refused($0, detail: "full") })
  }

  private static var transfers: [[UInt8]] {
    let request = BlobRequest(digest: digest, offset: 262_144, chunks: 8)
    let chunk = BlobChunk(digest: digest, offset: 0, totalBytes: 24)
    return seed(2, [BulkToCoordinator.request(request), .chunk(UploadChunk(upload: digest, number: 1))])
      + seed(
        3,
        [
          BulkToWorker.chunk(chunk), .unavailable(BlobUnavailable(digest: digest)),
          .grant(UploadGrant(upload: digest, firstChunk: 8, chunks: 8)),
          .answer(UploadAnswer(upload: digest, refusal: "wrongDigest")),
        ])
      + seed(
        4,
        [
          StateMessage.record(
            StateRecord(
              epoch: 5, sequence: 1,
              kind: .versionPublished(model: ModelName(unchecked: "digits"), version: 3, manifestDigest: digest))),
          .record(StateRecord(epoch: 5, sequence: 1, kind: .heartbeat)),
        ])
      + seed(5, [SnapshotRequest.snapshot, .blob(request)])
      + seed(
        6,
        [
          SnapshotReply.snapshot(
            StateSnapshot(
              epoch: 5, sequence: 2,
              entries: [
                StateSnapshot.Entry(
                  model: ModelName(unchecked: "digits"), version: 3, manifest: manifest, aliases: [.latest])
              ])), .chunk(chunk), .failed(Failure(.unavailable, "starting")),
        ])
  }

  private static var questions: [[UInt8]] {
    let run = RunRow(
      run: attempt.run, state: .running, model: ModelName(unchecked: "digits"), roundsCommitted: 3, roundsPlanned: 10,
      reason: "")
    let request = BlobRequest(digest: digest, offset: 0, chunks: 1)
    return seed(
      7,
      [
        OperatorRequest.submitRun(yaml: "run: digits-run\n"), .listRuns, .status,
        .runEvents(attempt.run, after: 3, limit: 100), .stopRun(attempt.run),
      ])
      + seed(
        8,
        [
          OperatorReply.runAccepted(attempt.run), .runs([run]),
          .runEvents(RunEvents(run: run, events: [RunEvent(sequence: 1, kind: .run(run))])),
          .failed(Failure(.notFound, "no run")),
        ])
      + seed(
        9, [PullRequest.listModels, .resolve(reference: "digits@latest"), .blob(request)])
      + seed(
        10,
        [
          PullReply.models([
            ModelRow(name: ModelName(unchecked: "digits"), version: 3, digest: digest, aliases: [.latest])
          ]), .resolved(manifest, nil), .failed(Failure(.notFound, "digits@9")),
        ])
      + seed(11, [EventBatch(model: ModelName(unchecked: "digits"), version: .number(3), rows: 64, element: .uint8)])
      + seed(12, [EventReply.predictions(version: 3, rows: 64, width: 10), .failed(Failure(.unavailable, "not now"))])
  }

  private static var manifest: SignedManifest {
    SignedManifest(
      bytes: Array("{}".utf8), signature: FuzzedMembers.all.coordinatorKey.signature(over: [2]),
      signer: FuzzedMembers.all.coordinator.name)
  }

  // MARK: Canonical forms and documents

  private static var canonical: [[UInt8]] {
    let full = FuzzedMembers.all.configuration(vectorLength: 9) {
      $0.goalCount = 5
      $0.privacy = .init(
        mechanism: 1, noiseMultiplier: 0.5, roundingBeta: 0.6, delta: 1e-6, rounds: 100, noiseCorruptionRule: 1)
      $0.momentum = 0.9
      $0.trainer = digest
    }
    let bundles = FuzzedAttempt.earlier.compactMap { message -> [UInt8]? in
      if case .coordinator(.bundle(let bundle), _) = message { bundle.bundle.bodyBytes } else { nil }
    }
    return [FuzzedMembers.all.configuration(vectorLength: 0), full].map { [0] + $0.canonicalBytes }
      + [[1] + FuzzedMembers.all.coordinator.canonicalBytes] + bundles.prefix(1).map { [2] + $0 }
      + [[3, 0, 10] + Bitmap(members: [0, 9], count: 10).bytes]
  }

  private static var documents: [[UInt8]] {
    let tensor = NamedTensor(name: "bias", dtype: .f32, shape: [2], bytes: [UInt8](repeating: 1, count: 8))
    let key = [UInt8](repeating: 0x4B, count: 32)
    let frames: [[UInt8]] = [
      Array("1.0".utf8), [1], Array("murmur.worker".utf8), Array("127.0.0.1".utf8), [], Array("CURVE".utf8), key,
    ]
    return [
      [0] + ((try? Safetensors.encode([tensor], metadata: ["format": "pt"])) ?? []),
      [2] + Array("{\"a\":[1,0.5,-1e-7],\"b\":{\"c\":\"text\"}}".utf8),
      [3] + Array("digits@latest".utf8), [3] + Array("digits@sha256:\(digest.hex)".utf8),
      [4] + Array(Z85.encode(key).utf8),
      [5] + Array("curve # comment\n    public-key = \"\(Z85.encode(key))\"\n    name='x'\n".utf8),
      [6] + frames.flatMap { [UInt8($0.count)] + $0 },
    ] + manifests.map { [1] + $0 }
  }

  private static var manifests: [[UInt8]] {
    let manifest = Manifest(
      federation: FederationID(unchecked: "north"), model: ModelName(unchecked: "digits"), version: 1, parent: digest,
      run: attempt.run, round: 1, attempt: 0, aggregation: .secure, configurationDigest: digest, cohortSize: 4,
      parentMetrics: RoundMetrics(lossSum: 1.5, correct: 3, evaluated: 4), architecture: "softmax 3-2", dataScale: 1,
      modelDigest: digest,
      tensors: [Manifest.Tensor(name: "bias", dtype: .f32, shape: [2], digest: digest, byteCount: 8)],
      file: Manifest.File(digest: digest, byteCount: 100), createdAt: 1, signer: FuzzedMembers.all.coordinator.name)
    return (try? manifest.encoded()).map { [$0] } ?? []
  }
}
