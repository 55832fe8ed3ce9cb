import Federation

/// What SCAFFOLD's server has to know of a round beside the mean difference.
package struct ControlScale: Hashable, Sendable {
  /// K·η_l: see `LocalOptimizer.reach`.
  package let reach: Double
  /// |S|/N: the part of the federation's workers whose updates are in the sum.
  package let participation: Double

  package init(reach: Double, participation: Double) {
    self.reach = reach
    self.participation = participation
  }
}

extension Strategy {
  /// The scale of a round; nil under strategies without control variates.
  ///
  /// - Parameters:
  ///   - optimizer: of the round's task.
  ///   - learningRate: of the round's configuration.
  ///   - updates: |S|.
  /// - Throws: `badNormaliser`, `populationExceeded`.
  /// - Precondition: the strategy names its population; see `inFederation`.
  package func controlScale(
    _ optimizer: LocalOptimizer, learningRate: Double, round: UInt64, updates: UInt64
  ) throws(AggregationError) -> ControlScale? {
    guard hasControlVariates else { return nil }
    guard let population = self[.population] else { preconditionFailure("'\(self)' without a population") }
    let reach = optimizer.reach(learningRate: learningRate, round: round) ?? 0
    guard reach > 0, reach.isFinite else { throw .badNormaliser(reach, strategy: method.rawValue) }
    guard Double(updates) <= population else {
      throw .populationExceeded(updates: updates, population: UInt64(population))
    }
    return ControlScale(reach: reach, participation: Double(updates) / population)
  }
}
