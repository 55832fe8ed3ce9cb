import Cryptography
import Federation
import SecureAggregation
import Testing

/// A small federation in memory: certificates, keys, one membership list, the rules of one attempt.
struct ProtocolFederation: Sendable {
  static let now: UInt64 = 1_000_000

  let authority: SigningKey
  let coordinatorKey: SigningKey
  let membership: MembershipList
  /// Sorted by name: position i is worker i of a full roster.
  let workers: [WorkerID]
  let keys: [WorkerID: SigningKey]
  var configuration: RoundConfiguration
  var seed: String
  /// Large rosters are checked once for all workers of the test.
  var computations: any RoundComputations = DirectComputations()

  /// - Parameters:
  ///   - organisations: of worker 0, 1, …
  ///   - expired: workers whose certificates ended before the attempt.
  init(
    organisations: [String], seed: String = "", expired: Set<Int> = [],
    configure: (inout RoundConfiguration) -> Void = { _ in }
  ) throws {
    func key(_ name: String) throws -> SigningKey {
      try SigningKey(seed: SecretBytes(copying: SHA256.hash(Array("key of \(name)".utf8))))
    }
    authority = try key("authority")
    coordinatorKey = try key("coordinator")
    var keys: [WorkerID: SigningKey] = [:]
    var members: [SignedCertificate] = []
    for (index, organisation) in organisations.enumerated() {
      let name = Self.name(index)
      let workerKey = try key(name.text)
      keys[name] = workerKey
      let certificate = Certificate(
        organisation: OrganisationID(unchecked: organisation), name: name, role: .worker,
        signingKey: workerKey.signingPublicKey,
        linkKey: LinkPublicKey(unchecked: SHA256.hash(Array("link of \(name)".utf8))), notBefore: 0,
        notAfter: expired.contains(index) ? Self.now : 2 * Self.now)
      members.append(
        SignedCertificate(certificate: certificate, signature: authority.signature(over: certificate.canonicalBytes)))
    }
    self.keys = keys
    self.seed = seed
    workers = keys.keys.sorted()
    membership = MembershipList(federation: "fed", authorityKey: authority.signingPublicKey, members: members)
    configuration = RoundConfiguration(
      vectorLength: 37, issuanceLog: .sha256(of: membership.issuanceLogBytes),
      revocationList: .sha256(of: membership.revocationListBytes))
    configuration.chunkElements = 16
    configuration.maximumWeight = 64
    configure(&configuration)
  }

  /// `count` workers, each of an organisation of its own.
  init(count: Int, seed: String = "", configure: (inout RoundConfiguration) -> Void = { _ in }) throws {
    try self.init(organisations: (0..<count).map { "org-\($0)" }, seed: seed, configure: configure)
  }

  static func name(_ index: Int) -> WorkerID { WorkerID(unchecked: "worker-\(String(10_000 + index).dropFirst())") }

  var policy: CohortPolicy { CohortPolicy(configuration) }

  func context(
    round: RoundNumber = 1, attempt: AttemptNumber = 0, model: String = "model",
    configuration other: RoundConfiguration? = nil
  ) -> AttemptContext {
    AttemptContext(
      attempt: AttemptID(run: "run", round: round, attempt: attempt), modelDigest: .sha256(of: Array(model.utf8)),
      configuration: other ?? configuration, membership: membership, coordinatorKey: coordinatorKey.signingPublicKey,
      now: Self.now, computations: computations)
  }

  func offerSignature(_ context: AttemptContext) -> Signature {
    coordinatorKey.signature(over: SignedString.offer(roundID: context.roundID))
  }

  /// The secrets that worker `name` draws in `context`: a second one of these foretells them for a dishonest worker.
  func secrets(of name: WorkerID, in context: AttemptContext) -> SeededSecretSource {
    SeededSecretSource(seed: Array("secrets \(seed) of \(name) in \(context.roundID)".utf8))
  }

  func worker(_ name: WorkerID, in context: AttemptContext, policy: CohortPolicy? = nil) throws
    -> SecureAggregationWorker
  {
    let member = try #require(membership[name])
    let key = try #require(keys[name])
    return SecureAggregationWorker(
      context: context, certificate: member.certificate, offerSignature: offerSignature(context),
      policy: policy ?? self.policy, signingKey: key, secrets: secrets(of: name, in: context))
  }

  func coordinator(in context: AttemptContext, policy: CohortPolicy? = nil) -> SecureAggregationCoordinator {
    SecureAggregationCoordinator(
      context: context, cohort: workers, offerSignature: offerSignature(context), policy: policy ?? self.policy,
      signingKey: coordinatorKey)
  }

  /// What worker `index` has learned: seeded Float32 values, its own number of examples.
  func update(of index: Int) -> (difference: [Float], exampleCount: UInt64, metrics: RoundMetrics) {
    var generator = SeededGenerator(seed: UInt64(index), stream: "update \(seed)")
    let difference = (0..<Int(configuration.vectorLength)).map { _ in Float.random(in: -0.4...0.4, using: &generator) }
    let metrics = RoundMetrics(
      lossSum: Double.random(in: 0...50, using: &generator), correct: UInt64.random(in: 0...20, using: &generator),
      evaluated: 20)
    return (difference, UInt64.random(in: 1...100, using: &generator), metrics)
  }
}
