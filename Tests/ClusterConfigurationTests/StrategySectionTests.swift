import Aggregation
import ClusterConfiguration
import Federation
import Rounds
import SecureAggregation
import Testing

@Suite("The strategy of a run file")
struct StrategySectionTests {
  private static func run(_ strategy: String, training: String = "momentum: 0", more: String = "") -> String {
    """
    name: r
    model: {name: m, architecture: mlp 4-3}
    data: {features: 4, classes: 3}
    rounds: 7
    strategy: \(strategy)
    training: {learning-rate: 0.2, \(training)}
    clip: 1
    cohort: {minimum: 5, minimum-organisations: 1, organisation-cap: 1, minimum-honest-sum: 2}
    \(more)
    """
  }

  private static func read(_ text: String) throws -> RunConfiguration {
    try RunConfiguration.read(ConfigurationFile(path: "r.yaml", text: text))
  }

  @Test(
    "Every strategy is read, is in the rules as its text, and is written as it was read",
    arguments: [
      ("{name: fedavg}", "fedavg", ""),
      ("{name: fedavg, server-learning-rate: 0.5}", "fedavg, server-learning-rate 0.5", ""),
      ("{name: fedavgm}", "fedavgm, momentum 0.9", ""),
      ("{name: fedadagrad}", "fedadagrad, server-learning-rate 0.1, beta1 0, tau 0.001", ""),
      ("{name: fedadam, beta2: 0.999}", "fedadam, server-learning-rate 0.01, beta1 0.9, beta2 0.999, tau 0.001", ""),
      ("{name: fedyogi, tau: 1e-4}", "fedyogi, server-learning-rate 0.01, beta1 0.9, beta2 0.99, tau 0.0001", ""),
      ("{name: fednova}", "fednova", ""), ("{name: q-fedavg, q: 0.2}", "q-fedavg, q 0.2", ""),
      ("{name: median}", "median", "aggregation: plain"),
      ("{name: trimmed-mean, trim: 0.2}", "trimmed-mean, trim 0.2", "aggregation: plain"),
      ("{name: krum, byzantine: 1}", "krum, byzantine 1", "aggregation: plain"),
      ("{name: multi-krum, byzantine: 1, keep: 3}", "multi-krum, byzantine 1, keep 3", "aggregation: plain"),
      ("{name: multi-krum, byzantine: 1}", "multi-krum, byzantine 1", "aggregation: plain"),
      ("{name: geometric-median}", "geometric-median, smoothing 1e-06, iterations 8", "aggregation: plain"),
      ("{name: median, groups: 5}", "median, groups 5", ""),
      ("{name: trimmed-mean, groups: 5, trim: 0.2}", "trimmed-mean, trim 0.2, groups 5", ""),
      ("{name: krum, byzantine: 1, groups: 7}", "krum, byzantine 1, groups 7", ""),
      ("{name: multi-krum, byzantine: 1, keep: 3, groups: 6}", "multi-krum, byzantine 1, keep 3, groups 6", ""),
      (
        "{name: geometric-median, groups: 3}", "geometric-median, smoothing 1e-06, iterations 8, groups 3", ""
      ),
      (
        "{name: fedbuff, buffer: 5}", "fedbuff, buffer 5, staleness-max 10, staleness-exponent 0.5",
        "aggregation: plain"
      ),
      (
        "{name: fedbuff, buffer: 8, staleness-max: 0, staleness-exponent: 2, server-learning-rate: 0.7}",
        "fedbuff, server-learning-rate 0.7, buffer 8, staleness-max 0, staleness-exponent 2", "aggregation: plain"
      ),
    ])
  func strategies(_ yaml: String, _ text: String, _ more: String) throws {
    let run = try Self.read(Self.run(yaml, more: more))
    #expect(run.strategy.description == text)
    #expect(Strategy(parsing: text) == run.strategy)
    #expect(run.rulesWithoutMembership.strategy == text)
    #expect(try Self.read(run.text) == run)
  }

  @Test("SCAFFOLD's rules name the workers of the federation, unless the run does")
  func population() throws {
    let steps = "local-steps: 9, weight-decay: 0.1"
    let run = try Self.read(Self.run("{name: scaffold}", training: steps))
    let own = try Self.read(Self.run("{name: scaffold, population: 30}", training: steps))
    func rules(_ run: RunConfiguration) -> RoundConfiguration {
      run.plan(membership: Self.membership(workers: 7), architecture: run.model.architecture).configuration
    }
    #expect(run.rulesWithoutMembership.strategy == "scaffold")
    #expect(rules(run).strategy == "scaffold, population 7")
    #expect(rules(own).strategy == "scaffold, population 30")
    #expect(rules(run).optimizer == "scaffold" && rules(run).maximumWeight == 1)
    #expect(try Self.read(run.text) == run && Self.read(own.text) == own)
  }

