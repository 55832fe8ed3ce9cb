import Federation
import Membership
import ModelRegistry
import Rounds
import SecureAggregation
import Serving
import Testing
import Transfer
import Wire

/// A message of any socket with its frame, for tests that treat all alike.
struct Sample: Sendable, CustomTestStringConvertible {
  static let request: UInt64 = 77

  let testDescription: String
  let header: [UInt8]
  /// The length of the raw frame beside it; nil if there is none.
  let payloadBytes: Int?
  /// Reads a header as the type of this message, and makes the bytes of what was read.
  let recode: @Sendable ([UInt8], Int?) throws(WireError) -> [UInt8]
  /// Whether reading the header gives this very message, version and request.
  let isRead: @Sendable ([UInt8]) throws(WireError) -> Bool

  init<M: WireMessage>(_ message: M) {
    testDescription = "\(M.self).\(message.kind)"
    let payloadBytes: Int? = if case .bytes(let range) = message.payload { range.upperBound } else { nil }
    self.payloadBytes = payloadBytes
    do throws(WireError) {
      header = try message.encoded(request: Self.request)
    } catch {
      Issue.record(error, "a sample cannot be written")
      header = []
    }
    recode = { bytes, payload throws(WireError) in
      try M.receive(bytes, payloadBytes: payload).message.encoded(request: Self.request)
    }
    isRead = { bytes throws(WireError) in
      let received = try M.receive(bytes, payloadBytes: payloadBytes)
      return received.message == message && received.request == Self.request && received.version == message.version
    }
  }

  static let all: [Sample] =
    Values.toCoordinator.map { Sample($0) } + Values.toWorker.map { Sample($0) }
    + Values.bulkToCoordinator.map { Sample($0) } + Values.bulkToWorker.map { Sample($0) }
    + Values.records.map { Sample(StateMessage.record($0)) } + Values.snapshotRequests.map { Sample($0) }
    + Values.snapshotReplies.map { Sample($0) } + Values.operatorRequests.map { Sample($0) }
    + Values.operatorReplies.map { Sample($0) } + Values.pullRequests.map { Sample($0) }
    + Values.pullReplies.map { Sample($0) } + Values.eventBatches.map { Sample($0) }
    + Values.eventReplies.map { Sample($0) }
}

/// At least one message of every kind.
enum Values {
  static func digest(_ seed: UInt8) -> Digest { Digest(unchecked: (0..<32).map { seed &+ $0 }) }
  static func signature(_ seed: UInt8) -> Signature { Signature(unchecked: (0..<64).map { seed &+ $0 }) }
  static func key(_ seed: UInt8) -> AgreementPublicKey { AgreementPublicKey(unchecked: (0..<32).map { seed ^ $0 }) }

  static let attempt = AttemptID(run: "digits-run", round: 3, attempt: 1)
  static let configuration = RoundConfiguration(
    vectorLength: 9_610, issuanceLog: digest(1), revocationList: digest(2))
  static let task = TrainingTask(
    kind: .train, aggregation: .secure, architecture: "mlp 64-128-10", dataScale: 0.0625, holdOutFraction: 0.2,
    seed: 42)
  static let tensors = [
    TensorReference(name: "layer0.bias", dtypeCode: 10, shape: [128], digest: digest(3), byteCount: 512),
    TensorReference(name: "layer0.weight", dtypeCode: 10, shape: [128, 64], digest: digest(4), byteCount: 32_768),
    TensorReference(name: "scale", dtypeCode: 13, shape: [], digest: digest(5), byteCount: 8),
  ]
  static let offer = RoundOffer(
    attempt: attempt, modelName: "digits", baseVersion: 2, modelDigest: digest(6), tensors: tensors,
    configuration: configuration, task: task, signature: signature(7))

  /// Under SCAFFOLD, with the server's control variate.
  static let controlledOffer: RoundOffer = {
    let control = TensorReference(
      name: "control-variate", dtypeCode: 10, shape: [9_610], digest: digest(8), byteCount: 38_440)
    var task = Self.task
    task.control = TrainingTask.Control(digest: control.digest, since: 2)
    return RoundOffer(
      attempt: attempt, modelName: "digits", baseVersion: 2, modelDigest: digest(6), tensors: tensors,
      configuration: configuration, task: task, control: control, signature: signature(7))
  }()

  static func advert(_ worker: WorkerID, seed: UInt8, offer: UInt8 = 9) -> KeyAdvert {
    KeyAdvert(
      entry: RosterEntry(
        worker: worker, certificateFingerprint: digest(seed), encryptionKey: key(seed), maskKey: key(seed &+ 1)),
      modelDigest: digest(offer), configurationDigest: digest(offer &+ 1), offerSignature: signature(offer &+ 2),
      signature: signature(seed))
  }

