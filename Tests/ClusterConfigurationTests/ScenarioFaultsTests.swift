import Federation
import Testing

@testable import ClusterConfiguration

@Suite("Faults of scenarios")
struct ScenarioFaultsTests {
  private func read(_ fault: String) throws(ConfigurationError) -> SimulationScenario {
    let text = """
      purpose: A test.
      population: {name: f, workers: 8, data: {file: /dev/null, label: digit}}
      network: {latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s}
      seed: 1
      faults: [{\(fault)}]
      expectations: {rounds: 20}
      run:
      \(indented(shortRun))
      """
    return try SimulationScenario.read(file(text, named: "s.yaml"))
  }

  @Test(
    "The coordinator has faults of its own",
    arguments: [
      (
        "coordinator: true, round: 3, at: commit, kind: crash, for: 2s",
        .init(round: 3, at: .commit, kind: .crash, duration: .seconds(2))
      ),
      (
        "coordinator: true, round: every, at: published, kind: disk-full, for: 1m",
        .init(round: nil, at: .published, kind: .diskFull, duration: .seconds(60))
      ),
      (
        "coordinator: true, round: 1, at: offer, kind: slow-disk, delay: 200ms",
        .init(round: 1, at: .offer, kind: .slowDisk, amount: .milliseconds(200))
      ),
      (
        "coordinator: true, round: 1, at: inputs, kind: clock-skew, by: -2h",
        .init(round: 1, at: .inputs, kind: .clockSkew, amount: .seconds(-7200))
      ),
    ] as [(String, SimulationScenario.CoordinatorFault)])
  func coordinator(text: String, expected: SimulationScenario.CoordinatorFault) throws {
    let scenario = try read(text)
    #expect(scenario.coordinatorFaults == [expected] && scenario.faults.isEmpty)
  }

  @Test("A worker's disk and clock may fail")
  func worker() throws {
    let scenario = try read("worker: worker-2, round: 3, at: training, kind: clock-skew, by: 90s, for: 2s")
    #expect(
      scenario.faults == [
        .init(
          worker: "worker-2", round: 3, at: .training, kind: .clockSkew, duration: .seconds(2), amount: .seconds(90))
      ])
    #expect(scenario.coordinatorFaults.isEmpty)
  }

  @Test(
    "A fault that contradicts itself is refused with file, line, key, found and expected",
    arguments: [
      (
        "coordinator: true, worker: worker-1, round: 1, at: commit, kind: crash, for: 1s",
        "worker': found it beside 'coordinator', expected one of them"
      ),
      (
        "coordinator: false, round: 1, at: commit, kind: crash",
        "coordinator': found false, expected true, or 'worker' with a name"
      ),
      (
        "coordinator: true, round: 21, at: commit, kind: crash, for: 1s",
        "round': found 21, expected an integer from 1 to 20, or 'every'"
      ),
      (
        "coordinator: true, round: 1, at: lunch, kind: crash, for: 1s",
        "at': found \"lunch\", expected one of 'offer', 'inputs', 'commit', 'publish' or 'published'"
      ),
      (
        "coordinator: true, round: 1, at: commit, kind: partition, for: 1s",
        "kind': found \"partition\" of the coordinator"
      ),
      (
        "coordinator: true, round: 1, at: commit, kind: crash",
        "for': found no such key, expected how long it lasts: no run goes on without its coordinator"
      ),
      (
        "coordinator: true, round: 1, at: commit, kind: slow-disk",
        "delay': found no such key, expected a duration"
      ),
      (
        "coordinator: true, round: 1, at: commit, kind: clock-skew, by: soon",
        "by': found \"soon\", expected a duration such as \"2h\", or \"-2h\" for a clock that is behind"
      ),
      (
        "worker: worker-1, round: 1, at: training, kind: crash, by: 2h",
        "by': found it beside 'kind: crash', expected it beside 'kind: clock-skew'"
      ),
      (
        "worker: worker-1, round: 1, at: training, kind: disk-full, delay: 2s",
        "delay': found it beside 'kind: disk-full', expected it beside 'kind: slow-disk'"
      ),
      ("worker: worker-1, round: every, at: training, kind: crash", "round': found \"every\", expected an integer"),
      ("worker: worker-1, round: 1, at: commit, kind: crash", "at': found \"commit\", expected one of"),
      ("round: 1, at: training, kind: crash", "worker': found no such key, expected a name"),
    ])
  func refuses(_ fault: String, _ complaint: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try read(fault) }
    #expect(error.description.hasPrefix("s.yaml:5: key 'faults[0]." + complaint), "\(error)")
  }
}