  private static func membership(workers: Int) -> MembershipList {
    let key = SigningPublicKey(unchecked: [UInt8](repeating: 7, count: 32))
    return MembershipList(
      federation: "f", authorityKey: key,
      members: (0..<workers).map { index in
        SignedCertificate(
          certificate: Certificate(
            organisation: "o", name: WorkerID("worker-\(index)")!, role: .worker, signingKey: key,
            linkKey: LinkPublicKey(unchecked: [UInt8](repeating: 1, count: 32)), notBefore: 0, notAfter: .max),
          signature: Signature(unchecked: [UInt8](repeating: 0, count: 64)))
      })
  }

  @Test("Terms that a strategy needs are in the rules, and in the law of workers that allow the run")
  func terms() throws {
    let nova = try Self.read(Self.run("{name: fednova}")), fair = try Self.read(Self.run("{name: q-fedavg, q: 1}"))
    #expect(nova.rulesWithoutMembership.auxiliaryLayout.last == .weightedSteps)
    #expect(fair.rulesWithoutMembership.auxiliaryLayout.last == .fairness)
    #expect(fair.rulesWithoutMembership.maximumWeight == 1 && nova.rulesWithoutMembership.maximumWeight == 1024)
    #expect(WorkerPolicy.allowing(nova).auxiliaryFields.contains(.weightedSteps))
    #expect(!WorkerPolicy.standard.auxiliaryFields.contains(.weightedSteps))
    #expect(try Self.read(Self.run("{name: fedadam}")).rulesWithoutMembership.optimizer == "adam")
  }