  static let entry = ShareBundle.Entry(
    helper: 2, nonce: [UInt8](repeating: 5, count: 12), ciphertext: [UInt8](repeating: 6, count: 96),
    selfMaskCommitment: digest(7), maskKeyCommitment: digest(8))
  static let bundle = ShareBundle(seedCommitment: digest(1), ownShareCommitment: digest(2), entries: [entry])
  static let members = Bitmap(members: [0, 2, 9], count: 10)
  static let share = UnmaskShares.Entry(owner: 4, share: [UInt8](0..<40))
  static let vectors = [
    VectorSpecification(id: 0, ringBits: 32, count: 9_610, chunkElements: 65_536),
    VectorSpecification(id: 1, ringBits: 64, count: 7, chunkElements: 32_768),
  ]
  static let manifest = SignedManifest(bytes: Array("{}".utf8), signature: signature(3), signer: "coordinator")
  static let run = RunRow(
    run: "digits-run", state: .running, model: "digits", roundsCommitted: 3, roundsPlanned: 10, reason: "",
    evaluation: RoundRow.Evaluation(loss: 0.5, accuracy: 0.875))
  static let labels = WorkerLabels([.init("site", "north"), .init("gpu", "yes")]) ?? WorkerLabels()
  static let model = ModelRow(name: "digits", version: 3, digest: digest(9), aliases: [.latest])
  static let round = RoundRow(
    attempt: attempt, cohort: 8, reported: 7, dropped: 1,
    evaluation: RoundRow.Evaluation(loss: 0.25, accuracy: 0.9375), seconds: 1.5, bytesUpPerWorker: 38_496,
    published: RoundRow.Published(version: 3, modelDigest: digest(8)), outcome: .committed, reason: "",
    saturated: 5, central: RoundRow.Evaluation(loss: 0.125, accuracy: 0.96875),
    staleness: Staleness(mean: 1.5, largest: 4),
    groups: GroupTally(count: 7, summed: 6, leftOut: "group 3: too small"),
    traffic: RoundRow.Traffic(up: 269_472, down: 1_048_576))
  static let abandoned = RoundRow(
    attempt: attempt, cohort: 8, reported: 2, dropped: 6, evaluation: nil, seconds: 10, bytesUpPerWorker: 0,
    published: nil, outcome: .abandoned, reason: "fewer survivors than the threshold: 2 of 6",
    saturated: 0)
  static let status = CoordinatorStatus(
    federation: "north", runs: [run],
    workers: [
      WorkerRow(
        name: "worker-1", organisation: "org-1", state: .live, phase: .training, lastHeardMilliseconds: 120,
        labels: labels, threads: 8, run: "digits-run", stalledSeconds: 12),
      WorkerRow(
        name: "worker-2", organisation: "org-2", state: .neverSeen, phase: nil, lastHeardMilliseconds: nil),
    ], models: [model], rounds: [abandoned, round])
  static let blobRequest = BlobRequest(digest: digest(1), offset: 524_288, chunks: 8)
  static let wholeChunk = BlobChunk(digest: digest(1), offset: 262_144, totalBytes: 1_000_000)
  static let lastChunk = BlobChunk(digest: digest(1), offset: 786_432, totalBytes: 1_000_000)

  static let toCoordinator: [ControlToCoordinator] =
    [
      .hello(Hello(version: .current, session: SessionID(.max), software: "murmur 0.1 (Größe)", threads: 4)),
      .heartbeat, .goodbye,
      .round(.accept(attempt)),
      .round(.advert(attempt, advert("worker-1", seed: 20))),
      .round(
        .bundle(SignedBundle(transcript: digest(3), dealer: 1, bundle: bundle, signature: signature(4)))),
      .round(
        .shareCheck(
          SignedShareCheck(
            transcript: digest(1), helper: 9, complaints: Bitmap(members: [], count: 9), signature: signature(2)))),
      .round(.agree(SurvivorAgreement(transcript: digest(1), worker: 0, signature: signature(2)))),
      .round(
        .unmask(UnmaskShares(transcript: digest(1), helper: 3, selfMaskShares: [share], maskKeyShares: [share]))),
      .round(.unmask(UnmaskShares(transcript: digest(1), helper: 3, selfMaskShares: [], maskKeyShares: []))),
    ] + DeclineReason.allCases.map { .round(.decline(attempt, $0, detail: "policy.yaml:3: clip above 1")) }
    + WorkPhase.allCases.map { .round(.progress(attempt, $0, quarters: $0.rawValue)) }
    + [.round(.progress(attempt, .training, quarters: 1, stalledSeconds: 12))]
    + AbortCode.allCases.map {
      .round(
        .abort(
          WorkerAbort(
            transcript: digest(1), worker: 2, hasReleased: $0 == .deadline, code: $0, signature: signature(1))))
    } + [
      .hello(Hello(version: .current, session: SessionID(1), software: "", threads: 0, labels: labels))
    ]

