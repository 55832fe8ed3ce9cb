import ClusterRuntime
import Foundation
import ModelRegistry
import Reports

/// Histories on disk: those of simulations, and what `murmur run show --json` prints of runs of a cluster.
enum HistoryFile {
  static let byteCountMax = 256 << 20

  /// - Parameter path: of a report's folder, or of the file itself.
  /// - Throws: `CommandFailure` that names the file and what was expected.
  static func read(_ path: String) throws -> RunHistory {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw CommandFailure(.notFound, "\(path): found nothing, expected a report's folder or a \(RunHistory.fileName)")
    }
    let file = isFolder.boolValue ? "\(path)/\(RunHistory.fileName)" : path
    guard FileManager.default.fileExists(atPath: file) else {
      throw CommandFailure(
        .notFound, "\(file): no such file; expected the folder that 'murmur simulate --report' wrote")
    }
    return try decode(Data(DurableFile.read(file, byteCountMax: byteCountMax)), file: file)
  }

  static func decode(_ data: Data, file: String) throws -> RunHistory {
    let decoder = JSONDecoder()
    if let header = try? decoder.decode(RunHistoryHeader.self, from: data) {
      guard header.format == RunHistory.format, header.version == RunHistory.version else {
        throw CommandFailure(
          .usage,
          "\(file): found format '\(header.format)' \(header.version), expected '\(RunHistory.format)' "
            + "\(RunHistory.version)")
      }
      return try decode(RunHistory.self, data, decoder, file: file)
    }
    guard (try? decoder.decode(ClusterRunDocument.Mark.self, from: data)) != nil else {
      throw CommandFailure(
        .usage, "\(file): found neither, expected a \(RunHistory.fileName) or the output of 'murmur run show --json'")
    }
    return try decode(ClusterRunDocument.self, data, decoder, file: file).history
  }

  private static func decode<T: Decodable>(_ type: T.Type, _ data: Data, _ decoder: JSONDecoder, file: String) throws
    -> T
  {
    do {
      return try decoder.decode(type, from: data)
    } catch let error as DecodingError {
      throw CommandFailure(.usage, "\(file): \(problem(error))")
    }
  }

  /// The key, and what is wrong with it.
  private static func problem(_ error: DecodingError) -> String {
    func place(_ path: [any CodingKey]) -> String {
      path.reduce("") { place, key in
        if let index = key.intValue { return "\(place)[\(index)]" }
        return place.isEmpty ? key.stringValue : "\(place).\(key.stringValue)"
      }
    }
    switch error {
    case .keyNotFound(let key, let context):
      return "key '\(place(context.codingPath + [key]))': found none, expected one"
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      return "key '\(place(context.codingPath))': found another kind of value, expected \(type)"
    case .dataCorrupted(let context):
      return "key '\(place(context.codingPath))': found a value that is not known, expected one of this format"
    @unknown default: return "\(error)"
    }
  }
}

/// What of the output of `murmur run show --json` makes a history.
private struct ClusterRunDocument: Decodable {
  /// What says that it is one.
  struct Mark: Decodable {
    struct Name: Decodable {
      let run: String
    }

    let run: Name
    let rounds: [Name]
  }

  struct Run: Decodable {
    let run: String
    let state: String
    let roundsCommitted: Int
    let roundsPlanned: Int
  }

  struct Round: Decodable {
    let round: Int
    let attempt: Int
    let outcome: RunHistory.Attempt.Outcome
    let reason: String?
    let cohort: Int
    let reported: Int
    let loss: Double?
    let accuracy: Double?
    let centralLoss: Double?
    let centralAccuracy: Double?
    let seconds: Double
    let bytesUpPerWorker: Double
    let bytesUp: Double?
    let bytesDown: Double?
    let version: Int?
  }

  let run: Run
  let rounds: [Round]

  /// Attempts follow one another without a pause: the time between them is not in the document.
  var history: RunHistory {
    var latest = 0, clock = 0.0
    let attempts = rounds.map { round in
      let attempt = RunHistory.Attempt(
        round: round.round, attempt: round.attempt, outcome: round.outcome, reason: round.reason, start: clock,
        end: clock + round.seconds, phases: nil, cohort: round.cohort, reported: round.reported,
        bytesUp: round.bytesUp ?? round.bytesUpPerWorker * Double(round.reported), bytesDown: round.bytesDown,
        baseVersion: latest,
        evaluation: round.loss.map { .init(loss: $0, accuracy: round.accuracy) },
        central: round.centralLoss.map { .init(loss: $0, accuracy: round.centralAccuracy) }, version: round.version)
      clock += round.seconds
      latest = round.version ?? latest
      return attempt
    }
    var history = RunHistory(
      isSimulation: false, name: run.run, program: "murmur run show", outcome: run.state, modelVersion: latest,
      seconds: clock, bytes: attempts.reduce(0) { $0 + $1.bytesUp + ($1.bytesDown ?? 0) }, attempts: attempts)
    history.roundsPlanned = run.roundsPlanned
    return history
  }
}
