import ArgumentParser
import ClusterConfiguration
import ClusterRuntime
import Cryptography
import Federation
import ModelRegistry

/// `murmur init`: one folder per party of a new federation.
struct InitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract: "Make a new federation: one folder per party, with its keys and an example configuration.",
    discussion: """
      Makes DIR/authority, DIR/coordinator, DIR/worker-1 and so on, DIR/serving, DIR/consumer and DIR/operator. Each \
      folder holds its owner's secrets and the public file 'federation', and nobody else's secrets: hand each to its \
      owner, and keep DIR/authority, which alone can admit members, off line.

      Example: five workers of five organisations, coordinator and serving node on this machine:

          murmur init demo --workers 5 --federation demo --label digit

      Afterwards edit DIR/worker-N/worker.yaml (whose data), DIR/worker-N/policy.yaml (whose rules) and \
      DIR/operator/run.yaml (what to train).
      """)

  @Argument(help: ArgumentHelp("Where to make the folders: a path where nothing is yet.", valueName: "dir"))
  var directory: String

  @Option(name: .long, help: ArgumentHelp("How many workers, named worker-1 and so on.", valueName: "n"))
  var workers = 5

  @Option(
    name: .long,
    help: ArgumentHelp(
      "How many organisations the workers belong to, dealt out in turn. Without it, every worker has its own.",
      valueName: "n"))
  var organisations: Int?

  @Option(
    name: .long, help: ArgumentHelp("The federation's name. Without it, the last part of DIR.", valueName: "name"))
  var federation: String?

  @Option(name: .long, help: ArgumentHelp("The host that others connect to.", valueName: "host"))
  var host = "127.0.0.1"

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The first of five ports in a row: control, bulk, state, snapshot, and pull on the serving node.",
      valueName: "port"))
  var firstPort: UInt16 = 7700

  @Option(
    name: .long,
    help: ArgumentHelp("The name of the label's column in the workers' data files.", valueName: "column"))
  var label = "label"

  @Flag(
    name: .long,
    help: "Write policies that allow plain aggregation, in which the coordinator sees every worker's update.")
  var allowPlain = false

  @OptionGroup var output: OutputOption

  func validate() throws {
    guard (1...10_000).contains(workers) else {
      throw ValidationError("--workers: found \(workers), expected 1 to 10000")
    }
    guard (1...workers).contains(organisations ?? workers) else {
      throw ValidationError("--organisations: found \(organisations ?? workers), expected 1 to \(workers)")
    }
    guard (1...65_531).contains(firstPort) else {
      throw ValidationError("--first-port: found \(firstPort), expected 1 to 65531")
    }
  }

  private struct Result: Encodable {
    let federation: String
    let authorityKey: String
    let folders: [String]
  }

  func run() throws {
    let text = federation ?? directory.split(separator: "/").last.map(String.init) ?? directory
    guard let name = FederationID(text) else {
      throw CommandFailure(
        .usage,
        "--federation: found '\(text)', expected 1 to 128 letters, digits, '.', '_' or '-', a letter or digit first")
    }
    var policy = WorkerPolicy.standard
    policy.allowPlain = allowPlain
    let organisations = organisations ?? workers
    let plan = FederationPlan(
      federation: name,
      workers: (0..<workers).map { i in
        (WorkerID(unchecked: "worker-\(i + 1)"), OrganisationID(unchecked: "organisation-\(i % organisations + 1)"))
      },
      endpoints: Endpoints(host: host, firstPort: firstPort), now: secondsSince1970(), policy: policy, label: label)
    let secrets = SystemSecretSource()
    let file = try FederationHome.initialise(directory: directory, plan: plan, secrets: secrets) {
      FederationHome.linkKeyPair(from: secrets)
    }
    let folders = try DurableFile.names(in: directory).map { "\(directory)/\($0)" }
    if output.json {
      let result = Result(
        federation: name.text, authorityKey: file.membership.authorityKey.hex, folders: folders)
      Terminal.print(try JSONOutput.document(result))
    } else {
      Terminal.print("federation \(name), authority key \(file.membership.authorityKey.hex)")
      for folder in folders { Terminal.print(folder) }
      Terminal.print("next: put each worker's data where its worker.yaml says, then start")
      Terminal.print("  murmur coordinator --home \(directory)/coordinator --local")
      Terminal.print("  murmur worker --home \(directory)/worker-1   (and the others)")
      Terminal.print("  murmur serve --home \(directory)/serving")
      Terminal.print("  murmur run submit \(directory)/operator/run.yaml --home \(directory)/coordinator --watch")
    }
  }
}
