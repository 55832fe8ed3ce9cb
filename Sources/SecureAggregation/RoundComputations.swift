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
  package func isValid(_ signature: Signature, over string: [UInt8], by key: SigningPublicKey) -> Bool {
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
    var claim = CanonicalBytes(label: "claim/degrees")
    claim.append(transcript)
    claim.append(UInt32(threshold))
    claim.append(raw: set.bytes)
    do throws(Refusal) {
      try once(.sha256(of: claim.bytes)) { () throws(Refusal) in
        guard graph.smallestDegree(in: set) >= threshold else { throw .tooFewNeighbours }
      }
      return true
    } catch {
      return false
    }
  }
}

/// Computes whatever is asked.
package struct DirectComputations: RoundComputations {
  package let runner: any PartRunner & Sendable
  package init(runner: any PartRunner & Sendable = SequentialRunner()) { self.runner = runner }
  package var servesMany: Bool { false }

  package func once(_ claim: Digest, _ check: () throws(Refusal) -> Void) throws(Refusal) { try check() }

  package func graph(transcript: Digest, rosterCount: Int) throws(Refusal) -> SparseGraph {
    try SparseGraph(transcript: transcript, rosterCount: rosterCount)
  }
}

/// Remembers what has passed: certificates, which come back in every attempt, and in a process with many workers
/// everything that one of them has checked. What failed is checked again.
///
/// Bounded: two generations of at most `claimsMax` claims and a few graphs; the older generation goes first.
package final class RememberedComputations: RoundComputations {
  private struct Memory {
    var young: Set<Digest> = []
    var old: Set<Digest> = []
    var graphs: [Digest: SparseGraph] = [:]
  }

  private static let graphsMax = 8

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
