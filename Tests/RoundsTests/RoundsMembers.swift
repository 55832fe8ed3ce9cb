import Cryptography
import Federation
import Rounds
import SecureAggregation
import Testing

/// Who takes part, and the plan of a run.
struct RoundsMembers: Sendable {
  let authority: SigningKey
  let coordinatorKey: SigningKey
  let coordinator: Certificate
  let membership: MembershipList
  let workers: [WorkerID]
  let keys: [WorkerID: SigningKey]
  var aggregation: AggregationMode = .secure
  var policy = WorkerPolicy()

  init(organisations: [String], expired: Set<Int> = [], aggregation: AggregationMode = .secure) throws {
    func key(_ name: String) throws -> SigningKey {
      try SigningKey(seed: SecretBytes(copying: SHA256.hash(Array("key of \(name)".utf8))))
    }
    func certificate(_ name: WorkerID, _ organisation: String, _ role: Role, _ key: SigningKey, notAfter: UInt64)
      -> Certificate
    {
      Certificate(
        organisation: OrganisationID(unchecked: organisation), name: name, role: role,
        signingKey: key.signingPublicKey, linkKey: LinkPublicKey(unchecked: SHA256.hash(Array(name.text.utf8))),
        notBefore: 0, notAfter: notAfter)
    }
    authority = try key("authority")
    coordinatorKey = try key("coordinator")
    coordinator = certificate("coordinator", "org", .coordinator, coordinatorKey, notAfter: .max)
    var certificates = [coordinator]
    var keys: [WorkerID: SigningKey] = [:]
    for (index, organisation) in organisations.enumerated() {
      let name = WorkerID(unchecked: "worker-\(String(100 + index).dropFirst())")
      let workerKey = try key(name.text)
      keys[name] = workerKey
      certificates.append(
        certificate(name, organisation, .worker, workerKey, notAfter: expired.contains(index) ? 10 : .max))
    }
    let authority = authority
    membership = MembershipList(
      federation: "fed", authorityKey: authority.signingPublicKey,
      members: certificates.map {
        SignedCertificate(certificate: $0, signature: authority.signature(over: $0.canonicalBytes))
      })
    self.keys = keys
    workers = keys.keys.sorted()
    self.aggregation = aggregation
    if aggregation == .plain { policy.allowPlain = true }
  }

  init(count: Int, aggregation: AggregationMode = .secure) throws {
    try self.init(organisations: (0..<count).map { "org-\($0)" }, aggregation: aggregation)
  }

  func task(_ kind: TrainingTask.Kind) -> TrainingTask {
    TrainingTask(
      kind: kind, aggregation: aggregation, architecture: "softmax 3-2", dataScale: 1, holdOutFraction: 0.2, seed: 1)
  }

  func configuration(_ kind: TrainingTask.Kind, _ change: (inout RoundConfiguration) -> Void = { _ in })
    -> RoundConfiguration
  {
    var out = RoundConfiguration(
      vectorLength: kind == .train ? 9 : 0, issuanceLog: .sha256(of: membership.issuanceLogBytes),
      revocationList: .sha256(of: membership.revocationListBytes))
    out.localEpochs = kind == .train ? 1 : 0
    out.trainer = .sha256(of: task(kind).canonicalBytes)
    out.inputDeadline = 60_000
    change(&out)
    return out
  }

  func plan(
    rounds: UInt64 = 2, target: Int = 16, expected: Int? = nil, seed: UInt64 = 1,
    _ change: (inout RoundConfiguration) -> Void = { _ in }
  ) -> RunPlan {
    let training = configuration(.train, change)
    return RunPlan(
      run: "run", modelName: "model", rounds: rounds, configuration: training,
      evaluationConfiguration: configuration(.evaluate, change), task: task(.train), evaluationTask: task(.evaluate),
      policy: CohortPolicy(training), cohortTarget: target, expectedWorkers: expected ?? workers.count, seed: seed)
  }

  func model(_ version: ModelVersion) -> BaseModel {
    BaseModel(version: version, modelDigest: .sha256(of: Array("model \(version)".utf8)), tensors: [])
  }

  func run(_ plan: RunPlan, round: RoundNumber = 1, attempt: AttemptNumber = 0) -> RunStateMachine {
    RunStateMachine(
      plan: plan, membership: membership, certificate: coordinator, signingKey: coordinatorKey,
      start: RunStart(base: model(ModelVersion(round.value - 1)), round: round), attempt: attempt)
  }

  func worker(_ name: WorkerID, policy: WorkerPolicy, ledger: WorkerLedger = WorkerLedger(), life: Int = 0) throws
    -> WorkerStateMachine
  {
    WorkerStateMachine(
      certificate: try #require(membership[name]).certificate, membership: membership,
      coordinatorKey: coordinatorKey.signingPublicKey, policy: policy, signingKey: try #require(keys[name]),
      secrets: SeededSecretSource(seed: Array("\(name) \(life)".utf8)), ledger: ledger)
  }

  func update(of name: WorkerID, isTraining: Bool) -> ClientUpdate {
    let index = workers.firstIndex(of: name) ?? 0
    return ClientUpdate(
      difference: isTraining ? (0..<9).map { Float($0 - index) / 40 } : [], exampleCount: UInt64(10 + index),
      metrics: RoundMetrics(lossSum: 1, correct: 3, evaluated: 4))
  }

  /// A valid offer to train, after `change`, signed by `signer` (the coordinator if nil).
  func offer(
    round: RoundNumber = 1, attempt: AttemptNumber = 0, kind: TrainingTask.Kind = .train, model: String = "model 0",
    task: TrainingTask? = nil, control: TensorReference? = nil, membership other: MembershipList? = nil,
    signedBy signer: SigningKey? = nil,
    _ change: (inout RoundConfiguration) -> Void = { _ in }
  ) -> RoundOffer {
    let configuration = configuration(kind, change)
    let context = AttemptContext(
      attempt: AttemptID(run: "run", round: round, attempt: attempt), modelDigest: .sha256(of: Array(model.utf8)),
      configuration: configuration, membership: other ?? membership, coordinatorKey: coordinatorKey.signingPublicKey,
      now: RoundsCluster.now)
    return RoundOffer(
      attempt: context.attempt, modelName: "model", baseVersion: 0, modelDigest: context.modelDigest, tensors: [],
      configuration: configuration, task: task ?? self.task(kind), control: control,
      signature: (signer ?? coordinatorKey).signature(over: SignedString.offer(roundID: context.roundID)))
  }
}
