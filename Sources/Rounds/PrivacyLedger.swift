import Federation

/// What one contribution under noise costs its owner: the terms that an accountant composes.
package struct PrivacyCharge: Hashable, Sendable {
  /// The code of a `PrivacyMechanism`.
  package let mechanism: UInt64
  /// z.
  package let noiseMultiplier: Double
  package let delta: Double

  package init(mechanism: UInt64, noiseMultiplier: Double, delta: Double) {
    self.mechanism = mechanism
    self.noiseMultiplier = noiseMultiplier
    self.delta = delta
  }

  package init(_ privacy: RoundConfiguration.Privacy) {
    self.init(mechanism: privacy.mechanism, noiseMultiplier: privacy.noiseMultiplier, delta: privacy.delta)
  }
}

/// Every contribution under noise that has ever left a worker: a later attempt at the same round is charged again,
/// because a coordinator may pretend that the first one failed.
package struct PrivacyLedger: Hashable, Sendable {
  /// How often each kind of charge was made.
  package private(set) var charges: [PrivacyCharge: UInt64] = [:]

  package init() {}

  package mutating func apply(_ charge: PrivacyCharge) { charges[charge, default: 0] += 1 }

  /// Charges of any kind.
  package var count: UInt64 { charges.values.reduce(0, +) }
}

/// Says whether an owner's budget bears one more charge.
package protocol PrivacyAccountant: Sendable {
  /// Why not; nil if it does. Asked before anything masked is made; the charge is durable before it leaves.
  func objection(to charge: PrivacyCharge, after ledger: PrivacyLedger) -> String?
}

/// The accountant that needs no theory: it counts.
extension PrivacyRequirement: PrivacyAccountant {
  package func objection(to charge: PrivacyCharge, after ledger: PrivacyLedger) -> String? {
    guard ledger.count < maximumRounds else {
      return "the privacy budget is spent: \(ledger.count) contributions of the policy's \(maximumRounds)"
    }
    return nil
  }
}