  static let toWorker: [ControlToWorker] =
    [
      .welcome(
        Welcome(
          version: .current, session: SessionID(1), federation: "north", heartbeatInterval: .milliseconds(500),
          missedHeartbeats: 3)),
      .heartbeat, .goodbye, .rest(.milliseconds(90_500)),
      .round(.offer(offer)), .round(.offer(controlledOffer)),
      .round(
        .roster(
          attempt,
          RosterMessage(
            adverts: [advert("worker-1", seed: 20), advert("worker-2", seed: 30)], signature: signature(9)))),
      .round(.peerShares(PeerShares(transcript: digest(1), entries: [PeerShares.Entry(dealer: 4, sealed: entry)]))),
      .round(.dealers(DealerSet(transcript: digest(1), dealers: members, signature: signature(2)))),
      .round(
        .survivors(
          SurvivorSet(transcript: digest(1), dealersDigest: digest(2), survivors: members, signature: signature(3)))),
      .round(
        .survivors(
          SurvivorSet(
            transcript: digest(1), dealersDigest: digest(2), survivors: members,
            inputs: [
              RelayedInput(worker: 0, payloadDigest: digest(4), signature: signature(5)),
              RelayedInput(worker: 2, payloadDigest: digest(6), signature: signature(7)),
            ], signature: signature(3)))),
      .round(
        .aborts(
          AbortStatements(
            attempt: attempt, transcript: digest(1),
            statements: [
              WorkerAbort(
                transcript: digest(1), worker: 2, hasReleased: false, code: .attemptEnded, signature: signature(8))
            ]))),
      .round(
        .quorum(
          QuorumCertificate(
            transcript: digest(1),
            signers: [
              QuorumCertificate.Signer(worker: 0, signature: signature(1)),
              QuorumCertificate.Signer(worker: 9_999, signature: signature(2)),
            ]))),
      .round(
        .result(
          AttemptResult(
            transcript: digest(1), survivors: members, modelDigest: digest(2), weight: .max, signature: signature(3)))),
    ] + SessionRefusal.allCases.map { .refused($0, detail: $0.description) }
    + AttemptOutcome.allCases.map { .round(.ended(attempt, $0, reason: "deadline")) }

  static let bulkToCoordinator: [BulkToCoordinator] = [
    .request(blobRequest),
    .open(
      InputHeader(
        transcript: digest(1), worker: 3, dealersDigest: digest(2), vectors: vectors, signature: signature(3))),
    .chunk(UploadChunk(upload: digest(1), number: 12)),
    .close(
      InputTrailer(
        transcript: digest(1), worker: 3, dealersDigest: digest(2), payloadDigest: digest(3), signature: signature(4))),
  ]

  static let bulkToWorker: [BulkToWorker] = [
    .chunk(wholeChunk), .chunk(lastChunk), .chunk(BlobChunk(digest: digest(2), offset: 0, totalBytes: 1)),
    .unavailable(BlobUnavailable(digest: digest(1))),
    .grant(UploadGrant(upload: digest(1), firstChunk: 8, chunks: 8)),
    .grant(UploadGrant(upload: digest(1), firstChunk: 16, chunks: 0)),
    .answer(UploadAnswer(upload: digest(1), refusal: "")),
    .answer(UploadAnswer(upload: digest(1), refusal: "wrongDigest")),
  ]

  static let records: [StateRecord] = [
    StateRecord(
      epoch: 5, sequence: 1, kind: .versionPublished(model: "digits", version: 3, manifestDigest: digest(1))),
    StateRecord(epoch: 5, sequence: 2, kind: .aliasMoved(model: "digits", alias: .latest, version: 3)),
    StateRecord(epoch: 5, sequence: 2, kind: .heartbeat),
    StateRecord(epoch: 5, sequence: 3, kind: .aliasRemoved(model: "digits", alias: .best)),
    StateRecord(epoch: 5, sequence: 4, kind: .versionRetired(retired)),
  ]

  static let retired = RetiredVersion(model: "digits", version: 3, digest: digest(1), reason: "a poisoned worker")
  static let attachments = ModelAttachments(bundle: [0x7B, 0x7D], key: [0x30, 0], endorsement: signature(4))

  static let snapshotRequests: [SnapshotRequest] = [.snapshot, .blob(blobRequest)]

