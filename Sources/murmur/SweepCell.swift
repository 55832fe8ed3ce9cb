import ClusterConfiguration
import ClusterRuntime
import Cryptography
import Federation
import ModelRegistry
import Reports
import SecureAggregation

/// One simulation of a sweep: what is changed, and the seed.
struct SweepCell: Hashable, Sendable {
  /// In the order of the sweep's keys.
  let changes: [ConfigurationChange]
  let seed: UInt64
  /// Of everything that its result follows from: a file of this name is its result.
  let identity: String

  /// - Parameters:
  ///   - text: of the scenario with the changes.
  ///   - until: when it is cut short.
  init(changes: [ConfigurationChange], seed: UInt64, text: String, until: String?) {
    self.changes = changes
    self.seed = seed
    let subject = [Product.name, "\(seed)", until ?? "", text].map { "\($0.utf8.count):\($0)" }.joined()
    identity = String(Digest.sha256(of: Array(subject.utf8)).hex.prefix(32))
  }

  /// The simulation's command, without the program's name.
  func arguments(scenario: String, setting always: [ConfigurationChange], until: String?) -> [String] {
    ["simulate", scenario] + (always + changes).flatMap { ["--set", $0.description] } + ["--seed", "\(seed)"]
      + (until.map { ["--until", $0] } ?? [])
  }
}

/// What came out of a cell, as its file says.
struct SweepCellResult: Codable, Hashable {
  static let format = "murmuration-sweep-cell"
  static let version = 1

  var format = Self.format
  var formatVersion = Self.version
  let identity: String
  let values: [String]
  let seed: UInt64
  let accuracy: Double?
  let loss: Double?
  let rounds: UInt64
  let seconds: Double
  let bytes: UInt64
  let modelDigest: String
  let violations: [String]
  let failedExpectations: [String]

  init(_ cell: SweepCell, _ summary: SimulationSummary) {
    identity = cell.identity
    values = cell.changes.map(\.value)
    seed = cell.seed
    accuracy = summary.accuracy
    loss = summary.loss
    rounds = summary.version
    seconds = summary.virtualSeconds
    bytes = summary.bytes
    modelDigest = summary.modelDigest
    violations = summary.violations
    failedExpectations = summary.failedExpectations
  }

  /// The result of a cell that is done; nil for one that is not.
  ///
  /// - Throws: for a file that is there and is no result of this cell.
  static func read(_ cell: SweepCell, in folder: String) throws -> SweepCellResult? {
    let path = path(of: cell, in: folder)
    guard DurableFile.exists(path) else { return nil }
    let text = try TextFile.read(path)
    guard let result = try? JSONOutput.decode(SweepCellResult.self, from: text), result.format == format,
      result.formatVersion == version, result.identity == cell.identity
    else {
      throw CommandFailure(
        .usage, "\(path): found another content, expected '\(format)' \(version) of cell \(cell.identity); remove it")
    }
    return result
  }

  static func path(of cell: SweepCell, in folder: String) -> String { "\(folder)/\(cell.identity).json" }

  func write(in folder: String) throws {
    try TextFile.write(try JSONOutput.document(self) + "\n", to: "\(folder)/\(identity).json")
  }

  var reported: SweepReport.Cell {
    SweepReport.Cell(
      values: values, seed: seed, accuracy: accuracy, loss: loss, rounds: Int(clamping: rounds), seconds: seconds,
      bytes: Double(bytes), isAsExpected: violations.isEmpty && failedExpectations.isEmpty)
  }
}
