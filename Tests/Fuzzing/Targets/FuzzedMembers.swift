import Cryptography
import Federation
import SecureAggregation

/// A federation of workers, each of an organisation of its own, made once for a process: signatures cost more than
/// everything else in an input.
///
/// The keys of `coordinator` and of worker 0 are in the hands of whoever made the input; with up to six workers, one of
/// them is as many as the protocol bears (n_C ≥ 1).
struct FuzzedMembers: Sendable {
  static let now: UInt64 = 1_000_000
  static let countMax = 6
  /// Whose key forges.
  static let dishonest: WorkerID = WorkerID(unchecked: "worker-0")
  static let all = FuzzedMembers()

  let coordinatorKey: SigningKey
  let coordinator: Certificate
  let membership: MembershipList
  /// Sorted by name.
  let workers: [WorkerID]
  private let keys: [WorkerID: SigningKey]

  private init() {
    func key(_ name: String) -> SigningKey {
      do {
        return try SigningKey(seed: SecretBytes(copying: SHA256.hash(Array("key of \(name)".utf8))))
      } catch {
        preconditionFailure("32 bytes are a seed: \(error)")
      }
    }
    func certificate(_ name: WorkerID, _ organisation: String, _ role: Role, _ key: SigningKey) -> Certificate {
      Certificate(
        organisation: OrganisationID(unchecked: organisation), name: name, role: role, signingKey: key.signingPublicKey,
        linkKey: LinkPublicKey(unchecked: SHA256.hash(Array(name.text.utf8))), notBefore: 0, notAfter: .max)
    }
    let authority = key("authority")
    coordinatorKey = key("coordinator")
    coordinator = certificate(WorkerID(unchecked: "coordinator"), "org", .coordinator, coordinatorKey)
    workers = (0..<Self.countMax).map { WorkerID(unchecked: "worker-\($0)") }
    keys = Dictionary(uniqueKeysWithValues: workers.map { ($0, key($0.text)) })
    var certificates = [coordinator]
    for (index, name) in workers.enumerated() {
      certificates.append(certificate(name, "org-\(index)", .worker, key(name.text)))
    }
    membership = MembershipList(
      federation: "fuzzed", authorityKey: authority.signingPublicKey,
      members: certificates.map {
        SignedCertificate(certificate: $0, signature: authority.signature(over: $0.canonicalBytes))
      })
  }

  func key(of worker: WorkerID) -> SigningKey { keys[worker] ?? coordinatorKey }

  func certificate(of worker: WorkerID) -> Certificate { membership[worker]?.certificate ?? coordinator }

  /// Rules that let one worker of four drop out; three elements in chunks of 16.
  func configuration(vectorLength: UInt64, _ change: (inout RoundConfiguration) -> Void = { _ in })
    -> RoundConfiguration
  {
    var out = RoundConfiguration(
      vectorLength: vectorLength, issuanceLog: .sha256(of: membership.issuanceLogBytes),
      revocationList: .sha256(of: membership.revocationListBytes))
    out.minimumHonestSum = 2
    out.chunkElements = 16
    out.maximumWeight = 64
    change(&out)
    return out
  }

  /// What a worker has learned.
  func update(of worker: WorkerID, vectorLength: Int) -> ClientUpdate {
    let index = workers.firstIndex(of: worker) ?? 0
    return ClientUpdate(
      difference: (0..<vectorLength).map { Float($0 - index) / 16 }, exampleCount: UInt64(3 + index),
      metrics: RoundMetrics(lossSum: 0.5 + Double(index), correct: UInt64(index), evaluated: 4))
  }
}
