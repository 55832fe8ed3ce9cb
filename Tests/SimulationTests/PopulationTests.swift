import ClusterConfiguration
import Federation
import Rounds
import Testing

@testable import Simulation

@Suite("Populations")
struct PopulationTests {
  private static let day = SimulationScenario.Availability(
    period: .seconds(86400), mean: 0.5, swing: 4, peak: .seconds(7200), stay: .seconds(10800))

  /// Those of 2,000 workers that are there, every two hours of two days.
  private func present(_ rules: SimulationScenario.Availability) -> [Int] {
    var counts = Array(repeating: 0, count: 24)
    for number in 0..<2000 {
      var course = AvailabilityCourse(rules, worker: WorkerID("w\(number)")!, seed: 3, from: VirtualTime.zero)
      var isHere = course.isHere
      var next = course.next()
      for hour in counts.indices {
        while next.seconds <= Double(hour) * 7200 {
          isHere = course.isHere
          next = course.next()
        }
        if isHere { counts[hour] += 1 }
      }
    }
    return counts
  }

  @Test("As many workers are there at every hour as the equation says, four times as many at the peak as in between")
  func followsTheDay() {
    for (place, found) in present(Self.day).enumerated() {
      let angle = 2 * Double.pi * (Double(place) * 7200 - 7200) / 86400
      let folded = abs(angle.remainder(dividingBy: 2 * .pi))
      let expected = 2000 * 0.5 * (1 + 0.6 * PortableMath.cos(folded))
      // Four standard deviations of a binomial count.
      #expect(abs(Double(found) - expected) < 4 * (expected * (1 - expected / 2000)).squareRoot(), "\(place)")
    }
  }

