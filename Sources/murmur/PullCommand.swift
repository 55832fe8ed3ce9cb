import ArgumentParser
import ClusterRuntime
import Federation
import Glibc
import ModelRegistry
import Pulling

/// Where a command finds serving nodes.
struct PullOptions: ParsableArguments {
  @OptionGroup var home: HomeOption

  @Option(
    name: .customLong("from"),
    help: ArgumentHelp(
      "A serving node: its pull socket, such as tcp://127.0.0.1:7704, or its HTTP interface, https://HOST[:PORT]. "
        + "Repeatable: they are asked in this order, and where one fails the next goes on. Without it, the pull socket "
        + "in the folder's file 'federation'.",
      valueName: "address"))
  var places: [String] = []

  @OptionGroup var web: WebOptions

  func client() throws -> PullClient {
    try PullClient(home: home.directory(of: "a consumer"), from: places, web: web.access())
  }
}

/// `murmur pull`.
struct PullCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pull",
    abstract: "Fetch a model from serving nodes, verify it, and keep it.",
    discussion: """
      Nothing gets its name before the signature, the signer's certificate and every digest have been checked against the \
      consumer's own file 'federation'. A version has the files model.safetensors, manifest.json and manifest.sig. It is \
      kept in a cache; without --output the path of its folder there is printed. What is interrupted is taken up by the \
      same command. With --follow the command stays: DIR/current always is the alias's newest version.

      Examples:

          murmur pull digits --home demo/consumer
          murmur pull digits@3 -o digits-3 --home demo/consumer
          murmur pull digits@champion --from tcp://10.0.0.7:7704 --from https://models.example -o digits
          murmur pull digits -o /srv/digits --follow --exec 'systemctl reload digits'
      """)

  @Argument(
    help: ArgumentHelp(
      "Which version: NAME or NAME@latest by alias, NAME@3 by number, NAME@sha256:… by its manifest's digest.",
      valueName: "reference"))
  var reference: String

  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "The folder to copy the version to; made if it is not there, and then appears whole.", valueName: "dir"))
  var output: String?

  @OptionGroup var cache: CacheOptions

  @Flag(name: .long, help: "Ask nobody: take what the cache has, and verify it again.")
  var offline = false

  @OptionGroup var follow: FollowOptions
  @OptionGroup var options: PullOptions
  @OptionGroup var format: OutputOption
  @OptionGroup var supervision: SupervisionOption

  func validate() throws {
    if offline, cache.isOff { throw ValidationError("expected one of --offline and --no-cache") }
    if offline, !options.places.isEmpty { throw ValidationError("expected one of --offline and --from") }
    if offline, follow.isOn { throw ValidationError("expected one of --offline and --follow") }
    if cache.isOff, output == nil { throw ValidationError("--no-cache: found no --output, expected a folder") }
    if follow.isOn, output == nil { throw ValidationError("--follow: found no --output, expected a folder") }
  }

  func run() async throws {
    supervision.begin()
    let reference = try ModelReference(orLatest: reference)
    let task = Task {
      if offline { return try await printResult(find(reference)) }
      if follow.isOn { return try await follow.run(self, reference) }
      try await printResult(pull(reference))
    }
    try Interruption.handle { _ in task.cancel() }
    try await task.value
  }

  private func pull(_ reference: ModelReference) async throws -> PulledModel {
    let puller = try options.client().puller
    let meter = TransferMeter("\(reference)", isWanted: !format.json)
    defer { meter.end() }
    switch (try cache.cache(), output) {
    case (let cache?, let output?):
      return try await puller.pull(reference, into: output, through: cache, progress: meter.show)
    case (let cache?, nil): return try await puller.pull(reference, into: cache, progress: meter.show)
    case (nil, let output?): return try await puller.pull(reference, into: output, progress: meter.show)
    case (nil, nil): preconditionFailure("validated: without a cache there is a folder")
    }
  }

  private func find(_ reference: ModelReference) async throws -> PulledModel {
    guard let cache = try cache.cache() else { preconditionFailure("validated: offline there is a cache") }
    let membership = try PulledModel.membership(of: options.home.directory(of: "a consumer"))
    let model = try cache.find(reference, membership: membership)
    return if let output { try await cache.copy(model, into: output, membership: membership) } else { model }
  }

  private func printResult(_ pulled: PulledModel) throws {
    guard output != nil || format.json else { return Terminal.print(pulled.directory) }
    try VersionResult(pulled).print(json: format.json)
  }
}

/// Where pulled versions are kept for other commands.
struct CacheOptions: ParsableArguments {
  @Option(
    name: .customLong("cache"),
    help: ArgumentHelp(
      "The folder of the cache. Without it, murmur in the environment's XDG_CACHE_HOME, or else in ~/.cache.",
      valueName: "dir"))
  var directory: String?

  @Flag(name: .customLong("no-cache"), help: "Keep the version in --output alone.")
  var isOff = false

  func validate() throws {
    if isOff, directory != nil { throw ValidationError("expected one of --cache and --no-cache") }
    if directory?.isEmpty == true { throw ValidationError("--cache: found '', expected a folder") }
  }

  /// Nil where none is wanted.
  func cache() throws -> PullCache? {
    if isOff { return nil }
    if let directory { return PullCache(root: directory) }
    guard let usual = PullCache.usual({ name in getenv(name).map { String(cString: $0) } }) else {
      throw CommandFailure(.usage, "--cache: found neither it nor HOME, expected a folder to keep versions in")
    }
    return usual
  }
}

extension TransferMeter {
  func show(_ progress: PullProgress) {
    show(progress.byteCount, of: progress.total, progress.isWaiting ? "waiting for another process" : "")
  }
}

/// `murmur verify`.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check a pulled model without a network: signature, signer, every digest.",
    discussion: """
      Ends with 0 if everything holds and with 5 if anything does not, saying what.

      Example:

          murmur verify digits --home demo/consumer
      """)

  @Argument(help: ArgumentHelp("A folder that 'murmur pull' wrote.", valueName: "dir"))
  var directory: String

  @OptionGroup var home: HomeOption
  @OptionGroup var output: OutputOption
  @OptionGroup var supervision: SupervisionOption

  func run() throws {
    supervision.begin()
    let party = try home.directory(of: "a consumer")
    try VersionResult(PulledModel.verify(directory: directory, home: party)).print(json: output.json)
  }
}

/// What `pull` and `verify` say of a version that they have verified.
struct VersionResult: Codable {
  let directory: String
  let path: String
  let manifest: String
  let model: String
  let version: UInt64
  let digest: String
  let signer: String

  init(_ pulled: PulledModel) {
    directory = pulled.directory
    path = pulled.modelPath
    manifest = pulled.manifestPath
    model = "\(pulled.manifest.model)@\(pulled.manifest.version)"
    version = pulled.manifest.version.value
    digest = "sha256:\(pulled.digest)"
    signer = pulled.signer.text
  }

  func print(json: Bool) throws {
    guard !json else { return Terminal.print(try JSONOutput.document(self)) }
    Terminal.print("model   \(model)")
    Terminal.print("path    \(path)")
    Terminal.print("digest  \(digest)")
    Terminal.print("signer  \(signer), signature verified")
  }
}
