import Foundation
import Testing

/// The program under test: the binary that was built beside these tests.
enum Program {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  static let digits = root + "/Simulations/Data/optdigits.csv"

  /// `murmur` in the folder of the test bundle; the environment's MURMUR_PROGRAM replaces it.
  static let path: String = {
    if let given = ProcessInfo.processInfo.environment["MURMUR_PROGRAM"] { return given }
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(filePath: own).deletingLastPathComponent().appending(path: "murmur").path
  }()

  struct Result {
    let code: Int32
    let output: String
    let error: String

    /// Lines on standard error.
    var complaints: [String] { error.split(separator: "\n").map(String.init) }
  }

  /// How long a command may run that is waited for.
  static let limit = Duration.seconds(100)

  /// Runs a command to its end.
  static func run(_ arguments: String..., environment: [String: String] = [:]) async throws -> Result {
    try await run(arguments, environment: environment)
  }

  static func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Result {
    let program = try RunningProgram(arguments, environment: environment)
    // A command that should have ended by itself is ended, so that its test fails instead of waiting for ever.
    let deadline = Task {
      try await Task.sleep(for: limit)
      program.send(SIGKILL)
    }
    defer { deadline.cancel() }
    var output = ""
    for await line in program.lines { output += line + "\n" }
    let code = await program.code
    return Result(code: code, output: output, error: program.error)
  }
}

/// A command that runs, its lines as they come.
final class RunningProgram: Sendable {
  /// Of standard output, without line ends; ends with the output.
  let lines: AsyncStream<String>
  let process: Int32
  private let errorPath: String
  private let ending: Task<Int32, Never>

  init(_ arguments: [String], environment: [String: String] = [:]) throws {
    let process = Process()
    process.executableURL = URL(filePath: Program.path)
    process.arguments = arguments
    process.currentDirectoryURL = URL(filePath: Program.root)
    var variables = ProcessInfo.processInfo.environment.filter { $0.key != "MURMUR_HOME" }
    variables["COLUMNS"] = "100"
    process.environment = variables.merging(environment) { _, new in new }
    errorPath = NSTemporaryDirectory() + "murmur-test-\(UUID().uuidString).err"
    _ = FileManager.default.createFile(atPath: errorPath, contents: nil)
    process.standardError = try FileHandle(forWritingTo: URL(filePath: errorPath))
    process.standardInput = FileHandle.nullDevice
    let pipe = Pipe()
    process.standardOutput = pipe
    let (codes, codeContinuation) = AsyncStream.makeStream(of: Int32.self)
    process.terminationHandler = {
      codeContinuation.yield(
        $0.terminationReason == .uncaughtSignal ? 128 + $0.terminationStatus : $0.terminationStatus)
    }
    let (lines, continuation) = AsyncStream.makeStream(of: String.self)
    self.lines = lines
    ending = Task {
      for await code in codes { return code }
      return -1
    }
    try process.run()
    self.process = process.processIdentifier
    let descriptor = pipe.fileHandleForReading.fileDescriptor
    Thread.detachNewThread {
      var pending: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 4096)
      while true {
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { break }
        pending += buffer[..<count]
        while let end = pending.firstIndex(of: 0x0A) {
          continuation.yield(String(decoding: pending[..<end], as: UTF8.self))
          pending.removeSubrange(...end)
        }
      }
      continuation.finish()
      withExtendedLifetime(pipe) {}
    }
  }

  deinit { unlink(errorPath) }

  /// The exit code, when there is one; 128 and the signal's number for a process that a signal ended.
  var code: Int32 { get async { await ending.value } }

  var error: String { (try? String(contentsOfFile: errorPath, encoding: .utf8)) ?? "" }

  func send(_ signal: Int32) { kill(process, signal) }

  /// Skips lines up to the first that satisfies the claim; false if the output ends without one.
  func reaches(_ isReached: (String) -> Bool) async -> Bool {
    for await line in lines where isReached(line) { return true }
    return false
  }
}

/// A folder for one test, removed with it.
final class Workspace {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "murmur-test-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file and returns its path.
  func file(_ name: String, _ text: String) throws -> String {
    try text.write(toFile: "\(path)/\(name)", atomically: true, encoding: .utf8)
    return "\(path)/\(name)"
  }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(name)") }

  /// Processes that name this folder on their command lines.
  var processes: [(process: Int32, arguments: [String])] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { name in
      guard let process = Int32(name), let bytes = FileManager.default.contents(atPath: "/proc/\(name)/cmdline") else {
        return nil
      }
      let arguments = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      return arguments.contains { $0.contains(path) } ? (process, arguments) : nil
    }
  }

  /// The process of a party of a local federation in this folder.
  func process(ofPartyIn home: String) -> Int32? {
    processes.first { $0.arguments.contains("\(path)/\(home)") && !$0.arguments.contains("up") }?.process
  }

  /// Whether no process of this folder is left, or none after a while.
  func isDeserted() async throws -> Bool { try await eventually(within: .seconds(10)) { processes.isEmpty } }
}
