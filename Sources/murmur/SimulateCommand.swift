import ArgumentParser
import ClusterConfiguration
import ClusterRuntime
import Federation
import GradientKernel
import ModelRegistry
import Reports
import Rounds
import Simulation
import Wire

/// `murmur simulate`.
struct SimulateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Run a federation in virtual time: the same protocol code, a seeded network, planned faults.",
    discussion: """
      Runs the coordinator's and the workers' own code in one process, with real training and cryptography, over a \
      virtual network. Two runs with one seed give the same event log and the same model, bit for bit. Ends with 0 if \
      the scenario's expectations are met and no checker found a broken claim, else with 1 and the command that does \
      it again. Seconds are virtual.

      With --central, the scenario's model is trained on the data of all workers in one place instead, with the same \
      local optimizer: what the federation is measured against.

      With --seeds, all of these seeds are simulated, and a summary is printed instead of rounds; with --file-failures, \
      each that fails is made small and filed as a scenario.

      With --minimize, a simulation that fails is made small: what chance did is written down as a list of misfortunes, \
      the list and the planned faults are shrunk until nothing of them can be left out, then lost messages, rounds and \
      workers as far as it fails for the same reason without them. What is left is written as a scenario file.

      With --sweep, every combination of values is simulated as a process of its own, under each of the seeds. A key is \
      a path in the scenario's mapping 'run', such as training.learning-rate, or a whole path, such as \
      network.bandwidth; lr, epochs, batch, cohort, loss (of the network) and workers are short for what they mean. \
      Seeds are the scenario's, of network and misfortunes; model.seed is a key. What is done is kept: the same command \
      goes on where it was interrupted.

      Examples:

          murmur simulate Simulations/digits.yaml
          murmur simulate Simulations/digits.yaml --seed 9 --log events.jsonl
          murmur simulate Simulations/mnist-2nn.yaml --central --epochs 10
          murmur simulate Simulations/hostile-network.yaml --seeds 1..1000 --jobs 2 --file-failures failures
          murmur simulate Simulations/hostile-network.yaml --seed 7 --minimize --output small.yaml
          murmur simulate Simulations/malicious-coordinator.yaml --set malicious.coordinator=split-survivors
          murmur simulate Simulations/digits.yaml --report reports/digits --trace 3
          murmur simulate Simulations/digits.yaml --sweep lr=0.01,0.1 --sweep epochs=1,2 --jobs 2
      """)

  @Argument(help: ArgumentHelp("The scenario file (YAML): parties, network, faults, run.", valueName: "file"))
  var file: String

  @Option(name: .long, help: ArgumentHelp("Instead of the scenario's own seed.", valueName: "number"))
  var seed: UInt64?

  @Option(
    name: .long,
    help: ArgumentHelp("Write the event log to this file: one line of JSON per event.", valueName: "path"))
  var log: String?

  @Option(
    name: .long,
    help: ArgumentHelp("All seeds from the first number to the last, such as 1..1000.", valueName: "range"))
  var seeds: SeedRange?

  @Option(
    name: .long,
    help: ArgumentHelp("Simulations at once, of --seeds and --sweep; 1 without it.", valueName: "number"))
  var jobs: Int?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "In place of what the scenario says at this key, as for --sweep. May be repeated.", valueName: "key=value"))
  var changes: [ScenarioChange] = []

  @Option(
    name: .long,
    help: ArgumentHelp(
      "End at this virtual time, such as 90s or 2h; what was not reached by then is said, and is no failure.",
      valueName: "time"))
  var until: VirtualMoment?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Write a page with pictures, the pictures and tables as files, and the history that they show.",
      valueName: "folder"))
  var report: String?

  @Option(
    name: .long, defaultAsFlag: 1,
    help: ArgumentHelp("Print the sequence of messages of a round; of the first without a number.", valueName: "round"))
  var trace: UInt64?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Simulate with each of these values. May be repeated: then all combinations.", valueName: "key=value,value"))
  var sweep: [SweepAxis] = []

  @Option(
    name: .customLong("output"),
    help: ArgumentHelp(
      "Where results of --sweep go, and where they are found again; .murmur/sweeps/NAME without it. The file that "
        + "--minimize writes; NAME-seed-N.yaml without it.",
      valueName: "path"))
  var outputFolder: String?

  @Flag(
    name: .long,
    help: "Shrink what goes wrong in a simulation that fails, and write what is left as a scenario file.")
  var minimize = false

  @Option(
    name: .customLong("file-failures"),
    help: ArgumentHelp(
      "Minimize each of --seeds that fails, and write it as a scenario file into this folder.", valueName: "folder"))
  var failureFolder: String?

  @Flag(name: .long, help: "Train on all data in one place instead.")
  var central = false

  @Flag(
    name: .long,
    help: "Measure on this machine what the scenario's table 'costs' says, and print one for the scenario file.")
  var calibrate = false

  @Option(
    name: .long, help: ArgumentHelp("Epochs of --central; as many as there are rounds without it.", valueName: "n"))
  var epochs: Int?

  @Option(
    name: .long, help: ArgumentHelp("Threads of --central; all cores without it. Results are the same.", valueName: "n")
  )
  var threads: Int?

  @OptionGroup var output: OutputOption

  @OptionGroup var supervision: SupervisionOption

  func run() async throws {
    supervision.begin()
    guard sweep.isEmpty else { return try await runSweep() }
    let scenario = try SimulationScenario.load(path: file, changes: changes.map(\.change)).scenario
    guard trace == nil || scenario.fidelity == .full else {
      throw CommandFailure(.usage, "--trace: found a scenario at 'fidelity: fast', which has no messages")
    }
    var simulation: SimulationRun
    do throws(SimulationError) {
      simulation = try SimulationRun(scenario, seed: seed)
    } catch {
      throw CommandFailure(.usage, "\(error)")
    }
    if seeds == nil { simulation.threads = ThreadPool.coreCount }
    if minimize { return try minimize(simulation) }
    if central { return try trainCentrally(simulation, scenario) }
    if calibrate { return try printCosts(simulation) }
    if let seeds {
      return try await runAll(SimulationCampaign(simulation, seeds: seeds.numbers, jobs: jobs ?? 1), scenario)
    }
    try runOnce(simulation)
  }

  private func runOnce(_ simulation: SimulationRun) throws {
    let scenario = simulation.scenario
    try announce(simulation)
    let bar = ProgressBar(isWanted: !output.json)
    let observers = observers(of: scenario, bar)
    let eventLog = try log.map(EventLogFile.init)
    let result: SimulationResult
    do throws(SimulationError) {
      result = try simulation.run(
        until: until?.duration, observers: observers,
        log: { line in eventLog?.append(line) },
        report: { round in if !output.json { bar.print(RoundTable.line(RoundRow(round))) } })
    } catch {
      bar.end()
      throw CommandFailure(.failed, "\(error)")
    }
    bar.end()
    try eventLog?.commit()
    if let trace = observers.trace { try show(trace) }
    if let report, let recorder = observers.recorder {
      let history = RunHistory(result, of: scenario, recorder, replay: replay(seed: result.seed))
      try ReportFolder(path: report).write(history)
    }
    try conclude(result)
  }

  private func announce(_ simulation: SimulationRun) throws {
    let scenario = simulation.scenario
    let forecast = try scenario.run.forecast(
      organisations: scenario.population.workerNames.map(\.organisation),
      examples: scenario.run.meanExamples(of: simulation.exampleCounts), file: file)
    guard !output.json else { return }
    Terminal.print(scenario.purpose)
    for line in ForecastText.lines(forecast, run: scenario.run, examplesAreKnown: true) { Terminal.print(line) }
    Terminal.print("")
    Terminal.print(RoundTable.header)
  }

  private func observers(of scenario: SimulationScenario, _ bar: ProgressBar) -> SimulationObservers {
    var observers = SimulationObservers()
    observers.progress = ProgressMeter { progress in
      bar.update(
        progress.roundsCommitted, of: scenario.run.rounds, "rounds",
        "\(NumberText.duration(progress.seconds)) of virtual time")
    }
    if report != nil { observers.recorder = SimulationRecorder(scenario) }
    if let trace { observers.trace = RoundTrace(RoundNumber(trace), of: scenario) }
    return observers
  }

  private func show(_ trace: RoundTrace) throws {
    guard !trace.isEmpty else {
      throw CommandFailure(.notFound, "--trace: found no round \(trace.round), expected one that was begun")
    }
    Terminal.print("")
    for line in TraceText.lines(trace) { Terminal.print(line) }
  }

  /// The one command that does it again.
  ///
  /// - Parameter seed: nil to leave it to whoever completes the command.
  func replay(seed: UInt64?) -> String {
    var words = ["murmur", "simulate", file]
    for change in changes { words += ["--set", change.change.description] }
    if let until { words += ["--until", until.text] }
    if let seed { words += ["--seed", "\(seed)"] }
    return ShellText.command(words)
  }

  private func conclude(_ result: SimulationResult) throws {
    if output.json {
      Terminal.print(try JSONOutput.document(SimulationSummary(result)))
    } else {
      Terminal.print("")
      Terminal.print("version   \(result.version), model sha256:\(result.modelDigest)")
      if let heldOut = result.heldOut, let accuracy = heldOut.accuracy, let loss = heldOut.loss {
        Terminal.print(
          "accuracy  \(Readable.decimal(accuracy, 4)) (\(heldOut.correct) of \(heldOut.evaluated) held-out examples), "
            + "loss \(Readable.decimal(loss, 4))")
      }
      Terminal.print(
        "time      \(Readable.decimal(result.seconds, 2)) virtual seconds, \(result.events) events, \(result.messages) messages, "
          + Readable.bytes(result.bytes))
      Terminal.print("log       \(result.logLines) lines, sha256:\(result.logDigest)")
      if result.isCutShort {
        Terminal.print(
          "cut short at \(until?.text ?? "") of virtual time, with \(result.roundsCommitted) rounds committed")
        for open in result.unjudged { Terminal.print("not judged: \(open)") }
      }
      if let report { Terminal.print("report    \(report)/index.html") }
    }
    guard !result.isAsExpected else { return }
    for problem in result.violations + result.failedExpectations { Terminal.complain(problem) }
    Terminal.note("again: \(replay(seed: result.seed))")
    throw CommandFailure(silent: .failed)
  }
}

