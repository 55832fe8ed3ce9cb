import Federation
import Testing

@testable import ClusterConfiguration

@Suite("Populations of scenarios")
struct ScenarioPopulationTests {
  private func read(
    _ population: String, network: String = "{latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s}",
    run: String = shortRun
  ) throws(ConfigurationError) -> SimulationScenario {
    let text = """
      purpose: A test.
      population:
        name: f
        workers: 8
        data: {file: /dev/null, label: digit}
        \(population)
      network: \(network)
      seed: 1
      expectations: {rounds: 20}
      run:
      \(indented(run))
      """
    return try SimulationScenario.read(file(text, named: "s.yaml"))
  }

  @Test("Groups follow one another by count or by share, with what is theirs, and the rest from the scenario")
  func groups() throws {
    let scenario = try read(
      "groups: [{name: phones, share: 0.75, slowness: 4, region: eu, network: {up: 100 kB/s}, joins: 30s}, "
        + "{name: servers, share: 0.25, threads: 8, labels: {site: north}}]")
    #expect(scenario.groups.map(\.workers) == [0..<6, 6..<8])
    #expect(scenario.group(of: 5)?.name == "phones")
    #expect(scenario.group(of: 6)?.name == "servers")
    #expect(scenario.slowness(of: 5, named: "worker-6") == 4)
    #expect(scenario.slowness(of: 6, named: "worker-7") == 1)
    #expect(scenario.network(of: 0).up == 100_000 && scenario.network(of: 0).down == 10_000_000)
    #expect(scenario.network(of: 0).latency == scenario.network.latency)
    #expect(scenario.network(of: 7) == scenario.network)
    #expect(scenario.traits(of: 7) == WorkerTraits(labels: WorkerLabels([.init("site", "north")])!, threads: 8))
    #expect(scenario.groups[0].joins == .seconds(30) && scenario.hasAbsences)
    #expect(scenario.groups[0].region == "eu")
  }

  @Test("Without groups nobody differs, and nobody is away")
  func none() throws {
    let scenario = try read("")
    #expect(scenario.groups.isEmpty && !scenario.hasAbsences)
    #expect(scenario.group(of: 3) == nil && scenario.network(of: 3) == scenario.network)
    #expect(scenario.suitedCount == 8)
  }

