import Federation

/// Judges outside the cores they judge: they see frames, published versions and the workers' own updates.
struct Checkers {
  var frames: FrameChecker
  var sum = SumChecker()
  var lineage: LineageChecker
  /// Claims that were found broken, in words, in the order in which they were.
  var violations: [String] = []

  /// - Parameter contributionsMax: inputs to one model that may leave a worker.
  init(parties: VirtualParties, contributionsMax: UInt32) {
    frames = FrameChecker(membership: parties.membership, contributionsMax: contributionsMax)
    lineage = LineageChecker(membership: parties.membership)
  }
}
