import ArgumentParser
import ClusterRuntime
import Federation
import ModelRegistry

/// Where a command finds a serving node.
struct PullOptions: ParsableArguments {
  @OptionGroup var home: HomeOption

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The serving node's pull socket, such as tcp://127.0.0.1:7704. Without it, the one in the folder's file "
        + "'federation'.",
      valueName: "address"))
  var endpoint: String?

  func client() throws -> PullClient {
    try PullClient(home: home.directory(of: "a consumer"), endpoint: endpoint)
  }
}

/// `murmur pull`.
struct PullCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pull",
    abstract: "Fetch a model from a serving node, verify it, and write it to a folder.",
    discussion: """
      Nothing is written before the signature, the signer's certificate and every digest have been checked against the \
      consumer's own file 'federation'. Writes DIR/model.safetensors, DIR/manifest.json and DIR/manifest.sig.

      Examples:

          murmur pull digits@latest -o digits --home demo/consumer
          murmur pull digits@3 -o digits-3 --home demo/consumer
      """)

  @Argument(
    help: ArgumentHelp(
      "Which version: NAME@3 by number, NAME@latest by alias, NAME@sha256:… by its manifest's digest.",
      valueName: "reference"))
  var reference: String

  @Option(
    name: [.short, .long], help: ArgumentHelp("The folder to write to; made if it is not there.", valueName: "dir"))
  var output: String

  @OptionGroup var options: PullOptions
  @OptionGroup var format: OutputOption
  @OptionGroup var supervision: SupervisionOption

  func run() async throws {
    supervision.begin()
    _ = try ModelReference(parsing: reference)
    let pulled = try await options.client().pull(reference: reference, into: output)
    try VersionResult(pulled).print(json: format.json)
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
  let path: String
  let manifest: String
  let model: String
  let version: UInt64
  let digest: String
  let signer: String

  init(_ pulled: PulledModel) {
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
