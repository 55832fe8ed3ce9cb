import Federation
import SecureAggregation

/// One attempt without secure aggregation: every worker's clipped difference in clear, by explicit wish of the run and
/// of every worker's policy.
///
///     reporting ── everyone still here has reported, or deadline ──▶ closed
struct PlainAttempt: Sendable {
  enum Action: Sendable {
    case startDeadline(Duration)
    case openUploads(upload: Digest, vectors: [VectorSpecification], from: [WorkerID])
    case acceptUpload(from: WorkerID)
    case refuseUpload(from: WorkerID, reason: String)
    case addInput(from: WorkerID)
    case closeUploads(notCounted: [WorkerID])
    /// The link is back: the offer may not have arrived.
    case repeatOffer(to: WorkerID)
    case openSum(survivors: [WorkerID])
    case abandon(reason: String)
  }

  /// Vector ID of Float32 lanes; 1 is the auxiliary vector as in secure mode.
  static let updateID: UInt32 = 2

  let context: AttemptContext
  let cohort: [WorkerID]
  let minimum: Int
  private(set) var completed: Set<WorkerID> = []
  private var open: Set<WorkerID> = []
  /// Lost: not waited for, welcome back.
  private var absent: Set<WorkerID> = []
  /// Declined, restarted, or sent something that breaks a rule.
  private var departed: Set<WorkerID> = []
  private(set) var isClosed = false

  init(context: AttemptContext, cohort: [WorkerID], minimum: Int) {
    self.context = context
    self.cohort = cohort.sorted()
    self.minimum = minimum
  }

  /// The vectors of an upload; the update is left out of an evaluation-only attempt.
  static func vectors(for configuration: RoundConfiguration) -> [VectorSpecification] {
    VectorSpecification.all(for: configuration).map {
      $0.id == VectorSpecification.updateID
        ? VectorSpecification(
          id: updateID, ringBits: 32, count: $0.count, chunkElements: UInt32(clamping: configuration.chunkElements))
        : $0
    }
  }

  /// In place of `H(U2)`: there are no dealers.
  static let noDealers = Digest(unchecked: Array(repeating: 0, count: 32))

  /// Whether a header opens an upload of that worker to that attempt.
  static func isValid(_ header: InputHeader, from worker: WorkerID, in context: AttemptContext) -> Bool {
    let vectors = vectors(for: context.configuration)
    let signed = SignedString.inputHeader(
      transcript: context.roundID, worker: 0, dealersDigest: noDealers, vectors: vectors)
    guard header.transcript == context.roundID, header.worker == 0, header.vectors == vectors,
      let key = context.membership[worker]?.certificate.signingKey
    else { return false }
    return header.signature.isValid(over: signed, by: key)
  }

  /// Whether a trailer closes an upload of that worker to that attempt, over chunks with this digest.
  static func isValid(
    _ trailer: InputTrailer, payload: Digest, from worker: WorkerID, in context: AttemptContext
  ) -> Bool {
    let signed = SignedString.input(
      transcript: context.roundID, worker: 0, dealersDigest: noDealers, payloadDigest: payload)
    guard trailer.transcript == context.roundID, trailer.payloadDigest == payload,
      let key = context.membership[worker]?.certificate.signingKey
    else { return false }
    return trailer.signature.isValid(over: signed, by: key)
  }

  func start() -> [Action] {
    [
      .startDeadline(.milliseconds(Int64(clamping: context.configuration.inputDeadline))),
      .openUploads(
        upload: context.roundID, vectors: Self.vectors(for: context.configuration), from: cohort),
    ]
  }

  mutating func uploadOpened(_ header: InputHeader, from worker: WorkerID) -> [Action] {
    guard !isClosed, cohort.contains(worker), !departed.contains(worker) else {
      return [.refuseUpload(from: worker, reason: "not counted")]
    }
    if completed.contains(worker) { return [] }
    guard Self.isValid(header, from: worker, in: context) else {
      departed.insert(worker)
      return [.refuseUpload(from: worker, reason: Refusal.badSignature.rawValue)] + advance()
    }
    open.insert(worker)
    absent.remove(worker)
    return [.acceptUpload(from: worker)]
  }

  mutating func uploadCompleted(_ trailer: InputTrailer, payload: Digest, from worker: WorkerID) -> [Action] {
    guard !isClosed, open.remove(worker) != nil else {
      return [.refuseUpload(from: worker, reason: "not counted")]
    }
    guard Self.isValid(trailer, payload: payload, from: worker, in: context) else {
      departed.insert(worker)
      return [.refuseUpload(from: worker, reason: Refusal.wrongDigest.rawValue)] + advance()
    }
    completed.insert(worker)
    return [.addInput(from: worker)] + advance()
  }

  /// The content of a completed upload broke a rule (not finite, over the norm): it is not in the sum.
  mutating func inputRejected(from worker: WorkerID) -> [Action] {
    completed.remove(worker)
    open.remove(worker)
    departed.insert(worker)
    return isClosed && completed.count < minimum ? [tooFew] : advance()
  }

  mutating func workerGone(_ worker: WorkerID) -> [Action] {
    guard cohort.contains(worker) else { return [] }
    absent.insert(worker)
    return advance()
  }

  mutating func workerReturned(_ worker: WorkerID) -> [Action] {
    absent.remove(worker)
    let isAwaited = !isClosed && cohort.contains(worker) && !departed.contains(worker) && !completed.contains(worker)
    return isAwaited ? [.repeatOffer(to: worker)] : []
  }

  /// It takes no further part in this attempt; what it has reported completely still counts.
  mutating func workerLeft(_ worker: WorkerID) -> [Action] {
    guard cohort.contains(worker) else { return [] }
    departed.insert(worker)
    open.remove(worker)
    return advance()
  }

  mutating func deadlinePassed() -> [Action] { advance(atDeadline: true) }

  private mutating func advance(atDeadline: Bool = false) -> [Action] {
    let everyone = cohort.allSatisfy {
      completed.contains($0) || departed.contains($0) || absent.contains($0)
    }
    let goal = context.configuration.goalCount.map { max(Int(clamping: $0), minimum) }
    guard !isClosed, atDeadline || everyone || goal.map({ completed.count >= $0 }) == true else { return [] }
    isClosed = true
    guard completed.count >= minimum else { return [tooFew] }
    return [
      .closeUploads(notCounted: cohort.filter { !completed.contains($0) }), .openSum(survivors: completed.sorted()),
    ]
  }

  private var tooFew: Action { .abandon(reason: "\(completed.count) updates arrived, \(minimum) are needed") }
}
