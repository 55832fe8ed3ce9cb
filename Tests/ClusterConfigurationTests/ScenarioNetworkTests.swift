import Federation
import Testing

@testable import ClusterConfiguration

@Suite("Networks and expectations of scenarios")
struct ScenarioNetworkTests {
  private func read(
    network: String = "latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s", expectations: String = ""
  ) throws(ConfigurationError) -> SimulationScenario {
    let text = """
      purpose: A test.
      population:
        name: f
        workers: 8
        data: {file: /dev/null, label: digit}
        groups: [{name: a, count: 4, region: eu}, {name: b, count: 4, region: us}]
      network: {\(network)}
      seed: 1
      expectations: {rounds: 20\(expectations)}
      run:
      \(indented(shortRun))
      """
    return try SimulationScenario.read(file(text, named: "s.yaml"))
  }

  private static let tail = SimulationScenario.Latency.Tail(
    median: .milliseconds(40), spread: 2, minimum: .milliseconds(5), maximum: .seconds(2))

  @Test(
    "Latencies are uniform, lognormal or of a power law",
    arguments: [
      ("{minimum: 5ms, maximum: 40ms}", .uniform(minimum: .milliseconds(5), maximum: .milliseconds(40))),
      (
        "{distribution: uniform, minimum: 5ms, maximum: 40ms}",
        .uniform(minimum: .milliseconds(5), maximum: .milliseconds(40))
      ),
      ("{distribution: lognormal, median: 40ms, spread: 2, minimum: 5ms, maximum: 2s}", .lognormal(tail)),
      ("{distribution: pareto, median: 40ms, spread: 2, minimum: 5ms, maximum: 2s}", .pareto(tail)),
    ] as [(String, SimulationScenario.Latency)])
  func latency(text: String, expected: SimulationScenario.Latency) throws {
    #expect(try read(network: "latency: \(text), bandwidth: 1 MB/s").network.latency == expected)
  }

  @Test("Both directions may differ")
  func directions() throws {
    let network = try read(network: "latency: {minimum: 0ms, maximum: 1ms}, up: 1 MB/s, down: 8 MB/s").network
    #expect(network.up == 1_000_000 && network.down == 8_000_000)
  }

  @Test("Regions are cut off for a time or for rounds")
  func partitions() throws {
    let links = "latency: {minimum: 0ms, maximum: 1ms}, bandwidth: 1 MB/s"
    let scenario = try read(
      network: links + ", partitions: [{region: eu, from: 30s, for: 60s}, {region: us, rounds: 3..5}, "
        + "{region: us, rounds: 9}]")
    #expect(
      scenario.partitions == [
        .init(region: "eu", span: .time(from: .seconds(30), lasting: .seconds(60))),
        .init(region: "us", span: .rounds(3...5)), .init(region: "us", span: .rounds(9...9)),
      ])
    #expect(scenario.hasAbsences)
  }

  @Test("Bytes and virtual time may be bounded")
  func bounds() throws {
    let found = try read(expectations: ", bytes-max: 12 MiB, bytes-up-max: 3 MB, virtual-time-max: 5m").expectations
    #expect(found.bytesMax == 12 << 20 && found.bytesUpMax == 3_000_000 && found.virtualTimeMax == .seconds(300))
    let none = try read().expectations
    #expect(none.bytesMax == nil && none.bytesUpMax == nil && none.virtualTimeMax == nil)
  }

  @Test(
    "A network that contradicts itself is refused with file, line, key, found and expected",
    arguments: [
      (
        "latency: {minimum: 5ms, maximum: 40ms}",
        "bandwidth': found no such key, expected a rate of at least 1 kB/s, such as \"10 MB/s\""
      ),
      (
        "latency: {minimum: 5ms, maximum: 40ms}, up: 1 MB/s",
        "down': found no such key, expected a rate of at least 1 kB/s, such as \"10 MB/s\""
      ),
      (
        "latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 1 MB/s, up: 1 MB/s",
        "up': found it beside 'bandwidth', expected 'bandwidth', or 'up' and 'down'"
      ),
      (
        "latency: {minimum: 5ms, maximum: 40ms}, up: 1 B/s, down: 1 MB/s",
        "up': found \"1 B/s\", expected a rate of at least 1 kB/s, such as \"10 MB/s\""
      ),
      (
        "latency: {distribution: normal, median: 5ms}, bandwidth: 1 MB/s",
        "latency.distribution': found \"normal\", expected one of 'uniform', 'lognormal' or 'pareto'"
      ),
      (
        "latency: {minimum: 5ms, maximum: 40ms, median: 9ms}, bandwidth: 1 MB/s",
        "latency.median': found it in a uniform distribution, expected 'distribution: lognormal' or 'pareto' beside it"
      ),
      (
        "latency: {distribution: lognormal, median: 5ms, spread: 1, maximum: 1s}, bandwidth: 1 MB/s",
        "latency.spread': found 1, expected a number above 1, at most 100"
      ),
      (
        "latency: {distribution: pareto, median: 50ms, spread: 2, maximum: 40ms}, bandwidth: 1 MB/s",
        "latency.maximum': found \"40ms\", expected a duration"
      ),
      (
        "latency: {distribution: pareto, median: 50ms, spread: 2}, bandwidth: 1 MB/s",
        "latency.maximum': found no such key"
      ),
      (
        "latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 1 MB/s, partitions: [{region: asia, from: 0s, for: 1s}]",
        "partitions[0].region': found \"asia\", expected one of 'eu' or 'us'"
      ),
      (
        "latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 1 MB/s, partitions: [{region: eu, from: 1s}]",
        "partitions[0].for': found no such key, expected a duration"
      ),
      (
        "latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 1 MB/s, partitions: [{region: eu, rounds: 5..3}]",
        "partitions[0].rounds': found \"5..3\", expected a round such as 3, or rounds such as 3..5, up to 20"
      ),
      (
        "latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 1 MB/s, partitions: [{region: eu, rounds: 21}]",
        "partitions[0].rounds': found 21, expected a round"
      ),
      (
        "latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 1 MB/s, partitions: [{region: eu, rounds: 2, for: 1s}]",
        "partitions[0].for': found it beside 'rounds', expected 'from' and 'for', or 'rounds'"
      ),
    ])
  func refuses(_ network: String, _ complaint: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try read(network: network) }
    #expect(error.description.hasPrefix("s.yaml:7: key 'network." + complaint), "\(error)")
  }

  @Test(
    "An expectation that cannot be read is refused",
    arguments: [
      ("bytes-max: 12", "bytes-max': found 12, expected a number of bytes such as \"12 MiB\" or \"3 GB\""),
      ("bytes-up-max: lots", "bytes-up-max': found \"lots\", expected a number of bytes"),
      ("virtual-time-max: 90", "virtual-time-max': found 90, expected a duration"),
      ("bytes: 1 MB", "bytes': found an unknown key"),
    ])
  func refusesExpectations(_ text: String, _ complaint: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try read(expectations: ", " + text) }
    #expect(error.description.hasPrefix("s.yaml:9: key 'expectations." + complaint), "\(error)")
  }
}
