import ArgumentParser
import ClusterRuntime
import Federation
import ModelRegistry
import Pulling

/// `murmur pull --follow`.
struct FollowOptions: ParsableArguments {
  private static let secondsMax = 86_400.0

  @Flag(
    name: .customLong("follow"),
    help: "Stay: bring each version that the alias comes to into DIR/VERSION, and let DIR/current point to it.")
  var isOn = false

  @Option(
    name: .long,
    help: ArgumentHelp("With --follow: seconds between two questions; 2 if left out.", valueName: "seconds"))
  var interval: Double?

  @Option(
    name: .long,
    help: ArgumentHelp("With --follow: newest version folders that stay; 3 if left out.", valueName: "n"))
  var keep: Int?

  @Option(
    name: .customLong("exec"),
    help: ArgumentHelp(
      "With --follow: a shell command to run after each new version, with MURMUR_MODEL, MURMUR_VERSION and MURMUR_PATH in "
        + "its environment; what it prints goes to standard error.", valueName: "command"))
  var command: String?

  @Option(
    name: .customLong("exec-deadline"),
    help: ArgumentHelp("Seconds after which such a command is ended; 60 if left out.", valueName: "seconds"))
  var commandDeadline: Double?

  func validate() throws {
    for (name, value) in [("interval", interval), ("exec-deadline", commandDeadline)] {
      if let value, !(value > 0 && value <= Self.secondsMax) {
        throw ValidationError("--\(name): found \(value), expected seconds above 0, at most \(Int(Self.secondsMax))")
      }
    }
    if let keep, !(1...FollowFolder.keepMax).contains(keep) {
      throw ValidationError("--keep: found \(keep), expected 1 to \(FollowFolder.keepMax)")
    }
    guard !isOn else { return }
    for (name, isGiven) in [
      ("interval", interval != nil), ("keep", keep != nil), ("exec", command != nil),
      ("exec-deadline", commandDeadline != nil),
    ] where isGiven { throw ValidationError("--\(name): found it without --follow, expected both") }
  }

  /// Follows until the task is cancelled.
  func run(_ pull: PullCommand, _ reference: ModelReference) async throws {
    guard let directory = pull.output else { preconditionFailure("validated: a follower has a folder") }
    let follower = ModelFollower(
      try pull.options.client().puller, into: FollowFolder(directory, keep: keep ?? 3),
      through: try pull.cache.cache(), interval: .seconds(interval ?? 2))
    let meter = TransferMeter("\(reference)", isWanted: !pull.format.json)
    var choices = SystemRandomNumberGenerator()
    try await follower.run(reference, choices: &choices, progress: meter.show) { event in
      meter.end()
      await report(event, json: pull.format.json)
    }
  }

  private func report(_ event: ModelFollower.Event, json: Bool) async {
    switch event {
    case .arrived(let model, let removed):
      let result = FollowResult(model, removed: removed)
      Terminal.print(json ? (try? JSONOutput.line(result)) ?? result.text : result.text)
      await runCommand(for: model)
    case .troubled(let error, let pause):
      Terminal.complain("\(error); asking again after about \(Readable.decimal(pause / .seconds(1), 0)) s")
    case .recovered: Terminal.note("the serving node answers again; there is no other version")
    }
  }

  /// A command that fails is reported; the next version may suit it better.
  private func runCommand(for model: PulledModel) async {
    guard let command else { return }
    let hook = VersionHook(command: command, deadline: .seconds(commandDeadline ?? 60))
    if let trouble = await hook.run(for: model) { Terminal.complain("--exec: '\(command)' \(trouble)") }
  }
}

/// What a follower says of each version.
private struct FollowResult: Encodable {
  let directory: String
  let model: String
  let version: UInt64
  let digest: String
  let removed: [UInt64]

  init(_ pulled: PulledModel, removed: [ModelVersion]) {
    directory = pulled.directory
    model = "\(pulled.manifest.model)@\(pulled.manifest.version)"
    version = pulled.manifest.version.value
    digest = "sha256:\(pulled.digest)"
    self.removed = removed.map(\.value)
  }

  var text: String { "\(model)  \(directory)  \(digest)" }
}
