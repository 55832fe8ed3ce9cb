import Federation

/// Judges outside the cores they judge: they see frames, published versions and the workers' own updates.
struct Checkers {
  var frames: FrameChecker
  var sum = SumChecker()
  var lineage: LineageChecker
  /// Claims that were found broken, in words, in the order in which they were.
  var violations: [String] = []

  init(parties: VirtualParties) {
    frames = FrameChecker(membership: parties.membership)
    lineage = LineageChecker(membership: parties.membership)
  }
}

/// A mistake planted to prove that the checkers are awake; only tests plant any.
package enum PlantedBug: Hashable, Sendable {
  /// The coordinator adds one worker's input twice.
  case inputAddedTwice(WorkerID)
  /// A worker releases, for the same owners, shares of the other kind too.
  case bothSharesReleased(WorkerID)
}
