import Glibc

/// What the end of a process costs those that go on.
struct FailureFigures {
  private let setting: RoundSetting
  private static let parameters = 10_000
  private static let rounds = 1_000_000

  init(_ setting: RoundSetting) { self.setting = setting }

  func report(to report: inout Report) throws {
    try reportWorkers(to: &report)
    try reportCoordinator(to: &report)
  }

  private func federation() throws -> BenchFederation {
    let federation = try BenchFederation(
      Workload(parameters: Self.parameters, isSecure: true, rounds: Self.rounds, workers: setting.workers),
      in: setting.directory)
    try federation.startWorkers()
    return federation
  }

  /// SIGKILL to a worker in the middle of rounds; the smallest cohort allows two of them.
  private func reportWorkers(to report: inout Report) throws {
    let section = "a worker is killed (SIGKILL), round of \(setting.workers), 10⁴ parameters, secure"
    let federation = try federation()
    let coordinator = federation.coordinator
    func roundSeconds(_ lines: [LogLine]) -> [Double] {
      lines.filter { $0.message == "round" }.compactMap { $0.values["seconds"].flatMap(Double.init) }
    }
    var seen = 0
    let before = try coordinator.lines(within: .seconds(60)) { line in
      if line.message == "round" { seen += 1 }
      return seen == 40
    }
    let usual = roundSeconds(before).suffix(30).sorted()[15]
    var detection: [Double] = [], lost: [Double] = []
    for worker in federation.workers.suffix(2) {
      let killed = wallSeconds()
      worker.end()
      var lostAt: Double?
      var after = 0
      let lines = try coordinator.lines(within: .seconds(60)) { line in
        if line.message == "worker lost", lostAt == nil { lostAt = line.time }
        if line.message == "round", lostAt != nil { after += 1 }
        return after == 10
      }
      detection.append(max(0, (lostAt ?? .infinity) - killed))
      // Whatever the rounds since the kill took beyond the usual.
      lost.append(roundSeconds(lines).reduce(0) { $0 + max(0, $1 - 1.5 * usual) })
    }
    report.add(Figure(section: section, name: "usual round, median", value: usual * 1e3, unit: "ms"))
    report.add(
      Figure(
        section: section, name: "until the coordinator knows, most", value: detection.max() ?? 0, unit: "s",
        budget: .atMost(2)))
    report.add(
      Figure(section: section, name: "time lost by rounds, all together, most", value: lost.max() ?? 0, unit: "s"))
  }

  /// SIGKILL to the coordinator in the middle of rounds, and a start right behind it.
  private func reportCoordinator(to report: inout Report) throws {
    let section = "the coordinator is killed and started again, round of \(setting.workers), 10⁴ parameters, secure"
    let federation = try federation()
    var ready: [Double] = [], offer: [Double] = [], round: [Double] = []
    for _ in 0..<(setting.isQuick ? 1 : 3) {
      var seen = 0
      _ = try federation.coordinator.lines(within: .seconds(60)) { line in
        if line.message == "round" { seen += 1 }
        return seen == 10
      }
      let started = wallSeconds()
      try federation.restartCoordinator()
      let lines = try federation.coordinator.lines(within: .seconds(60)) {
        $0.message == "round" && $0.values["outcome"] == "committed"
      }
      func seconds(_ message: String) -> Double { (lines.first { $0.message == message }?.time ?? .infinity) - started }
      ready.append(seconds("coordinator ready"))
      offer.append(seconds("attempt offered"))
      round.append((lines.last?.time ?? .infinity) - started)
    }
    report.add(Figure(section: section, name: "until it listens, median", value: ready.median, unit: "s"))
    report.add(Figure(section: section, name: "until the next offer, median", value: offer.median, unit: "s"))
    report.add(Figure(section: section, name: "until the next version, median", value: round.median, unit: "s"))
  }
}
