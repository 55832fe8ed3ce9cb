/// How long work takes.
extension SimulationScenario {
  /// What work takes in virtual time, in seconds on one core of the machine that the scenario speaks of.
  package struct Costs: Hashable, Sendable {
    /// One example, forward and backward, once.
    package var trainingPerExample: Double
    /// One example, forward only.
    package var evaluationPerExample: Double
    /// One element of one mask, made and added.
    package var maskingPerElement: Double
    /// One X25519 agreement and its key derivation.
    package var keyAgreement: Double
    package var signature: Double
    package var verification: Double
    /// One Shamir share, dealt, sealed and committed to, or opened and checked.
    package var share: Double

    package init(
      trainingPerExample: Double, evaluationPerExample: Double, maskingPerElement: Double, keyAgreement: Double,
      signature: Double, verification: Double, share: Double
    ) {
      self.trainingPerExample = trainingPerExample
      self.evaluationPerExample = evaluationPerExample
      self.maskingPerElement = maskingPerElement
      self.keyAgreement = keyAgreement
      self.signature = signature
      self.verification = verification
      self.share = share
    }

    static let keys = [
      "training-seconds-per-example", "evaluation-seconds-per-example", "masking-seconds-per-element",
      "key-agreement-seconds", "signature-seconds", "verification-seconds", "share-seconds",
    ]

    /// Measured with OpenSSL 3.0 and a 64-128-10 network on one core of a 2-core AMD EPYC (Zen 5) machine, rounded up.
    static let standard = Costs(
      trainingPerExample: 1e-5, evaluationPerExample: 4e-6, maskingPerElement: 2e-9, keyAgreement: 5e-5,
      signature: 3e-5, verification: 9e-5, share: 5e-6)
  }

  static func costs(in top: ConfigurationSection) throws(ConfigurationError) -> Costs {
    guard top.has("costs") else { return .standard }
    let section = try top.section("costs", keys: Costs.keys)
    func cost(_ key: String, _ standard: Double) throws(ConfigurationError) -> Double {
      try section.number(key, default: standard, expected: "seconds, at least 0") { $0 >= 0 && $0 <= 3600 }
    }
    return try Costs(
      trainingPerExample: cost("training-seconds-per-example", Costs.standard.trainingPerExample),
      evaluationPerExample: cost("evaluation-seconds-per-example", Costs.standard.evaluationPerExample),
      maskingPerElement: cost("masking-seconds-per-element", Costs.standard.maskingPerElement),
      keyAgreement: cost("key-agreement-seconds", Costs.standard.keyAgreement),
      signature: cost("signature-seconds", Costs.standard.signature),
      verification: cost("verification-seconds", Costs.standard.verification),
      share: cost("share-seconds", Costs.standard.share))
  }
}
