/// A round on a model so small that its bytes do not count: messages, signatures, durable records.
struct OverheadFigures {
  private let setting: RoundSetting
  private static let parameters = 10_000
  /// Milliseconds.
  private static let plainBudget = 10.0

  init(_ setting: RoundSetting) { self.setting = setting }

  func report(to report: inout Report) throws {
    let rounds = setting.isQuick ? 60 : 300
    let plain = try setting.finishedRounds(parameters: Self.parameters, isSecure: false, rounds: rounds)
    add(plain, "plain", budget: .atMost(Self.plainBudget), to: &report)
    let secure = try setting.finishedRounds(parameters: Self.parameters, isSecure: true, rounds: rounds)
    let work = PublicKeyWork(rosterCount: setting.workers)
    let publicKey = work.seconds(setting.limits) / Double(setting.cores) * 1e3
    report.add(
      Figure(
        section: section("secure"),
        name: "public-key work: \(work.agreements) X25519, \(work.verifications + work.signatures) Ed25519; ÷ cores",
        value: publicKey, unit: "ms"))
    add(secure, "secure", budget: .atMost(plain.overhead.median * 1e3 + 1.5 * publicKey), to: &report)
  }

  private func section(_ mode: String) -> String { "round of \(setting.workers), 10⁴ parameters, \(mode)" }

  private func add(_ rounds: MeasuredRounds, _ mode: String, budget: Budget, to report: inout Report) {
    func add(_ name: String, _ value: Double, budget: Budget? = nil) {
      report.add(Figure(section: section(mode), name: name, value: value * 1e3, unit: "ms", budget: budget))
    }
    add("training, ÷ cores, median", rounds.training.median)
    add("overhead, median of \(rounds.overhead.count)", rounds.overhead.median, budget: budget)
    add("overhead, p90", rounds.overhead.quantile(0.9))
  }
}

/// Public-key operations of one secure round on the complete graph, all parties together, once certificates are known
/// (Protocols/secure-aggregation.md).
struct PublicKeyWork {
  let rosterCount: Int

  /// Of each worker: two key pairs, and one agreement for shares and one for masks with every other.
  var agreements: Int { rosterCount * (2 + 2 * (rosterCount - 1)) }
  /// Of each worker: advert, bundle, share check, header, trailer, agreement. Of the coordinator: offer, roster, dealers,
  /// survivors, result.
  var signatures: Int { 6 * rosterCount + 5 }
  /// At each worker: offer, roster, an advert of every other, dealers, survivors, a quorum (two thirds and one), result.
  /// At the coordinator: each worker's six.
  var verifications: Int { rosterCount * (5 + (rosterCount - 1) + (2 * rosterCount / 3 + 1)) + 6 * rosterCount }

  func seconds(_ limits: Limits) -> Double {
    Double(agreements) * limits.agreement + Double(signatures) * limits.signature
      + Double(verifications) * limits.verification
  }
}
