import ArgumentParser
import ClusterConfiguration
import ClusterRuntime
import Cryptography
import Federation
import Glibc
import Training

/// `--home`, or else the environment's MURMUR_HOME.
struct HomeOption: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "The party's folder, as 'murmur init' made it. Without it, the folder in the environment's MURMUR_HOME.",
      valueName: "folder"))
  var home: String?

  /// - Parameter party: whose folder it should be, for the error of a missing one ("a worker").
  func directory(of party: String) throws -> String {
    let given = home ?? getenv("MURMUR_HOME").map { String(cString: $0) }
    guard let given, !given.isEmpty else {
      throw CommandFailure(.usage, "--home: found neither it nor MURMUR_HOME, expected the folder of \(party)")
    }
    return given.count > 1 && given.hasSuffix("/") ? String(given.dropLast()) : given
  }
}

/// Where a data file has what is to be predicted.
struct LabelOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "The name of the label's column or array. Without it, the last column, or the array y or labels.",
      valueName: "column"))
  var label: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "In place of a label, the columns of numbers to predict, or the array of them.", valueName: "column,column"))
  var target: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The labels, or the numbers to predict, of an IDX or NPY file. Without it, the labels beside an IDX file that the MNIST files' names imply.",
      valueName: "file"))
  var labelFile: String?

  var reading: DatasetFile.Reading {
    let targets = target?.split(separator: ",", omittingEmptySubsequences: false).map(String.init) ?? []
    return .init(label: label, targets: targets, labelFile: labelFile)
  }

  /// The options that say the same as a description.
  static func arguments(_ file: ExampleFile) -> [String] {
    (file.label.map { ["--label", $0] } ?? [])
      + (file.targets.isEmpty ? [] : ["--target", file.targets.joined(separator: ",")])
  }

  func validate() throws {
    guard label == nil || target == nil else { throw ValidationError("expected one of --label and --target") }
  }
}

/// `--json` of commands that print results.
struct OutputOption: ParsableArguments {
  @Flag(name: .long, help: "Print results as JSON for programs instead of text for people.")
  var json = false
}

/// `--endpoints` of the parties that connect to a coordinator.
struct EndpointsOption: ParsableArguments {
  @Option(
    name: .customLong("endpoints"),
    help: ArgumentHelp(
      "A file with the coordinator's addresses that replaces those in the folder's file 'federation': what a "
        + "coordinator started with --any-port writes to state/endpoints.yaml.",
      valueName: "file"))
  var file: String?
}

/// What every party that runs for long does about its memory.
struct SecrecyOption: ParsableArguments {
  static let name = "allow-core-dumps"

  @Flag(
    name: .customLong(name),
    help: """
      Let the system write a core dump of this process, Swift a backtrace of its crash, and debuggers in. Without it \
      none of these can be: its memory holds secret keys, and updates before they are masked.
      """)
  var allowCoreDumps = false

  func begin() throws {
    guard !allowCoreDumps else { return }
    do throws(CryptographyError) {
      try SecretMemory.forbidCoreDumps()
    } catch {
      // A pattern behind 'catch' crashes this compiler where the error has a text in it.
      guard case .coreDumpsNotForbidden(let code) = error else { throw error }
      throw CommandFailure(
        .failed,
        "cannot forbid core dumps: \(String(cString: strerror(code))); --\(Self.name) goes on without that")
    }
  }
}

/// A pipe whose closing ends this process: how children of 'murmur up' notice that their supervisor is gone.
struct SupervisionOption: ParsableArguments {
  @Option(name: .customLong("parent-pipe"), help: .hidden)
  var parentPipe: Int32?

  func begin() {
    if let parentPipe { ParentPipe.watch(parentPipe) }
  }
}

/// Seconds since 1970-01-01 UTC.
func secondsSince1970() -> UInt64 { UInt64(max(0, time(nil))) }
