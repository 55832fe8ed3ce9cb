import Federation

/// A federation in virtual time: who takes part, over which network, at which cost, with which faults, and what has to
/// come out of it.
package struct SimulationScenario: Hashable, Sendable {
  /// The links between the coordinator and each worker, both directions.
  package struct Network: Hashable, Sendable {
    /// One-way delay of a message, drawn evenly between the two.
    package var latencyMinimum: Duration
    package var latencyMaximum: Duration
    /// Of one link, in bytes per second.
    package var bandwidth: UInt64
    /// Probability that a message is lost; the link then behaves as ZeroMQ over a broken connection does.
    package var loss: Double
    /// Probability that a message arrives twice. No connection does that; what the protocol promises holds all the same.
    package var duplication: Double
    /// Probability that a message is overtaken by later ones of its connection; likewise.
    package var reordering: Double

    package init(
      latencyMinimum: Duration, latencyMaximum: Duration, bandwidth: UInt64, loss: Double = 0, duplication: Double = 0,
      reordering: Double = 0
    ) {
      self.latencyMinimum = latencyMinimum
      self.latencyMaximum = latencyMaximum
      self.bandwidth = bandwidth
      self.loss = loss
      self.duplication = duplication
      self.reordering = reordering
    }
  }

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

  /// One thing that goes wrong, the first time that the worker gets to that point of that round.
  package struct Fault: Hashable, Sendable {
    /// Where in a round it happens; a plain round knows `training`, `maskedInput` and `reported` only.
    package enum Point: String, CaseIterable, Sendable {
      /// The worker's keys have left.
      case advertiseKeys = "advertise-keys"
      /// Its sealed shares have left.
      case shareKeys = "share-keys"
      /// Its word on the others' shares has left.
      case checkShares = "check-shares"
      /// Training has ended, nothing of it has left.
      case training = "training"
      /// Half of the chunks of its input that were asked for have left.
      case maskedInput = "masked-input"
      /// Its input was accepted.
      case reported = "reported"
      /// Its agreement with the set of survivors has left.
      case consistencyCheck = "consistency-check"
      /// Its shares have left.
      case unmask = "unmask"
    }

    package enum Kind: String, CaseIterable, Sendable {
      /// The worker is gone, as after signal 9: what it has sent still arrives, what it knew is lost but for its disk.
      case crash
      /// The worker lives on and nothing gets through, in either direction.
      case partition
    }

    package var worker: WorkerID
    package var round: RoundNumber
    package var at: Point
    package var kind: Kind
    /// After this time the worker starts again, or is reached again; nil for never.
    package var duration: Duration?

    package init(worker: WorkerID, round: RoundNumber, at: Point, kind: Kind, duration: Duration? = nil) {
      self.worker = worker
      self.round = round
      self.at = at
      self.kind = kind
      self.duration = duration
    }
  }

  /// What goes wrong by chance, drawn from the seed: another seed, other misfortunes.
  ///
  /// Strikes up to the last of `rounds`, so that what comes after shows whether the federation recovers.
  package struct Chaos: Hashable, Sendable {
    /// Probability that a worker's process dies, before each thing that it does and after each message it sends.
    package var workerCrash: Double
    /// Probability that a worker cannot be reached for a while, likewise.
    package var partition: Double
    /// Probability that the coordinator's process dies, likewise.
    package var coordinatorCrash: Double
    /// How long each of these lasts, drawn evenly between the two.
    package var outageMinimum: Duration
    package var outageMaximum: Duration
    /// Rounds, from the first, in which anything of this happens.
    package var rounds: UInt64

    package static let none = Chaos(
      workerCrash: 0, partition: 0, coordinatorCrash: 0, outageMinimum: .zero, outageMaximum: .zero, rounds: 0)
  }

  /// What the scenario claims; a simulation that ends otherwise has failed.
  package struct Expectations: Hashable, Sendable {
    /// Rounds that commit.
    package var rounds: UInt64
    /// Least accuracy of the last version on the held-out data; nil to claim nothing.
    package var accuracy: Double?
    /// Whether every malicious party has to be found out, in the way that the catalogue says of its kind.
    package var isMaliceNoticed = false
  }

  /// One sentence: what the scenario shows.
  package var purpose: String
  package var population: Population
  package var network: Network
  /// Of the network, the choices and, in the simulator only, the secrets.
  package var seed: UInt64
  package var costs: Costs
  /// How many times as long a worker trains and evaluates as `costs` say; 1 for all others.
  package var slowness: [WorkerID: Double]
  package var faults: [Fault]
  package var chaos: Chaos
  /// At steps that are known beforehand; those of `chaos` come beside them.
  package var misfortunes: [Misfortune] = []
  /// Who breaks the protocol.
  package var malice = Malice()
  /// Every worker's own law.
  package var policy: WorkerPolicy
  package var expectations: Expectations
  package var fidelity: Fidelity = .full
  package var run: RunConfiguration

  /// Faults in one scenario.
  package static let faultCountMax = 100_000

  /// Reads a scenario file.
  package static func load(path: String) throws(ConfigurationError) -> SimulationScenario {
    try read(ConfigurationFile(path: path, expected: "a scenario file"))
  }

  /// Reads a scenario file that is in memory.
  package static func read(_ file: ConfigurationFile) throws(ConfigurationError) -> SimulationScenario {
    let top = try file.top(
      keys: [
        "purpose", "population", "network", "seed", "costs", "slow-workers", "faults", "chaos", "misfortunes",
        "malicious", "policy", "expectations", "fidelity", "run",
      ])
    let population = try Population(top.section("population", keys: Population.keys))
    let run = try RunConfiguration(top.section("run", keys: RunConfiguration.keys))
    try run.check(against: population, in: top)
    var scenario = try SimulationScenario(
      purpose: top.text("purpose", expected: "one sentence that says what the scenario shows"),
      population: population, network: network(in: top), seed: top.integer("seed", in: 0...UInt64.max),
      costs: costs(in: top), slowness: slowness(in: top, population: population),
      faults: faults(in: top, population: population, run: run),
      chaos: chaos(in: top, run: run), policy: policy(in: top, run: run),
      expectations: expectations(in: top, run: run),
      fidelity: top.choice("fidelity", default: .full, of: ["full": .full, "fast": .fast]), run: run)
    scenario.misfortunes = try misfortunes(in: top, population: population)
    scenario.malice = try malice(
      in: top, population: population, run: run, isNoticed: scenario.expectations.isMaliceNoticed)
    if scenario.fidelity == .fast, let (key, found, expected) = scenario.objectionToFast {
      throw top.error(at: "fidelity", found: "'fast' beside '\(key)': \(found)", expected: expected)
    }
    return scenario
  }

  private static func chaos(in top: ConfigurationSection, run: RunConfiguration) throws(ConfigurationError) -> Chaos {
    guard top.has("chaos") else { return .none }
    let section = try top.section(
      "chaos", keys: ["worker-crash", "partition", "coordinator-crash", "outage", "rounds"])
    func probability(_ key: String) throws(ConfigurationError) -> Double {
      try section.number(key, default: 0, expected: "a number from 0 to below 1") { $0 >= 0 && $0 < 1 }
    }
    let outage = try section.section("outage", keys: ["minimum", "maximum"])
    let minimum = try outage.duration("minimum", in: .milliseconds(1) ... .seconds(3600))
    return try Chaos(
      workerCrash: probability("worker-crash"), partition: probability("partition"),
      coordinatorCrash: probability("coordinator-crash"), outageMinimum: minimum,
      outageMaximum: outage.duration("maximum", in: minimum ... .seconds(3600)),
      rounds: section.integer("rounds", in: 1...run.rounds))
  }

  /// The standard law, which allows plain aggregation if the run asks for it, unless the scenario has its own.
  private static func policy(in top: ConfigurationSection, run: RunConfiguration) throws(ConfigurationError)
    -> WorkerPolicy
  {
    if top.has("policy") { return try WorkerPolicy(top.section("policy", keys: WorkerPolicy.keys)) }
    return .allowing(run)
  }

  private static func network(in top: ConfigurationSection) throws(ConfigurationError) -> Network {
    let section = try top.section("network", keys: ["latency", "bandwidth", "loss", "duplication", "reordering"])
    func probability(_ key: String) throws(ConfigurationError) -> Double {
      try section.number(key, default: 0, expected: "a number from 0 to below 1") { $0 >= 0 && $0 < 1 }
    }
    let latency = try section.section("latency", keys: ["minimum", "maximum"])
    let minimum = try latency.duration("minimum", in: .zero ... .seconds(60))
    return try Network(
      latencyMinimum: minimum,
      latencyMaximum: latency.duration("maximum", in: minimum ... .seconds(60)),
      bandwidth: section.text("bandwidth", expected: "a rate of at least 1 kB/s, such as \"10 MB/s\"") { text in
        Quantity.rate(text).flatMap { $0 >= 1_000 ? $0 : nil }
      },
      loss: probability("loss"), duplication: probability("duplication"), reordering: probability("reordering"))
  }

  private static func costs(in top: ConfigurationSection) throws(ConfigurationError) -> Costs {
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

  private static func slowness(in top: ConfigurationSection, population: Population) throws(ConfigurationError)
    -> [WorkerID: Double]
  {
    guard top.has("slow-workers") else { return [:] }
    var slowness: [WorkerID: Double] = [:]
    for section in try top.sections("slow-workers", keys: ["worker", "factor"]) {
      let worker = try worker(in: section, of: population)
      guard slowness[worker] == nil else {
        throw section.error(at: "worker", found: "\"\(worker)\" twice", expected: "each worker once")
      }
      slowness[worker] = try section.number("factor", expected: "a number above 0, at most 10000") {
        $0 > 0 && $0 <= 10_000
      }
    }
    return slowness
  }

  private static func worker(
    in section: ConfigurationSection, of population: Population
  ) throws(ConfigurationError) -> WorkerID {
    let worker: WorkerID = try section.name("worker")
    guard let number = Int(worker.text.dropFirst("worker-".count)), (1...population.workers).contains(number),
      worker.text == "worker-\(number)"
    else {
      throw section.error(
        at: "worker", found: "\"\(worker)\"",
        expected: "a worker of the population, worker-1 to worker-\(population.workers)")
    }
    return worker
  }

  private static func faults(in top: ConfigurationSection, population: Population, run: RunConfiguration)
    throws(ConfigurationError) -> [Fault]
  {
    let sections = try top.sections("faults", keys: ["worker", "round", "at", "kind", "for"])
    guard sections.count <= faultCountMax else {
      throw top.error(at: "faults", found: "\(sections.count) faults", expected: "at most \(faultCountMax)")
    }
    var faults: [Fault] = []
    for section in sections {
      let worker = try worker(in: section, of: population)
      faults.append(
        try Fault(
          worker: worker, round: RoundNumber(section.integer("round", in: 1...run.rounds)),
          at: section.choice(
            "at",
            of: [
              "advertise-keys": .advertiseKeys, "share-keys": .shareKeys, "check-shares": .checkShares,
              "training": .training, "masked-input": .maskedInput, "reported": .reported,
              "consistency-check": .consistencyCheck, "unmask": .unmask,
            ]),
          kind: section.choice("kind", of: ["crash": .crash, "partition": .partition]),
          duration: section.has("for")
            ? section.duration("for", in: .milliseconds(1) ... .seconds(7 * 24 * 3600)) : nil))
    }
    return faults
  }

  private static func expectations(in top: ConfigurationSection, run: RunConfiguration) throws(ConfigurationError)
    -> Expectations
  {
    let section = try top.section("expectations", keys: ["rounds", "accuracy", "malicious"])
    return try Expectations(
      rounds: section.integer("rounds", in: 0...run.rounds),
      accuracy: section.has("accuracy")
        ? section.number("accuracy", expected: "a number from 0 to 1") { (0...1).contains($0) } : nil,
      isMaliceNoticed: isMaliceNoticed(in: section, of: top))
  }
}
