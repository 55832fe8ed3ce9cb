import ClusterRuntime
import Foundation
import ModelRegistry
import Reports

/// A folder with a report: a page, its pictures as files, its tables, and the history that they were made from.
struct ReportFolder {
  let path: String

  /// Writes all files, each complete or not at all, then a PNG beside each SVG.
  func write(_ files: [ReportFile]) throws {
    try DurableFile.createDirectory(path)
    for file in files { try TextFile.write(file.text, to: "\(path)/\(file.name)") }
    try PictureConverter.convert(files.map { "\(path)/\($0.name)" }.filter { $0.hasSuffix(".svg") })
  }

  /// Writes a history and its report.
  func write(_ history: RunHistory) throws {
    let text = try JSONOutput.document(history) + "\n"
    try write([ReportFile(name: RunHistory.fileName, text: text)] + RunReport(history).files)
  }
}

/// Makes PNG files of SVG files with a program of the system, where it is installed.
enum PictureConverter {
  private static let program = "rsvg-convert"
  /// Pixels of the PNG for one of the SVG: enough for a printed page.
  private static let zoom = "2"

  static func convert(_ paths: [String]) throws {
    guard let converter = location else {
      return Terminal.note("no PNG files: \(program) was not found; on Debian it is in the package librsvg2-bin")
    }
    for path in paths {
      let process = Process()
      process.executableURL = URL(filePath: converter)
      process.arguments = ["--zoom", zoom, "--output", path.dropLast(4) + ".png", path]
      process.standardInput = FileHandle.nullDevice
      try process.run()
      process.waitUntilExit()
      guard process.terminationStatus == 0 else {
        throw CommandFailure(.failed, "\(path): \(program) ended with \(process.terminationStatus), and made no PNG")
      }
    }
  }

  /// In a folder of PATH.
  private static var location: String? {
    let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
    return folders.map { "\($0)/\(program)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }
}
