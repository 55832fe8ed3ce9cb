import Cryptography
import Federation
import SecureAggregation

/// Shares of one secret, written by abscissa (worker index + 1).
enum ShareVectors {
  /// Every window of t shares gives the secret; and where the known-answer rule made them, dealing gives each share.
  static func check(
    _ json: VectorValue, of secret: SecretBytes, dealer: Int, label: String, threshold: Int, count: Int, salt: String,
    _ checker: inout Checker
  ) throws(ConformanceError) {
    let listed = try json.numbered
    guard listed.map(\.key) == Array(1...count) else { throw json.malformed("expected shares 1…\(count)") }
    for start in 0...(count - threshold) {
      let combined = try combine(json, Array(start..<start + threshold), threshold, &checker)
      checker.holds(
        "\(json.path).\(start + 1)…\(start + threshold)", "these shares give the secret",
        combined.map { $0.isEqual(to: secret) } ?? false)
    }
    let rule = KnownAnswerRule(salt: salt)
    let isMadeByRule = secret.isEqual(to: SecretBytes(copying: rule.bytes(label == "cb" ? "b" : "mask", dealer)))
    guard isMadeByRule else { return }  // Made with a salt that was not given: the coefficients are unknown.
    let dealt = Shamir.split(secret, threshold: threshold, helpers: Array(0..<count)) { limb, degree in
      rule.coefficient(label, dealer: dealer, limb: limb, degree: degree)
    }
    for (share, entry) in zip(dealt, listed) { try checker.bytes(entry.value, share.released) }
  }

  /// The secret behind the shares of these workers; nil, and a failure, if they give none.
  static func combine(
    _ json: VectorValue, _ helpers: [Int], _ threshold: Int, _ checker: inout Checker
  ) throws(ConformanceError) -> SecretBytes? {
    var shares: [(index: Int, share: Shamir.Share)] = []
    for helper in helpers {
      let value = try json["\(helper + 1)"]
      let bytes = try value.secret
      guard let share = checker.accepted(value.path, { () throws(Refusal) in try Shamir.Share(bytes) }) else {
        return nil
      }
      shares.append((helper, share))
    }
    return checker.accepted(json.path) { () throws(Refusal) in try Shamir.combine(shares, threshold: threshold) }
  }
}