  static let snapshotReplies: [SnapshotReply] = [
    .snapshot(
      StateSnapshot(
        epoch: 5, sequence: 2,
        entries: [
          StateSnapshot.Entry(model: "digits", version: 3, manifest: manifest, aliases: [.latest]),
          StateSnapshot.Entry(
            model: "digits", version: 4, manifest: manifest, aliases: [], attachments: attachments),
        ], retired: [retired])),
    .snapshot(StateSnapshot(epoch: 5, sequence: 0, entries: [])),
    .chunk(lastChunk), .unavailable(BlobUnavailable(digest: digest(1))),
    .failed(Failure(.unavailable, "starting")),
  ]

  static let operatorRequests: [OperatorRequest] = [
    .submitRun(yaml: "run: digits-run\nrounds: 10\n"), .listRuns, .status,
    .runEvents("digits-run", after: 3, limit: 100), .stopRun("digits-run"), .pauseRun("digits-run"),
    .resumeRun("digits-run"), .deleteRun("digits-run"), .showRun("digits-run"), .listVersions(nil),
    .listVersions("digits"), .showVersion(reference: "digits@champion"),
    .changeAlias(AliasOrder(model: "digits", alias: .best, change: .move(to: "digits@3"), expected: 0)),
    .changeAlias(AliasOrder(model: "digits", alias: .best, change: .remove)),
    .changeAlias(AliasOrder(model: "digits", alias: .best, change: .rollBack, expected: 4)),
    .retireVersion("digits", 3, reason: "a poisoned worker"),
  ]

  static let moves = [
    AliasMove(model: "digits", alias: .latest, from: 3, to: 2),
    AliasMove(model: "digits", alias: .best, from: 3, to: nil),
    AliasMove(model: "digits", alias: .best, from: nil, to: 0),
  ]
  static let version = VersionRow(
    model: model, run: "digits-run", round: 3, createdAt: 1_700_000_000, parent: digest(2),
    evaluation: RoundRow.Evaluation(loss: 0.5, accuracy: 0.9), retired: retired, takenBack: "worse")
  static let firstVersion = VersionRow(
    model: model, run: "digits-run", round: 0, createdAt: 0, parent: nil, evaluation: nil, retired: nil, takenBack: nil)

  static let operatorReplies: [OperatorReply] =
    [
      .runAccepted("digits-run"), .runs([run]), .runs([]), .status(status),
      .runEvents(
        RunEvents(
          run: run,
          events: [RunEvent(sequence: 1, kind: .run(run)), RunEvent(sequence: 2, kind: .round(abandoned))])),
      .runStopping("digits-run"), .runChanged(run), .runDeleted("digits-run", versions: 11),
      .runDetail(
        RunDetail(
          run: run, configuration: "name: digits-run\n", submittedAt: 1_700_000_000, phase: "reporting",
          cohort: ["worker-1", "worker-2"], suitedWorkers: 2)),
      .versions([version, firstVersion]), .versions([]),
      .versionDetail(
        VersionDetail(
          row: version, manifest: manifest, attachments: attachments, lineage: [version, firstVersion],
          events: AliasChange.allCases.map { AliasEvent(move: moves[0], change: $0, by: "local", at: 1_700_000_000) })),
      .versionDetail(
        VersionDetail(row: firstVersion, manifest: manifest, attachments: nil, lineage: [], events: [])),
      .aliasChanged(moves[1]), .aliasChanged(moves[2]), .versionRetired(retired, moves: moves),
    ] + Failure.Code.allCases.map { .failed(Failure($0, "no run digits-run")) }
    + RunState.allCases.map {
      .runs([
        RunRow(run: "r", state: $0, model: "m", roundsCommitted: 0, roundsPlanned: 1, reason: "stopped by operator")
      ])
    }

  static let pullRequests: [PullRequest] = [.listModels, .resolve(reference: "digits@champion"), .blob(blobRequest)]

  static let eventBatches: [EventBatch] = [
    EventBatch(model: "digits", rows: 1, element: .float32),
    EventBatch(model: "digits", version: .number(7), rows: 4_096, element: .uint8),
    EventBatch(model: "digits", version: .alias(.latest), rows: 64, element: .uint8),
  ]

  static let eventReplies: [EventReply] = [
    .predictions(version: 7, rows: 64, width: 10), .failed(Failure(.unavailable, "not now")),
  ]

  static let pullReplies: [PullReply] = [
    .models([model]), .resolved(manifest, nil), .resolved(manifest, attachments), .chunk(wholeChunk),
    .unavailable(BlobUnavailable(digest: digest(1))),
    .failed(Failure(.notFound, "digits@9")),
  ]
}
