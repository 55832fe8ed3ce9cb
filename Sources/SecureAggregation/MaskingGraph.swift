import Federation

/// Who masks with whom, and so who helps whom: everyone with everyone up to 256 workers, the neighbours of a sparse
/// graph above.
package enum MaskingGraph: Sendable {
  case complete(count: Int)
  case sparse(SparseGraph)

  /// The graph of a roster.
  ///
  /// - Throws: `rosterTooLarge`, `noGraph`.
  package init(
    transcript: Digest, thresholds: Thresholds, computations: some RoundComputations
  ) throws(Refusal) {
    if thresholds.degree == 0 {
      self = .complete(count: thresholds.rosterCount)
    } else {
      self = .sparse(try computations.graph(transcript: transcript, rosterCount: thresholds.rosterCount))
    }
  }

  package var isComplete: Bool { if case .complete = self { true } else { false } }

  /// N(i), ascending.
  package func neighbours(of worker: Int) -> [Int] {
    switch self {
    case .complete(let count): (0..<count).filter { $0 != worker }
    case .sparse(let graph): graph.neighbours(of: worker)
    }
  }

  /// How many of N(i) are in `set`.
  func neighbourCount(of worker: Int, in set: Bitmap) -> Int {
    switch self {
    case .complete: set.memberCount - (set.contains(worker) ? 1 : 0)
    case .sparse(let graph): graph.neighbourCount(of: worker, in: set)
    }
  }

  package func areNeighbours(_ a: Int, _ b: Int) -> Bool {
    switch self {
    case .complete: a != b
    case .sparse(let graph): graph.areNeighbours(a, b)
    }
  }

  /// The largest part of `set` in which everyone has at least `threshold` neighbours; on the complete graph all of it.
  package func core(of set: Bitmap, threshold: Int) -> Bitmap {
    switch self {
    case .complete: set
    case .sparse(let graph): graph.core(of: set, threshold: threshold)
    }
  }

  /// More complaints than this about one dealer, or by one complainer, convict: that many neighbours cannot all be
  /// corrupt (ruling A3; on the sparse graph by the bound c of its row).
  package func complaintBound(_ thresholds: Thresholds) -> Int {
    switch self {
    case .complete: thresholds.corruptionBound
    case .sparse(let graph): min(thresholds.corruptionBound, graph.row.corruptNeighbours)
    }
  }
}