  @Test("Without a swing as many are there all day, and they are not always the same")
  func even() {
    let rules = SimulationScenario.Availability(period: .seconds(3600), mean: 0.3, swing: 1, stay: .seconds(600))
    for found in present(rules) { #expect(abs(found - 600) < 90) }
    var course = AvailabilityCourse(rules, worker: "w", seed: 1, from: VirtualTime.zero)
    let changes = (0..<50).map { _ in course.next() }
    #expect(changes == changes.sorted() && Set(changes).count == 50)
  }

  /// Gives the scenario's end in both fidelities.
  private func both(_ scenario: SimulationScenario) throws -> [(name: String, result: SimulationResult)] {
    let run = try SimulationRun(scenario)
    return [("full", try run.run()), ("fast", try run.at(.fast).run())]
  }

  @Test("Unlike workers make the same models in both fidelities, bit for bit, and the slowest sets the time")
  func unlike() throws {
    let costs = "costs: {training-seconds-per-example: 1e-3}"
    let slow = try smallScenario(
      network: "{latency: {distribution: lognormal, median: 20ms, spread: 2, maximum: 1s}, up: 1 MB/s, down: 10 MB/s}",
      run: "\n\(costs)",
      population: "groups: [{name: a, count: 4, organisations: 2}, {name: b, count: 2, organisations: 2, "
        + "slowness: 20, network: {up: 100 kB/s, latency: {distribution: pareto, median: 30ms, spread: 3, maximum: 2s}}}]"
    )
    let even = try smallScenario(run: "\n\(costs)")
    let found = try both(slow), fast = try both(even)
    #expect(found.allSatisfy { $0.result.isAsExpected })
    #expect(found[0].result.modelDigest == found[1].result.modelDigest)
    #expect(found[0].result.parameters == found[1].result.parameters)
    for (slow, even) in zip(found, fast) {
      // 75 examples a worker: 0.075 s of training, twenty times as long 1.5 s, in each of three rounds.
      #expect(slow.result.seconds > even.result.seconds + 3 * 1.2, "\(slow.name)")
    }
  }

  @Test("Workers that come and go stop no run; who is away is not counted, and the same seed gives the same days")
  func comeAndGo() throws {
    let scenario = try smallScenario(
      workers: 12, rounds: 12,
      run: "maximum-attempts: 20",
      population: "availability: {period: 30s, mean: 0.6, swing: 3, stay: 5s}")
    let run = try SimulationRun(scenario)
    for (name, run) in [("full", run), ("fast", try run.at(.fast))] {
      var lines: [String] = []
      let result = try run.run(log: { lines.append($0) })
      #expect(result.isAsExpected, "\(name): \(result.violations) \(result.failedExpectations)")
      #expect(lines.contains { $0.contains(name == "full" ? "\"goes\"" : "\"workerLost\"") }, "\(name)")
      let reported = Set(result.rounds.map(\.report.reported))
      #expect(reported.count > 1 && reported.allSatisfy { $0 < 12 }, "\(name): \(reported)")
      #expect(try run.run().logDigest == result.logDigest, "\(name)")
    }
  }

  @Test("Without 'availability' nobody comes or goes")
  func always() throws {
    var lines: [String] = []
    _ = try SimulationRun(smallScenario()).run(log: { lines.append($0) })
    #expect(!lines.contains { $0.contains("\"goes\"") || $0.contains("\"comes\"") })
  }

  @Test("A group that joins late is in no round before, and in the rounds behind")
  func joinsLate() throws {
    let scenario = try smallScenario(
      rounds: 30, population: "groups: [{name: early, count: 4}, {name: late, count: 2, joins: 15s}]")
    for (name, result) in try both(scenario) {
      #expect(result.isAsExpected, "\(name): \(result.violations) \(result.failedExpectations)")
      #expect(result.rounds.first?.report.cohort == 4, "\(name)")
      #expect(result.rounds.last?.report.reported == 6, "\(name)")
      #expect(result.rounds.allSatisfy { $0.startedAt > 15 || $0.report.cohort == 4 }, "\(name)")
    }
  }

  @Test("A region that is cut off for some rounds is missed in them, and back behind them")
  func regionByRounds() throws {
    let scenario = try smallScenario(
      network: "{latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s, partitions: [{region: eu, rounds: 2..3}]}",
      rounds: 20, input: "5s",
      population: "groups: [{name: a, count: 5}, {name: b, count: 1, region: eu}]")
    for (name, result) in try both(scenario) {
      #expect(result.isAsExpected, "\(name): \(result.violations) \(result.failedExpectations)")
      let reported = result.rounds.map { ($0.report.attempt.round, $0.report.reported) }
      #expect(reported.filter { (2...3).contains($0.0.value) }.allSatisfy { $0.1 == 5 }, "\(name)")
      #expect(reported[0].1 == 6 && reported.last?.1 == 6, "\(name)")
      #expect(result.outages == 1, "\(name)")
    }
  }

  @Test("A region that is cut off for a time is back at its end")
  func regionByTime() throws {
    let scenario = try smallScenario(
      network: """
        {latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s, partitions: [{region: eu, from: 1s, for: 5s}]}
        """, rounds: 20, input: "5s",
      population: "groups: [{name: a, count: 5}, {name: b, count: 1, region: eu}]")
    for (name, result) in try both(scenario) {
      #expect(result.isAsExpected, "\(name): \(result.violations) \(result.failedExpectations)")
      #expect(result.rounds.contains { $0.report.reported == 5 }, "\(name)")
      #expect(result.rounds.last?.report.reported == 6, "\(name)")
    }
  }

  @Test("A run that asks for labels and threads gets the workers that have them, and waits for no others")
  func suited() throws {
    let scenario = try smallScenario(
      cohort: "{minimum: 3, labels: {gpu: \"yes\"}, minimum-threads: 4}",
      population:
        "groups: [{name: a, count: 2, labels: {gpu: \"yes\"}}, {name: b, count: 4, labels: {gpu: \"yes\"}, threads: 4}]"
    )
    for (name, result) in try both(scenario) {
      #expect(result.isAsExpected, "\(name): \(result.violations) \(result.failedExpectations)")
      #expect(result.rounds.allSatisfy { $0.report.cohort == 4 }, "\(name)")
      #expect(result.rounds[0].startedAt < 5, "\(name): it waited for who will never serve it")
    }
  }

  @Test(
    "Latencies have the median and the spread that were asked for, and keep within their bounds",
    arguments: ["lognormal", "pareto"])
  func latencies(distribution: String) throws {
    let network = try smallScenario(
      network: "{latency: {distribution: \(distribution), median: 40ms, spread: 2, minimum: 25ms, maximum: 1s}, "
        + "bandwidth: 1 MB/s}"
    ).network
    var choices = SeededGenerator(seed: 1)
    let drawn = (0..<20_000).map { _ in network.latency.draw(using: &choices) }.sorted()
    #expect(abs(drawn[10_000] / .milliseconds(40) - 1) < 0.03)
    #expect(abs(drawn[16_827] / .milliseconds(80) - 1) < 0.05)
    #expect(drawn[0] >= .milliseconds(25) && drawn[19_999] <= .seconds(1))
  }

  @Test("Each direction has its own bandwidth")
  func asymmetric() {
    let link = SimulationScenario.Network(
      latency: .uniform(minimum: .zero, maximum: .zero), up: 1_000, down: 1_000_000)
    var network = VirtualNetwork(link, workers: ["worker-1"], seed: 1)
    network.connect(0, .bulk)
    let seconds = [Direction.toCoordinator, .toWorker].map { direction -> Double? in
      let message = Transmission(
        worker: 0, socket: .bulk, direction: direction, connection: 1, kind: "test",
        header: Array(repeating: 0, count: 1000), payload: nil)
      guard case .arrives(let times) = network.send(message, at: VirtualTime.zero) else { return nil }
      return times.first?.seconds
    }
    #expect(seconds == [1, 0.001])
  }

  @Test(
    "More bytes or virtual time than a scenario allows are expectations that failed, in words",
    arguments: [
      (", bytes-max: 1 kB", "bytes-max: found ", " bytes of all messages, expected at most 1000"),
      (", bytes-up-max: 1 kB", "bytes-up-max: found ", " bytes of messages from workers, expected at most 1000"),
      (", virtual-time-max: 100ms", "virtual-time-max: found ", " s of virtual time, expected at most 0.1 s"),
    ])
  func bounds(expectations: String, begin: String, end: String) throws {
    for (name, result) in try both(smallScenario(rounds: 1, expectations: expectations)) {
      #expect(result.failedExpectations.count == 1, "\(name)")
      let claim = result.failedExpectations.first ?? ""
      #expect(claim.hasPrefix(begin) && claim.hasSuffix(end), "\(name): \(claim)")
      #expect(result.bytesUp > 0 && result.bytesUp < result.bytes, "\(name)")
    }
    let generous = ", bytes-max: 1 GB, bytes-up-max: 1 GB, virtual-time-max: 1h"
    for (name, result) in try both(smallScenario(rounds: 1, expectations: generous)) {
      #expect(result.isAsExpected, "\(name)")
    }
  }
}
