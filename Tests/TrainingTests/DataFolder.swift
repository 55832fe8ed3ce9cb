import Foundation
import Testing

/// A folder for one test, removed with it.
final class DataFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "murmur-data-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file and returns its path.
  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    try Data(bytes).write(to: URL(filePath: "\(path)/\(name)"))
    return "\(path)/\(name)"
  }
}

/// The bytes of hexadecimal digits; blanks do not count.
func hex(_ text: String) -> [UInt8] {
  let digits = text.filter { !$0.isWhitespace }.compactMap(\.hexDigitValue)
  return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

/// Real data that the repository does not hold: the folder `shared/data` beside the repository's, or the environment's
/// MURMUR_DATA. Tests that need a file of it are skipped where it is absent.
func realData(_ name: String) -> String? {
  let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  let folder =
    ProcessInfo.processInfo.environment["MURMUR_DATA"]
    ?? repository.deletingLastPathComponent().appending(path: "shared/data").path
  let path = "\(folder)/\(name)"
  return FileManager.default.fileExists(atPath: path) ? path : nil
}
