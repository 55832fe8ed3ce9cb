import ClusterConfiguration
import Federation
import GradientKernel
import ModelRegistry
import Rounds
import Tensors
import Training

/// A scenario, ready to be run: the same coordinator and worker cores as in a cluster, in one thread, with virtual time
/// and a seeded virtual network.
///
/// Every message is encoded, carried and decoded as in the cluster; training and cryptography are real. Two runs with
/// one seed give the same event log and the same model, bit for bit.
package struct SimulationRun: Sendable {
  /// The run has ended, and what it has sent is given so long to arrive.
  static let epilogue = Duration.seconds(2)

  package internal(set) var scenario: SimulationScenario
  package private(set) var seed: UInt64
  /// Threads of one worker's training, at the fast fidelity of all training together; results do not depend on it.
  package var threads = 1
  let parts: [Dataset]
  let heldOut: Dataset

  /// Of each worker, its own hold-out included.
  package var exampleCounts: [Int] { parts.map(\.count) }

  /// Reads and deals out the scenario's data, as `murmur up` does.
  ///
  /// - Parameter seed: in place of the scenario's own.
  package init(_ scenario: SimulationScenario, seed: UInt64? = nil) throws(SimulationError) {
    self.scenario = scenario
    self.seed = seed ?? scenario.seed
    do throws(DatasetError) {
      let dealt = try Self.deal(scenario)
      parts = dealt.parts
      heldOut = dealt.heldOut
    } catch {
      throw .data(error.description)
    }
  }

  private static func deal(_ scenario: SimulationScenario) throws(DatasetError) -> DealtData {
    let population = scenario.population, run = scenario.run
    let features = run.data.features, model = "\(run.model.architecture)"
    guard let synthetic = population.synthetic else {
      return try DealtData(
        population.data, parts: population.workers, features: features, classCount: run.data.classes, model: model)
    }
    return try DealtData(
      synthetic: synthetic.alpha, synthetic.beta, name: synthetic.name, parts: population.workers,
      heldOut: synthetic.heldOut, seed: synthetic.seed, features: features, model: model)
  }

  /// The same scenario and data with another seed.
  package func seeded(_ seed: UInt64) -> SimulationRun {
    var copy = self
    copy.seed = seed
    return copy
  }

  /// Runs it, from the first hello to the last result.
  ///
  /// - Parameters:
  ///   - until: ends it at this virtual time, if it has not ended by then.
  ///   - observers: look on, and change nothing.
  ///   - log: gets each line of the event log, without its line feed.
  ///   - report: gets each attempt as it ends.
  package func run(
    until: Duration? = nil, observers: SimulationObservers = SimulationObservers(),
    log: @escaping (String) -> Void = { _ in }, report: @escaping (SimulatedRound) -> Void = { _ in }
  ) throws(SimulationError) -> SimulationResult {
    do {
      switch scenario.fidelity {
      case .full: return try play(nil, until: until, observers: observers.all, log: log, report: report)
      case .fast: return try playFast(until: until, observers: observers.all, log: log, report: report)
      }
    } catch let error as SimulationError {
      throw error
    } catch {
      throw .node("\(error)")
    }
  }

  /// As `run`, with a mistake planted for the checkers to find.
  package func run(
    plantedBug: PlantedBug?, log: @escaping (String) -> Void = { _ in },
    report: @escaping (SimulatedRound) -> Void = { _ in }
  ) throws(SimulationError) -> SimulationResult {
    do {
      return try play(plantedBug, log: log, report: report)
    } catch let error as SimulationError {
      throw error
    } catch {
      throw .node("\(error)")
    }
  }

  /// The same scenario, seed and data with these misfortunes beside its own.
  package func suffering(_ misfortunes: [SimulationScenario.Misfortune]) -> SimulationRun {
    var copy = self
    copy.scenario.misfortunes += misfortunes
    return copy
  }

  /// What came of a simulation, be it in order or not.
  struct Trial {
    /// Everything that is wrong, the worst first; empty if it ended as its scenario claims.
    var claims: [FailureClaim]
    /// What chance drew until the end.
    var drawn: [SimulationScenario.Misfortune]
  }

  func trial(_ plantedBug: PlantedBug?) -> Trial {
    var trial = Trial(claims: [], drawn: [])
    do {
      let result =
        scenario.fidelity == .fast
        ? try run() : try play(plantedBug, log: { _ in }, report: { _ in }, drawn: { trial.drawn = $0 })
      trial.claims = (result.violations + result.failedExpectations).map(FailureClaim.init)
    } catch {
      trial.claims = [FailureClaim("\(error)")]
    }
    return trial
  }

  private func play(
    _ plantedBug: PlantedBug?, until: Duration? = nil,
    observers: [any SimulationObserver] = [], log: @escaping (String) -> Void,
    report: @escaping (SimulatedRound) -> Void, drawn: ([SimulationScenario.Misfortune]) -> Void = { _ in }
  ) throws -> SimulationResult {
    let world = World(
      scenario: scenario, seed: seed, parties: try VirtualParties(scenario.population, seed: seed),
      threads: threads, plantedBug: plantedBug, observers: observers, log: log)
    defer { drawn(world.misfortunes.drawn) }
    let disk = CoordinatorDisk()
    let coordinator = VirtualCoordinator(
      world: world, disk: disk, judge: { try self.judge($0) }, report: report)
    let workers = parts.enumerated().map { index, part in
      VirtualWorker(world: world, index: index, policy: scenario.policy.law, dataset: part)
    }
    try world.start(coordinator: coordinator, workers: workers)
    let lastMoment = until.map { min($0, scenario.timeLimit) } ?? scenario.timeLimit
    let deadline = VirtualTime.zero + lastMoment
    var end: MonotonicTime?
    while world.checkers.violations.isEmpty, let due = world.nextTime, due <= end ?? deadline {
      try world.step()
      if end == nil, coordinator.outcome != nil { end = world.now + Self.epilogue }
    }
    let isCutShort = end == nil && world.checkers.violations.isEmpty && lastMoment < scenario.timeLimit
    if end == nil, !isCutShort, world.checkers.violations.isEmpty {
      world.violated("liveness: the run has not ended after \(scenario.timeLimit)")
    }
    let latest = try disk.models.find(
      ModelReference(model: scenario.run.model.name, selector: .alias(.latest)))
    let artifact = try disk.models.artifact(of: latest)
    let parameters = try ParameterSet(artifact.tensors, expecting: scenario.run.model.architecture.layout)
    let metrics = try judge(parameters)
    let ended = coordinator.endedAt ?? (isCutShort ? deadline : world.now)
    let excesses = excesses(bytes: world.byteCount, up: world.upByteCount, seconds: ended.seconds)
    let unmet =
      failures(
        coordinator.outcome, committed: world.checkers.lineage.latest?.manifest.version.value ?? 0,
        faultsLeft: world.faultsLeft, coordinatorFaultsLeft: world.coordinatorFaultsLeft, metrics)
      + failures(of: world)
    return SimulationResult(
      seed: seed, outcome: coordinator.outcome, rounds: coordinator.rounds, version: latest.manifest.version,
      modelDigest: latest.manifest.modelDigest, parameters: parameters.values,
      controls: controls(coordinator, workers), heldOut: metrics, seconds: ended.seconds,
      events: world.eventCount, messages: world.messageCount, bytes: world.byteCount,
      bytesUp: world.upByteCount, outages: world.outageCount,
      steps: world.misfortunes.steps, recoveries: coordinator.recoveries, violations: world.checkers.violations,
      failedExpectations: (isCutShort ? [] : unmet) + excesses, unjudged: isCutShort ? unmet : [],
      isCutShort: isCutShort,
      logLines: world.log.lineCount,
      logDigest: world.log.digest)
  }

  private func controls(_ coordinator: VirtualCoordinator, _ workers: [VirtualWorker]) -> SimulatedControls? {
    guard let (server, since) = coordinator.control else { return nil }
    return SimulatedControls(
      server: server,
      workers: workers.map { worker in worker.disk.control.flatMap { $0.round >= since ? $0.values : nil } })
  }

  /// The last version on the data that no worker has.
  func judge(_ parameters: ParameterSet) throws -> RoundMetrics? {
    guard heldOut.count > 0 else { return nil }
    let architecture = scenario.run.model.architecture
    let examples = heldOut.scaled(by: Float(scenario.run.data.scale))
    let trainer = try LocalTrainer(architecture, training: examples, holdOut: examples, threads: threads)
    return try trainer.evaluate(parameters)
  }

  /// What the scenario says of steps and of malicious parties.
  private func failures(of world: World) -> [String] {
    world.misfortunes.unmet.map { misfortune in
      "misfortunes: \(misfortune.party) never came to step \(misfortune.step), "
        + "expected a \(misfortune.kind.rawValue) there"
    } + (scenario.expectations.isMaliceNoticed ? world.malice.unnoticed : [])
  }
}

