/// Rounds on models whose bytes are what counts: beside the time that moving and masking them takes at best.
struct TransferFigures {
  private let setting: RoundSetting

  init(_ setting: RoundSetting) { self.setting = setting }

  func report(to report: inout Report) throws {
    for (parameters, name) in [(1_000_000, "10⁶"), (10_000_000, "10⁷")] {
      guard parameters < 10_000_000 || !setting.isQuick else { continue }
      let rounds = parameters < 10_000_000 ? (setting.isQuick ? 8 : 22) : 7
      for isSecure in [false, true] {
        let measured = try setting.finishedRounds(parameters: parameters, isSecure: isSecure, rounds: rounds)
        let section = "round of \(setting.workers), \(name) parameters, \(isSecure ? "secure" : "plain")"
        let limit = bestSeconds(parameters: parameters, isSecure: isSecure)
        func add(_ name: String, _ value: Double, limit: Double? = nil, budget: Budget? = nil) {
          report.add(
            Figure(
              section: section, name: name, value: value * 1e3, unit: "ms", limit: limit.map { $0 * 1e3 },
              budget: budget))
        }
        add("training, ÷ cores, median", measured.training.median)
        if isSecure { add("of the limit: masks", maskSeconds(parameters: parameters)) }
        add(
          "overhead, median of \(measured.overhead.count)", measured.overhead.median, limit: limit,
          budget: .ratioAtMost(3))
        add("overhead, p90", measured.overhead.quantile(0.9))
      }
    }
  }

  /// The model to every worker and an update of its length from each, at the rate of the loopback with CURVE; and masks.
  private func bestSeconds(parameters: Int, isSecure: Bool) -> Double {
    let bytes = Double(2 * setting.workers * parameters * 4)
    return bytes / setting.links.transfer + (isSecure ? maskSeconds(parameters: parameters) : 0)
  }

  /// Each worker masks with every other and with itself; the coordinator takes off what each masked itself with. At the
  /// rate of the keystream on all cores.
  private func maskSeconds(parameters: Int) -> Double {
    let masks = setting.workers * setting.workers + setting.workers
    let threads = min(setting.cores, setting.limits.keystream.count)
    return Double(masks * parameters * 4) / setting.limits.keystream[threads - 1]
  }
}
