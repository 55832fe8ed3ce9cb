import Cryptography
import Federation
import Synchronization

/// The expensive computations of an attempt that have one answer whoever asks: signatures, rosters, graphs.
///
/// A process that hosts one worker computes them; one that hosts thousands, as the simulator does, may remember.
package protocol RoundComputations: Sendable {
  /// Whether an answer serves many workers, so that it pays to check a whole roster once rather than a sample each time.
  var servesMany: Bool { get }

  /// What many checks at once run on. The answer does not depend on it.
  var runner: any PartRunner & Sendable { get }

  /// Runs `check` unless the same claim has passed before. `claim` has to be a digest over everything the check reads.
  func once(_ claim: Digest, _ check: () throws(Refusal) -> Void) throws(Refusal)

  /// What `compute` gives. `question` has to be everything that it reads: who remembers the answer gives it again to an
  /// equal one. A refusal is no answer.
  func answer<Question: Equatable & Sendable, Answer: Sendable>(
    _ question: Question, _ compute: () throws(Refusal) -> Answer
  ) throws(Refusal) -> Answer

  /// The sparse graph of a transcript.
  ///
  /// - Throws: `rosterTooLarge`, `noGraph`.
  func graph(transcript: Digest, rosterCount: Int) throws(Refusal) -> SparseGraph
}

extension RoundComputations {
  /// Whether `holds` is true of each of `0..<count`, asked of several at once; the rest is not asked after one was false.
  func allHold(_ count: Int, _ holds: @Sendable (Int) -> Bool) -> Bool {
    let fails = Atomic<Bool>(false)
    runner.run(parts: count) { index in
      if !fails.load(ordering: .relaxed), !holds(index) { fails.store(true, ordering: .relaxed) }
    }
    return !fails.load(ordering: .relaxed)
  }

  /// Whether a signature verifies.
  ///
  /// - Parameter isLasting: whether later attempts ask the same. Other signatures are remembered only by who serves many:
  ///   a single party sees each once, and would keep those of all rounds.
  package func isValid(
    _ signature: Signature, over string: [UInt8], by key: SigningPublicKey, isLasting: Bool = false
  ) -> Bool {
    guard servesMany || isLasting else { return signature.isValid(over: string, by: key) }
    var claim = CanonicalBytes(label: "claim/signature")
    claim.append(key)
    claim.append(signature)
    claim.append(raw: string)
    do throws(Refusal) {
      try once(.sha256(of: claim.bytes)) { () throws(Refusal) in
        guard signature.isValid(over: string, by: key) else { throw .badSignature }
      }
      return true
    } catch {
      return false
    }
  }

  /// Whether every member of `set` has at least `threshold` neighbours inside it.
  func hasDegrees(_ set: Bitmap, atLeast threshold: Int, in graph: SparseGraph, transcript: Digest) -> Bool {
    let question = DegreeQuestion(set: set, threshold: threshold, transcript: transcript)
    let hasDegrees = try? answer(question) { () throws(Refusal) in graph.smallestDegree(in: set) >= threshold }
    return hasDegrees ?? false
  }
}

private struct DegreeQuestion: Equatable, Sendable {
  let set: Bitmap
  let threshold: Int
  let transcript: Digest
}

/// Computes whatever is asked.
package struct DirectComputations: RoundComputations {
  package let runner: any PartRunner & Sendable
  package init(runner: any PartRunner & Sendable = SequentialRunner()) { self.runner = runner }
  package var servesMany: Bool { false }

  package func once(_ claim: Digest, _ check: () throws(Refusal) -> Void) throws(Refusal) { try check() }

  package func answer<Question: Equatable & Sendable, Answer: Sendable>(
    _ question: Question, _ compute: () throws(Refusal) -> Answer
  ) throws(Refusal) -> Answer { try compute() }

  package func graph(transcript: Digest, rosterCount: Int) throws(Refusal) -> SparseGraph {
    try SparseGraph(transcript: transcript, rosterCount: rosterCount)
  }
}

/// Remembers what has passed: certificates, which come back in every attempt, and in a process with many workers
/// everything that one of them has checked. What failed is checked again.
///
/// Bounded: two generations of at most `claimsMax` claims, of which the older goes first, and a few graphs and answers of
/// each kind. That two questions are equal is seen at once where they share their memory, as those about one message do.
package final class RememberedComputations: RoundComputations {
  private struct Memory {
    var young: Set<Digest> = []
    var old: Set<Digest> = []
    var graphs: [Digest: SparseGraph] = [:]
    /// By the kind of the question, oldest first.
    var answers: [ObjectIdentifier: [(question: any Sendable, answer: any Sendable)]] = [:]
  }

  private static let graphsMax = 8
  private static let answersMax = 8

  package let servesMany: Bool
  package let runner: any PartRunner & Sendable
  private let claimsMax: Int
  private let memory = Mutex(Memory())

  package init(
    servesMany: Bool, claimsMax: Int = 1 << 15, runner: any PartRunner & Sendable = SequentialRunner()
  ) {
    self.servesMany = servesMany
    self.runner = runner
    self.claimsMax = claimsMax
  }

  /// Claims that are remembered.
  var claimCount: Int { memory.withLock { $0.young.union($0.old).count } }

  package func once(_ claim: Digest, _ check: () throws(Refusal) -> Void) throws(Refusal) {
    if memory.withLock({ $0.young.contains(claim) || $0.old.contains(claim) }) { return }
    try check()
    memory.withLock {
      if $0.young.count >= claimsMax {
        $0.old = $0.young
        $0.young = []
      }
      $0.young.insert(claim)
    }
  }

  package func answer<Question: Equatable & Sendable, Answer: Sendable>(
    _ question: Question, _ compute: () throws(Refusal) -> Answer
  ) throws(Refusal) -> Answer {
    guard servesMany else { return try compute() }
    let kind = ObjectIdentifier(Question.self)
    let known = memory.withLock { $0.answers[kind]?.last { ($0.question as? Question) == question } }
    if let answer = known?.answer as? Answer { return answer }
    let answer = try compute()
    memory.withLock {
      if $0.answers[kind, default: []].count >= Self.answersMax { $0.answers[kind]?.removeFirst() }
      $0.answers[kind, default: []].append((question, answer))
    }
    return answer
  }

  package func graph(transcript: Digest, rosterCount: Int) throws(Refusal) -> SparseGraph {
    if let known = memory.withLock({ $0.graphs[transcript] }), known.permutation.count == rosterCount { return known }
    let graph = try SparseGraph(transcript: transcript, rosterCount: rosterCount)
    memory.withLock {
      if $0.graphs.count >= Self.graphsMax { $0.graphs = [:] }
      $0.graphs[transcript] = graph
    }
    return graph
  }
}
