import Federation

/// The noise without which an owner lets no update leave, whatever a coordinator says.
///
/// This version adds no noise: a worker with such a law takes part in nothing, and says why. The fields that it asks for
/// are 60 to 65 of the configuration (Protocols/secure-aggregation.md).
package struct PrivacyRequirement: Hashable, Sendable {
  package var mechanism: PrivacyMechanism
  /// z: standard deviation of the noise in the sum over the L2 bound of one update; at least this much.
  package var minimumNoiseMultiplier: Double
  /// Most contributions under noise, over all runs; retries count.
  package var maximumRounds: UInt64
  /// Largest δ of a guarantee.
  package var maximumDelta: Double

  package init(
    mechanism: PrivacyMechanism, minimumNoiseMultiplier: Double, maximumRounds: UInt64, maximumDelta: Double
  ) {
    self.mechanism = mechanism
    self.minimumNoiseMultiplier = minimumNoiseMultiplier
    self.maximumRounds = maximumRounds
    self.maximumDelta = maximumDelta
  }

  /// The configuration's fields of the privacy block, in the order of their numbers.
  static let fieldNames = [
    "privacyMechanism", "noiseMultiplier", "roundingBeta", "privacyDelta", "privacyRounds", "noiseCorruptionRule",
  ]

  /// Why the block of an offer does not satisfy the owner; nil if it does.
  ///
  /// - Parameter privacy: of the offer; nil for a run without noise.
  package func objection(to privacy: RoundConfiguration.Privacy?) -> String? {
    guard let privacy else {
      return "the policy requires noise, and the offer has no \(Self.fieldNames.joined(separator: ", "))"
    }
    guard privacy.mechanism == mechanism.rawValue else {
      return "privacyMechanism \(privacy.mechanism) is not the policy's \(mechanism.rawValue) (\(mechanism.name))"
    }
    guard privacy.noiseMultiplier >= minimumNoiseMultiplier else {
      return "noiseMultiplier \(privacy.noiseMultiplier) is below the policy's \(minimumNoiseMultiplier)"
    }
    guard privacy.delta <= maximumDelta else {
      return "privacyDelta \(privacy.delta) is above the policy's \(maximumDelta)"
    }
    guard privacy.rounds <= maximumRounds else {
      return "privacyRounds \(privacy.rounds) is above the policy's \(maximumRounds)"
    }
    return nil
  }
}