  @Test(
    "What does not fit is refused with the key and what was expected",
    arguments: [
      ("{name: fedprox}", "", "", "'strategy': found fedprox without a proximal term"),
      ("{name: fedavg, beta1: 0.9}", "", "", "'strategy.beta1': found"),
      ("{name: fedsgd}", "", "", "'strategy.name': found \"fedsgd\", expected one of 'fedavg', 'fedprox'"),
      ("{name: fedadam, beta2: 1}", "", "", "'strategy.beta2': found 1, expected a number from 0 to below 1"),
      ("{name: q-fedavg}", "", "", "'strategy.q': found no such key, expected a number from 0 to 10"),
      ("{name: krum, byzantine: 1.5}", "", "aggregation: plain", "'strategy.byzantine': found 1.5, expected a whole"),
      (
        "{name: median}", "", "",
        "'strategy': found median with secure aggregation, expected 'groups' beside the name, or 'aggregation: plain'"
      ),
      (
        "{name: median, groups: 2}", "", "",
        "r.yaml:5: key 'strategy.groups': found 2, expected a whole number from 3 to 64"
      ),
      ("{name: median, groups: 65}", "", "", "'strategy.groups': found 65, expected a whole number from 3 to 64"),
      ("{name: fedavg, groups: 5}", "", "", "'strategy.groups': found"),
      (
        "{name: median, groups: 5}", "", "aggregation: plain",
        "r.yaml:5: key 'strategy.groups': found 5 with plain aggregation, expected no such key: in plain mode median"
      ),
      (
        "{name: krum, byzantine: 2, groups: 6}", "", "",
        "r.yaml:5: key 'strategy.groups': found 6 under krum, expected at least 7: of fewer groups"
      ),
      ("{name: trimmed-mean, trim: 0.1, groups: 9}", "", "", "'strategy.groups': found 9 under trimmed-mean"),
      (
        "{name: median, groups: 52}", "", "",
        "'strategy.groups': found 52 groups of at least 5 workers, the cohort.minimum, expected at most 51 groups"
      ),
      (
        "{name: krum, byzantine: 2}", "", "aggregation: plain",
        "found a cohort.minimum of 5 under krum, expected at least 7"
      ),
      ("{name: trimmed-mean, trim: 0.1}", "", "aggregation: plain", "expected at least 10: of fewer updates"),
      ("{name: fedbuff}", "", "aggregation: plain", "'strategy.buffer': found no such key, expected a whole number"),
      (
        "{name: fedbuff, buffer: 5}", "", "",
        "'strategy': found fedbuff with secure aggregation, expected 'aggregation: plain': a masked sum needs one roster"
      ),
      (
        "{name: fedbuff, buffer: 4}", "", "aggregation: plain",
        "'strategy': found a buffer of 4, expected from 5, the cohort.minimum, to 256, the cohort.maximum"
      ),
      ("{name: fedbuff, buffer: 257}", "", "aggregation: plain", "found a buffer of 257, expected from 5"),
      (
        "{name: fedbuff, buffer: 5, staleness-exponent: 0.3}", "", "aggregation: plain",
        "'strategy.staleness-exponent': found 0.3, expected a multiple of 0.5 from 0 to 4"
      ),
      (
        "{name: fedbuff, buffer: 5, staleness-max: 101}", "", "aggregation: plain",
        "'strategy.staleness-max': found 101, expected a whole number from 0 to 100"
      ),
      (
        "{name: fedbuff, buffer: 5}", "", "aggregation: plain\nmaximum-weight: 9",
        "'maximum-weight': found 9, expected 1 or no such key"
      ),
      (
        "{name: fedbuff, buffer: 5}", "", "aggregation: plain\ndeadlines: {derive-input: {quantile: 0.5}}",
        "'deadlines': found 'derive-input' under fedbuff"
      ),
      ("{name: q-fedavg, q: 1}", "", "maximum-weight: 9", "'maximum-weight': found 9, expected 1 or no such key"),
      (
        "{name: fednova}", "optimizer: adam", "", "found adam 0.9 0.999 1e-08 under fednova, expected the optimizer sgd"
      ),
      ("{name: fednova}", "momentum: 0.9, optimizer: nesterov", "", "found nesterov under fednova"),
      (
        "{name: scaffold}", "local-epochs: 2", "",
        "found no number of local steps under scaffold, expected 'local-steps'"
      ),
      ("{name: scaffold}", "local-steps: 2, momentum: 0.9", "", "found momentum under scaffold, expected plain SGD"),
      ("{name: scaffold}", "local-steps: 2, proximal: 0.1", "", "found a proximal term under scaffold"),
      ("{name: scaffold}", "local-steps: 2, optimizer: adam", "", "under scaffold, expected plain SGD"),
      (
        "{name: scaffold}", "local-steps: 2, schedule: {cosine: 7}", "",
        "found a schedule that ends at a learning rate of 0 under scaffold"
      ),
      ("{name: scaffold, population: 4}", "local-steps: 2", "", "found a population of 4 under a cohort.minimum of 5"),
      (
        "{name: scaffold, population: 0}", "local-steps: 2", "",
        "'strategy.population': found 0, expected a whole number"
      ),
      ("{name: scaffold}", "local-steps: 2", "maximum-weight: 9", "'maximum-weight': found 9, expected 1"),
      ("{name: fednova}", "momentum: 0.9, proximal: 0.1", "", "found momentum beside a proximal term under fednova"),
    ])
  func refusals(_ yaml: String, _ training: String, _ more: String, _ problem: String) {
    let text = Self.run(yaml, training: training.isEmpty ? "batch-size: 8" : training, more: more)
    do {
      _ = try Self.read(text)
      Issue.record("\(yaml) was read")
    } catch { #expect("\(error)".contains(problem), "\(error)") }
  }

  @Test("A buffer is the goal of its round, and its workers' deadline is the one that is written")
  func buffers() throws {
    let text = Self.run("{name: fedbuff, buffer: 6}", more: "aggregation: plain")
    #expect(try Self.read(text).deadlines.report == nil)
    #expect(try Self.read(text).rulesWithoutMembership.maximumWeight == 1)
    let goal = text.replacing("minimum: 5,", with: "minimum: 5, goal: 6,")
    do {
      _ = try Self.read(goal)
      Issue.record("a goal beside a buffer was read")
    } catch { #expect("\(error)".contains("'cohort': found a goal under fedbuff"), "\(error)") }
  }

  @Test("Groups wait for their own workers: there is no goal beside them, and no cohort with a sparse graph")
  func groups() throws {
    let text = Self.run("{name: median, groups: 5}")
    let run = try Self.read(text)
    #expect(run.rulesWithoutMembership.maximumWeight == 1 && run.rulesWithoutMembership.minimumCohort == 5)
    let plan = run.plan(membership: Self.membership(workers: 30), architecture: run.model.architecture)
    #expect(plan.groups?.count == 5 && plan.groups?.groupsMin == 3)
    #expect(WorkerPolicy.allowing(run).allowGroups && !WorkerPolicy.standard.allowGroups)
    for (change, problem) in [
      ("minimum: 5, goal: 30,", "'cohort': found a goal beside 'strategy.groups'"),
      (
        "minimum: 5, maximum: 300,",
        "'cohort': found up to 300 workers in 5 groups, expected a cohort.maximum of at most 256"
      ),
    ] {
      let error = try #require(throws: ConfigurationError.self) {
        try Self.read(text.replacing("minimum: 5,", with: change))
      }
      #expect("\(error)".contains(problem), "\(error)")
    }
  }

  @Test("The forecast is that of the weakest group, and too few workers for the groups are named with the key")
  func groupForecast() throws {
    let run = try Self.read(Self.run("{name: median, groups: 5}"))
    func organisations(_ count: Int) -> [OrganisationID] { (0..<count).map { OrganisationID(unchecked: "o\($0)") } }
    let forecast = try #require(try run.forecast(organisations: organisations(28), file: "r.yaml"))
    #expect(forecast.thresholds.rosterCount == 5)
    let error = try #require(throws: ConfigurationError.self) {
      try run.forecast(organisations: organisations(24), file: "r.yaml")
    }
    #expect(
      "\(error)".contains(
        "key 'strategy.groups': found 5 groups of at least 5 workers, the cohort.minimum, among 24, expected at most 4")
    )
  }

  @Test("A robust rule keeps every update, so a cohort may not be large")
  func largeCohorts() {
    let text = Self.run("{name: median}", more: "aggregation: plain")
      .replacing("minimum: 5,", with: "minimum: 5, maximum: 300,")
    #expect(throws: ConfigurationError.self) { try Self.read(text) }
  }
}
