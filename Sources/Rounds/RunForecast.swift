import Federation
import SecureAggregation

/// What a run's rules come to for the workers at hand, known before anyone trains: the thresholds, and what writing
/// updates as integers will cost.
package struct RunForecast: Hashable, Sendable {
  /// The largest relative error that a run may have (ruling A7).
  package static let relativeErrorMax = 0.01
  /// The part of W_max that a worker is taken to weigh while nobody knows better.
  package static let assumedWeightPart = 0.25

  /// Of the whole cohort.
  package let thresholds: Thresholds
  package let organisationCount: Int
  /// Σω if the whole cohort reports, in examples.
  package let weight: UInt64
  /// W_max.
  package let maximumWeight: UInt64
  /// E‖ê − average‖₂ ÷ C, at most: the rounding error of the average update over the bound of one update.
  package let relativeError: Double
  /// What of an upload belongs to one parameter.
  package let bytesPerParameter: Int

  /// - Parameters:
  ///   - organisations: of each worker in the cohort.
  ///   - examples: that a worker trains on, on average; nil if nobody knows.
  /// - Throws: why nobody may take part (`Thresholds.compute`), or `fieldValue` if the ring leaves no bits for a value.
  package init(
    _ configuration: RoundConfiguration, organisations: [OrganisationID], examples: Double?, policy: CohortPolicy
  ) throws(Refusal) {
    thresholds = try Thresholds.compute(organisations: organisations, mode: configuration.mode, policy: policy)
    organisationCount = Set(organisations).count
    maximumWeight = configuration.maximumWeight
    let each = min(examples ?? Self.assumedWeightPart * Double(maximumWeight), Double(maximumWeight))
    weight = UInt64(max(1, each * Double(organisations.count)))
    let rules = try EncodingRules(configuration, rosterCount: organisations.count)
    relativeError = rules.expectedError(weight: weight) / configuration.clip
    bytesPerParameter = Int(configuration.ringBits) / 8
  }

  package var isPreciseEnough: Bool { relativeError <= Self.relativeErrorMax }

  /// The largest W_max, in examples, with which the rounding error would stay within bounds: it grows with W_max.
  package var preciseMaximumWeight: UInt64 {
    UInt64(max(1, Double(maximumWeight) * Self.relativeErrorMax / relativeError))
  }
}