extension SimulationScenario {
  /// The virtual time after which a run that has not ended never will: all attempts allowed, each to its deadlines.
  var timeLimit: Duration {
    let deadlines = run.deadlines
    let setup = deadlines.advert + deadlines.share + deadlines.share
    let outageMaximum = max(chaos.outageMaximum, misfortunes.map(\.duration).max() ?? .zero)
    // Where workers come and go an attempt may have to wait for some.
    let wait = hasAbsences ? run.cohort.patience : .zero
    // An attempt is recorded, and a version written in three pieces.
    let writing = coordinatorFaults.filter { $0.kind == .slowDisk }.reduce(Duration.zero) { $0 + $1.amount * 4 }
    let attempt: Duration =
      wait + writing + setup + deadlines.input + deadlines.agree + deadlines.unmask + outageMaximum + .seconds(60)
    let attempts = min(run.rounds + 1, 1 << 40) * UInt64(run.maximumAttempts)
    let longest = (faults.compactMap(\.duration) + misfortunes.map(\.duration)).max() ?? .zero
    let outages = coordinatorFaults.reduce(Duration.zero) { sum, fault in
      sum + (fault.duration ?? .zero) * Int(clamping: fault.round == nil ? run.rounds + 1 : 1)
    }
    let latest = groups.map(\.joins).max() ?? .zero
    // Ten years are the end of every simulation: nanoseconds of more would not be counted.
    return min(attempt * Int(clamping: attempts) + longest + outages + latest + .seconds(60), Self.longestTime)
  }

  private static var longestTime: Duration { .seconds(10 * 365 * 24 * 3600) }
}
