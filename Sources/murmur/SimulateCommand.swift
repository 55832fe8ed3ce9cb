import ArgumentParser
import ClusterConfiguration
import ClusterRuntime
import Federation
import ModelRegistry
import Rounds
import Simulation
import Wire

/// `murmur simulate`.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Run a federation in virtual time: the same protocol code, a seeded network, planned faults.",
    discussion: """
      Runs the coordinator's and the workers' own code in one process, with real training and cryptography, over a \
      virtual network. Two runs with one seed give the same event log and the same model, bit for bit. Ends with 0 if \
      the scenario's expectations are met and no checker found a broken claim, else with 1 and the command that does \
      it again. Seconds are virtual.

      Examples:

          murmur simulate Simulations/digits.yaml
          murmur simulate Simulations/digits.yaml --seed 9 --log events.jsonl
      """)

  @Argument(help: ArgumentHelp("The scenario file (YAML): parties, network, faults, run.", valueName: "file"))
  var file: String

  @Option(name: .long, help: ArgumentHelp("Instead of the scenario's own seed.", valueName: "number"))
  var seed: UInt64?

  @Option(
    name: .long,
    help: ArgumentHelp("Write the event log to this file: one line of JSON per event.", valueName: "path"))
  var log: String?

  @OptionGroup var output: OutputOption

  func run() throws {
    let scenario = try SimulationScenario.load(path: file)
    let simulation: SimulationRun
    do throws(SimulationError) {
      simulation = try SimulationRun(scenario, seed: seed)
    } catch {
      throw CommandFailure(.usage, "\(error)")
    }
    let forecast = try scenario.run.forecast(
      organisations: scenario.population.workerNames.map(\.organisation),
      examples: scenario.run.meanExamples(of: simulation.exampleCounts), file: file)
    if !output.json {
      Terminal.print(scenario.purpose)
      for line in ForecastText.lines(forecast, run: scenario.run, examplesAreKnown: true) { Terminal.print(line) }
      Terminal.print("")
      Terminal.print(RoundTable.header)
    }
    let eventLog = try log.map(EventLogFile.init)
    let result: SimulationResult
    do throws(SimulationError) {
      result = try simulation.run(
        log: { line in eventLog?.append(line) },
        report: { round in if !output.json { Terminal.print(RoundTable.line(RoundRow(round))) } })
    } catch {
      throw CommandFailure(.failed, "\(error)")
    }
    try eventLog?.commit()
    try report(result)
  }

  private func report(_ result: SimulationResult) throws {
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
    }
    guard !result.isAsExpected else { return }
    for problem in result.violations + result.failedExpectations { Terminal.complain(problem) }
    Terminal.note("again: \(result.replayCommand(scenario: file))")
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
    let metrics = report.summary?.metrics
    let evaluation = metrics.flatMap { metrics in
      metrics.loss.flatMap { loss in metrics.accuracy.map { Evaluation(loss: loss, accuracy: $0) } }
    }
    self.init(
      attempt: report.attempt, cohort: UInt32(clamping: report.cohort), reported: UInt32(clamping: report.reported),
      dropped: UInt32(clamping: report.dropped), evaluation: evaluation, seconds: round.seconds,
      bytesUpPerWorker: round.bytesUpPerWorker, published: published, outcome: outcome, reason: reason,
      saturated: report.summary?.saturated ?? 0)
  }
}

/// The JSON form of a simulation's result.
private struct SimulationSummary: Encodable {
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
  }
}