  @Test("Groups may have organisations of their own")
  func organisations() throws {
    let scenario = try read(
      "groups: [{name: a, count: 5, organisations: 2}, {name: b, count: 3, organisations: 1}]")
    #expect(scenario.population.organisations == 3)
    #expect(
      scenario.population.workerNames.map(\.organisation.text.last) == ["1", "2", "1", "2", "1", "3", "3", "3"])
  }

  @Test("What is said of a worker goes before what is said of its group")
  func slowWorkers() throws {
    let text = "groups: [{name: a, share: 1, slowness: 4}]\nslow-workers: [{worker: worker-2, factor: 9}]"
    let scenario = try read(text)
    #expect(scenario.slowness(of: 0, named: "worker-1") == 4)
    #expect(scenario.slowness(of: 1, named: "worker-2") == 9)
  }

  @Test("An availability of the population is each group's that has none of its own")
  func availability() throws {
    let scenario = try read(
      "availability: {period: 24h, mean: 0.5, swing: 4}\n"
        + "  groups: [{name: a, count: 4}, {name: b, count: 4, availability: {period: 2h, mean: 0.9, stay: 5m, peak: 1h}}]"
    )
    #expect(
      scenario.availability(of: 0) == .init(period: .seconds(86400), mean: 0.5, swing: 4, stay: .seconds(10800)))
    #expect(
      scenario.availability(of: 4)
        == .init(period: .seconds(7200), mean: 0.9, swing: 1, peak: .seconds(3600), stay: .seconds(300)))
    #expect(scenario.availability?.amplitude == 0.6)
  }

  @Test("A run may choose by labels and threads among groups")
  func suited() throws {
    let run = shortRun.replacing("minimum: 5", with: "minimum: 5\n  labels: {gpu: \"yes\"}")
    let scenario = try read("groups: [{name: a, count: 2}, {name: b, count: 6, labels: {gpu: \"yes\"}}]", run: run)
    #expect(scenario.suitedCount == 6)
    let error = try #require(throws: ConfigurationError.self) {
      try read("groups: [{name: a, count: 4}, {name: b, count: 4, labels: {gpu: \"yes\"}}]", run: run)
    }
    #expect(error.key == "run.cohort.labels")
    #expect(error.found == "4 workers with these labels and at least 0 threads")
  }

  @Test(
    "A population that does not add up or contradicts itself is refused with file, line, key, found and expected",
    arguments: [
      ("groups: []", "groups': found an empty list, expected at least one group, or no such key"),
      ("groups: [{name: a}]", "groups[0].count': found no such key, expected an integer from 1 to 100000"),
      ("groups: [{name: a, count: 0}]", "groups[0].count': found 0, expected an integer from 1 to 100000"),
      ("groups: [{name: a, count: 7}]", "groups': found groups of 7 workers together, expected the 8 of 'workers'"),
      ("groups: [{name: a, share: 0.9}]", "groups': found shares of 0.9 together, expected 1"),
      ("groups: [{name: a, share: 1.5}]", "groups[0].share': found 1.5, expected a number above 0, at most 1"),
      (
        "groups: [{name: a, share: 0.99}, {name: b, share: 0.01}]",
        "groups[1].share': found a share of no worker, expected at least one of the 8 workers"
      ),
      (
        "groups: [{name: a, count: 4}, {name: b, share: 0.5}]",
        "groups[1].share': found it beside 'count', expected 'count' of every group"
      ),
      (
        "groups: [{name: a, count: 4}, {name: a, count: 4}]",
        "groups[1].name': found \"a\" twice, expected each group once"
      ),
      ("groups: [{name: a b, count: 8}]", "groups[0].name': found \"a b\", expected a name"),
      (
        "groups: [{name: a, count: 8, slowness: 0}]",
        "groups[0].slowness': found 0, expected a number above 0, at most 10000"
      ),
      ("groups: [{name: a, count: 8, threads: 0}]", "groups[0].threads': found 0, expected an integer from 1 to 1024"),
      ("groups: [{name: a, count: 8, labels: 3}]", "groups[0].labels': found 3, expected a mapping such as"),
      ("groups: [{name: a, count: 8, region: \"\"}]", "groups[0].region': found \"\", expected a name"),
      ("groups: [{name: a, count: 8, joins: later}]", "groups[0].joins': found \"later\", expected a duration"),
      ("groups: [{name: a, count: 8, memory: 4}]", "groups[0].memory': found an unknown key, expected one of"),
      (
        "groups: [{name: a, count: 8, organisations: 9}]",
        "groups[0].organisations': found 9, expected an integer from 1 to 8"
      ),
      (
        "groups: [{name: a, count: 4, organisations: 3}, {name: b, count: 4}]",
        "groups[1].organisations': found no such key, expected an integer from 1 to 4"
      ),
      (
        "groups: [{name: a, count: 8, organisations: 3}]\n  organisations: 3",
        "organisations': found it beside those of the groups, expected one of them"
      ),
      (
        "groups: [{name: a, count: 8, network: {up: fast}}]",
        "groups[0].network.up': found \"fast\", expected a rate of at least 1 kB/s, such as \"10 MB/s\""
      ),
      ("availability: {mean: 0.5}", "availability.period': found no such key, expected a duration"),
      ("availability: {period: 1s, mean: 0.5}", "availability.period': found \"1s\", expected a duration"),
      (
        "availability: {period: 24h, mean: 0.7, swing: 4}",
        "availability.mean': found 0.7, expected a number from 0.001 to 0.625: at the peak it is 1.6 times as many"
      ),
      ("availability: {period: 24h, mean: 1}", "availability.mean': found 1, expected a number from 0.001 to 0.999"),
      (
        "availability: {period: 24h, mean: 0.5, swing: 0.5}",
        "availability.swing': found 0.5, expected a number from 1 to 1000"
      ),
      ("availability: {period: 24h, mean: 0.5, peak: 25h}", "availability.peak': found \"25h\", expected a duration"),
      ("availability: {period: 24h, mean: 0.5, stay: 1ms}", "availability.stay': found \"1ms\", expected a duration"),
      ("availability: always", "availability': found \"always\", expected a mapping of keys to values"),
    ])
  func refuses(_ population: String, _ complaint: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try read(population) }
    let line = population.contains("\n  organisations") ? 7 : 6
    #expect(error.description.hasPrefix("s.yaml:\(line): key 'population." + complaint), "\(error)")
  }

  /// A scenario whose population has these data.
  private func population(data: String) throws(ConfigurationError) -> Population {
    let text = """
      purpose: A test.
      population: {name: f, workers: 8, data: \(data)}
      network: {latency: {minimum: 5ms, maximum: 40ms}, bandwidth: 10 MB/s}
      seed: 1
      expectations: {rounds: 20}
      run:
      \(indented(shortRun))
      """
    return try SimulationScenario.read(file(text, named: "s.yaml")).population
  }

  @Test("Examples may be made from a seed")
  func synthetic() throws {
    let found = try population(data: "{synthetic: {alpha: 1, beta: 0.5}, seed: 4}")
    #expect(found.synthetic == SyntheticPlan(alpha: 1, beta: 0.5, heldOut: 0.1, seed: 4))
    #expect(try population(data: "{file: /dev/null, label: digit}").synthetic == nil)
  }

  @Test(
    "Examples that are made are refused with file, line and key where they contradict themselves",
    arguments: [
      ("{synthetic: {alpha: -1, beta: 1}}", "synthetic.alpha': found -1, expected a number from 0 to 10"),
      ("{synthetic: {alpha: 1}}", "synthetic.beta': found no such key, expected a number from 0 to 10"),
      ("{synthetic: 1}", "synthetic': found 1, expected a mapping"),
      ("{synthetic: {alpha: 1, beta: 1}, partition: {iid: true}}", "partition': found it beside 'synthetic'"),
      ("{synthetic: {alpha: 1, beta: 1}, file: /dev/null}", "file': found it beside 'synthetic'"),
    ])
  func badSynthetic(_ data: String, _ complaint: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try population(data: data) }
    #expect(error.description.hasPrefix("s.yaml:2: key 'population.data." + complaint), "\(error)")
  }
}