/// An event log on its way to disk; complete or absent.
private final class EventLogFile {
  private static let bufferByteCount = 1 << 16

  private var writer: DurableFileWriter
  private var buffer: [UInt8] = []
  private var problem: FileError?

  init(path: String) throws { writer = try DurableFileWriter(path: path) }

  func append(_ line: String) {
    buffer.append(contentsOf: line.utf8)
    buffer.append(0x0A)
    if buffer.count >= Self.bufferByteCount { flush() }
  }

  /// - Throws: the first problem of all writes.
  func commit() throws {
    flush()
    if let problem { throw problem }
    try writer.commit()
  }

  private func flush() {
    defer { buffer.removeAll(keepingCapacity: true) }
    guard problem == nil else { return }
    do throws(FileError) {
      try writer.append(buffer)
    } catch {
      problem = error
    }
  }
}

extension RoundRow {
  /// An attempt in virtual time as one of a cluster is shown.
  fileprivate init(_ round: SimulatedRound) {
    let report = round.report
    let outcome: AttemptOutcome
    let published: Published?
    let reason: String
    switch report.outcome {
    case .committed(let version, let digest):
      (outcome, published, reason) = (.committed, Published(version: version, modelDigest: digest), "")
    case .evaluated: (outcome, published, reason) = (.committed, nil, "")
    case .abandoned(let why): (outcome, published, reason) = (.abandoned, nil, why)
    }
    func evaluation(_ metrics: RoundMetrics?) -> Evaluation? {
      guard let loss = metrics?.loss, let accuracy = metrics?.accuracy else { return nil }
      return Evaluation(loss: loss, accuracy: accuracy)
    }
    self.init(
      attempt: report.attempt, cohort: UInt32(clamping: report.cohort), reported: UInt32(clamping: report.reported),
      dropped: UInt32(clamping: report.dropped), evaluation: evaluation(report.summary?.metrics),
      seconds: round.seconds,
      bytesUpPerWorker: round.bytesUpPerWorker, published: published, outcome: outcome, reason: reason,
      saturated: report.summary?.saturated ?? 0, central: evaluation(report.central),
      staleness: report.staleness, groups: report.groups)
  }
}

/// The JSON form of a simulation's result.
struct SimulationSummary: Codable {
  let seed: UInt64
  let version: UInt64
  let modelDigest: String
  let accuracy: Double?
  let loss: Double?
  let virtualSeconds: Double
  let events: UInt64
  let messages: UInt64
  let bytes: UInt64
  let logLines: Int
  let logDigest: String
  let rounds: [RoundResult]
  let violations: [String]
  let failedExpectations: [String]
  /// Nil if it was not cut short.
  let unjudged: [String]?

  init(_ result: SimulationResult) {
    seed = result.seed
    version = result.version.value
    modelDigest = "sha256:\(result.modelDigest)"
    accuracy = result.heldOut?.accuracy
    loss = result.heldOut?.loss
    virtualSeconds = result.seconds
    events = result.events
    messages = result.messages
    bytes = result.bytes
    logLines = result.logLines
    logDigest = "sha256:\(result.logDigest)"
    rounds = result.rounds.map { RoundResult(RoundRow($0)) }
    violations = result.violations
    failedExpectations = result.failedExpectations
    unjudged = result.isCutShort ? result.unjudged : nil
  }
}
