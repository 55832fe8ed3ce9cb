import ArgumentParser
import ClusterConfiguration
import ClusterRuntime
import Federation
import Glibc

/// `murmur up`.
struct UpCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "up",
    abstract: "Run a whole federation on this machine, one process per party, from data to a checked model.",
    discussion: """
      Makes the parties' folders under .murmur/NAME (kept keys, fresh state), deals the data out, starts one \
      coordinator, the workers and the serving node as separate processes, submits the file's run, and prints one line \
      per round. At the end a consumer pulls the model from the serving node, checks signature and digests, and \
      computes its accuracy on data that no worker had. Then everything stops. Each process logs to .murmur/NAME/logs.

      A worker that dies does not stop the run while enough workers are left; the end of the coordinator or of the \
      serving node does.

      Examples:

          murmur up Cluster/local.yaml
          murmur up Cluster/local.yaml --aggregation plain --rounds 5
      """)

  enum Aggregation: String, CaseIterable, ExpressibleByArgument {
    case secure, plain
  }

  @Argument(help: ArgumentHelp("The federation file (YAML): parties, data and run.", valueName: "file"))
  var file: String

  @Option(
    name: .long,
    help: ArgumentHelp(
      "How updates are summed, instead of what the file says: secure (the coordinator sees sums only) or plain.",
      valueName: "mode"))
  var aggregation: Aggregation?

  @Option(name: .long, help: ArgumentHelp("How many rounds to run, instead of what the file says.", valueName: "n"))
  var rounds: UInt64?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Of the initial model, the selection of workers and their shuffles, instead of what the file says.",
      valueName: "number"))
  var seed: UInt64?

  @Option(
    name: .long,
    help: ArgumentHelp("Where to make the parties' folders, instead of .murmur/NAME.", valueName: "folder"))
  var home: String?

  @OptionGroup var output: OutputOption
  @OptionGroup var secrecy: SecrecyOption

  func validate() throws {
    if let rounds, !(1...1_000_000).contains(rounds) {
      throw ValidationError("--rounds: found \(rounds), expected 1 to 1000000")
    }
  }

  private static let blameInterval = Duration.milliseconds(200)

  /// What ends the supervision.
  private enum Ending: Sendable {
    case finished
    case failed(any Error)
    case lost(ChildProcess, ProcessEnding)
    case interrupted(Int32)
  }

  func run() async throws {
    try secrecy.begin()
    let federation = try configuration()
    let cores = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    let threads = federation.threads ?? max(1, cores / federation.population.workers)
    let directory = home ?? ".murmur/\(federation.population.name)"
    let place = try LocalHome(directory: directory, federation: federation)
    let dealt = try place.prepare(threads: threads, file: file)

    let (endings, continuation) = AsyncStream.makeStream(of: Ending.self)
    let watch = PartyWatch(federation)
    let processes = try ProcessGroup(logDirectory: place.logs) { child, ending in
      if watch.isFatal(child, ending) { continuation.yield(.lost(child, ending)) }
    }
    let interruptions = Guarded(0)
    try Interruption.handle { signal in
      let count = interruptions.with { count in
        count += 1
        return count
      }
      // The second Ctrl-C is impatience.
      if count > 1 { processes.kill() }
      continuation.yield(.interrupted(signal))
    }
    announce(federation, threads: threads, dealt: dealt, directory: directory)
    let supervisor = LocalSupervisor(
      place, heldOut: dealt.heldOutFile, threads: threads, json: output.json, allowCoreDumps: secrecy.allowCoreDumps,
      processes: processes)
    let work = Task {
      do {
        try await supervisor.run(whenSubmitted: watch.runBegins)
        continuation.yield(.finished)
      } catch {
        continuation.yield(.failed(error))
      }
    }
    var iterator = endings.makeAsyncIterator()
    var ending = await iterator.next() ?? .finished
    if case .failed = ending {
      // A party that ended makes others fail; its end may be noticed a moment later, and says more.
      try? await Task.sleep(for: Self.blameInterval)
      if let fatal = watch.fatal { ending = .lost(fatal.child, fatal.ending) }
    }
    work.cancel()
    await processes.stop()
    try withExtendedLifetime(place) { try report(ending, logs: place.logs) }
  }

  private func configuration() throws -> LocalFederation {
    var federation = try LocalFederation.load(path: file)
    switch aggregation {
    case .secure: federation.run.aggregation = .secure
    case .plain: federation.run.aggregation = .plain
    case nil: break
    }
    if let rounds { federation.run.rounds = rounds }
    if let seed {
      federation.run.seed = seed
      federation.run.model.seed = seed
    }
    return federation
  }

  private func announce(
    _ federation: LocalFederation, threads: Int, dealt: LocalHome.Dealt, directory: String
  ) {
    guard !output.json else { return }
    let population = federation.population
    let run = federation.run
    let smallest = dealt.parts.min() ?? 0
    let largest = dealt.parts.max() ?? 0
    let servingNodes = population.servingNodes == 1 ? "1 serving node" : "\(population.servingNodes) serving nodes"
    Terminal.print(
      "federation \(population.name): 1 coordinator, \(population.workers) workers of \(population.organisations) "
        + "organisations, \(servingNodes), in \(directory)")
    Terminal.print(
      "data: \(Readable.path(population.data.examples.path)), \(dealt.parts.reduce(0, +)) examples dealt out (\(smallest) to \(largest) a "
        + "worker), \(dealt.heldOut) held out")
    Terminal.print(
      "run \(run.name): \(run.model.architecture), \(run.rounds) rounds of \(run.strategy.method.rawValue), "
        + "\(run.aggregation.rawValue) aggregation, \(threads) thread\(threads == 1 ? "" : "s") a worker")
    for line in ForecastText.lines(dealt.forecast, run: run, examplesAreKnown: true) { Terminal.print(line) }
    Terminal.print("")
  }

  private func report(_ ending: Ending, logs: String) throws {
    switch ending {
    case .finished: return
    case .failed(let error):
      Terminal.note("logs: \(logs)")
      throw error
    case .lost(let child, let how):
      Terminal.complain("\(child.name) \(how); its log: \(child.logPath)")
      for line in child.lastLogLines(8) { Terminal.note("  \(line)") }
      throw CommandFailure(silent: .failed)
    case .interrupted(let signal):
      Terminal.complain("interrupted; all processes are stopped, their logs are in \(logs)")
      // As shells report a process that a signal ended.
      throw ExitCode(128 + signal)
    }
  }
}
