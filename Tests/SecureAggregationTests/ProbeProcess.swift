import Foundation
import Testing

/// A `SecretProbe` process (Tests/SecretProbe): it goes on when it is told to, and ends with its last reference.
final class ProbeProcess {
  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()
  private let error = Pipe()
  private var pending: [UInt8] = []

  /// The binary beside this test bundle.
  static let program: URL = {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(filePath: own).deletingLastPathComponent().appending(path: "SecretProbe")
  }()

  convenience init(_ arguments: String...) throws { try self.init(command: [Self.program.path] + arguments) }

  /// - Parameter command: the path of a program and its arguments.
  init(command: [String]) throws {
    process.executableURL = URL(filePath: command[0])
    process.arguments = Array(command.dropFirst())
    process.standardInput = input
    process.standardOutput = output
    process.standardError = error
    try process.run()
  }

  deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

  var id: pid_t { process.processIdentifier }

  /// The next line of standard output; nil at its end.
  func line() -> String? {
    while true {
      if let end = pending.firstIndex(of: 0x0A) {
        defer { pending.removeSubrange(...end) }
        return String(decoding: pending[..<end], as: UTF8.self)
      }
      let more = output.fileHandleForReading.availableData
      if more.isEmpty { return nil }
      pending += more
    }
  }

  func goOn() throws { try input.fileHandleForWriting.write(contentsOf: [0x0A]) }

  /// What is left of both outputs, and the exit code, when the process has ended.
  func end() throws -> (lines: [String], complaints: String, code: Int32) {
    try input.fileHandleForWriting.close()
    var lines: [String] = []
    while let line = line() { lines.append(line) }
    let complaints = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (lines, complaints, process.terminationStatus)
  }
}
