import ArgumentParser
import ClusterRuntime
import Logging

/// `murmur coordinator`.
struct CoordinatorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coordinator",
    abstract: "Run a federation's coordinator until it is told to stop.",
    discussion: """
      Binds the addresses of the folder's file 'federation' (or those under 'bind' in coordinator.yaml), waits for \
      workers, and runs what operators submit. It stops on Ctrl-C or SIGTERM; started again, it goes on where it stood.

      Example:

          murmur coordinator --home demo/coordinator --local
      """)

  @OptionGroup var home: HomeOption

  @Flag(
    name: .long,
    help: """
      All parties are on this machine. Without it, a coordinator that can read a worker's or the authority's secret \
      refuses to start: who can read a worker's keys can read its updates.
      """)
  var local = false

  @Flag(
    name: .long,
    help: "Bind ports of 127.0.0.1 that the system chooses, and write them to state/endpoints.yaml in the folder.")
  var anyPort = false

  @Option(
    name: .customLong("run"),
    help: ArgumentHelp("A run file to submit as soon as the coordinator is up.", valueName: "file"))
  var runFile: String?

  @OptionGroup var endpoints: EndpointsOption
  @OptionGroup var log: LogOptions
  @OptionGroup var secrecy: SecrecyOption
  @OptionGroup var supervision: SupervisionOption

  func run() async throws {
    try secrecy.begin()
    supervision.begin()
    var options = CoordinatorProcess.Options(home: try home.directory(of: "a coordinator"))
    options.local = local
    options.endpointsOverride = endpoints.file
    options.bindLoopbackAnyPort = anyPort
    options.runFile = runFile
    try end(with: await CoordinatorProcess.run(options, logger: log.logger("coordinator")))
  }
}

/// `murmur worker`.
struct WorkerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker",
    abstract: "Run a worker: train on own data, under own policy, until told to stop.",
    discussion: """
      Reads the data that worker.yaml names, connects to the coordinator and takes part in the rounds that policy.yaml \
      allows, whatever the coordinator asks for. Nothing of the data leaves this process; in secure aggregation no \
      update of it leaves unmasked. It stops on Ctrl-C or SIGTERM.

      Example:

          murmur worker --home demo/worker-1 --data demo/worker-1/data.csv
      """)

  @OptionGroup var home: HomeOption

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The worker's examples, one a row under a header line, instead of the file that worker.yaml names.",
      valueName: "csv"))
  var data: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Threads to train with. Without it, what worker.yaml says, or else one a core.", valueName: "n"))
  var threads: Int?

  @OptionGroup var endpoints: EndpointsOption
  @OptionGroup var log: LogOptions
  @OptionGroup var secrecy: SecrecyOption
  @OptionGroup var supervision: SupervisionOption

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads: found \(threads), expected 1 to 1024")
    }
  }

  func run() async throws {
    try secrecy.begin()
    supervision.begin()
    var options = WorkerProcess.Options(home: try home.directory(of: "a worker"))
    options.endpointsFile = endpoints.file
    options.data = data
    options.threads = threads
    try end(with: await WorkerProcess.run(options, logger: log.logger("worker")))
  }
}

/// `murmur serve`.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Run a serving node: follow the coordinator's models, verify them, offer them to consumers.",
    discussion: """
      A version is offered only after its signature and every digest have been checked. Predictions, files of versions \
      and metrics are there over HTTP where serving.yaml says so, for callers with an API key ('murmur keys create') or \
      a token of an issuer in access.yaml. It stops on Ctrl-C or SIGTERM.

      Example:

          murmur serve --home demo/serving
      """)

  @OptionGroup var home: HomeOption

  @Flag(
    name: .long,
    help: "Bind ports of 127.0.0.1 that the system chooses, and write them to state/endpoints.yaml in the folder.")
  var anyPort = false

  @Flag(
    name: .long,
    help: """
      Let callers of HTTP in who bring no credential: they may do what 'anonymous' in access.yaml says, and without \
      that file pull and predict.
      """)
  var insecureAnonymous = false

  @OptionGroup var endpoints: EndpointsOption
  @OptionGroup var log: LogOptions
  @OptionGroup var secrecy: SecrecyOption
  @OptionGroup var supervision: SupervisionOption

  func run() async throws {
    try secrecy.begin()
    supervision.begin()
    var options = ServingProcess.Options(home: try home.directory(of: "a serving node"))
    options.endpointsFile = endpoints.file
    options.bindLoopbackAnyPort = anyPort
    options.insecureAnonymous = insecureAnonymous
    try end(with: await ServingProcess.run(options, logger: log.logger("serving")))
  }
}

/// Ends a long-running command as its process ended.
private func end(with category: ExitCategory) throws {
  guard category == .ok else { throw CommandFailure(silent: category) }
}
