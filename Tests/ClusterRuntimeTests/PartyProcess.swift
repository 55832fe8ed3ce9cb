import Foundation
import Testing
import ZeroMQ

/// Asks again until the condition holds; false if it does not within the limit.
func eventually(
  within limit: Duration = .seconds(20), isolation: isolated (any Actor)? = #isolation,
  _ condition: () async throws -> Bool
) async rethrows -> Bool {
  let deadline = ContinuousClock.now + limit
  while ContinuousClock.now < deadline {
    if try await condition() { return true }
    try? await Task.sleep(for: .milliseconds(10))
  }
  return try await condition()
}

/// One `murmur` process with its log in a file. It is gone when its last reference is, or when this process is.
final class PartyProcess: Sendable {
  /// The binary beside the test bundle; the environment's MURMUR_PROGRAM replaces it.
  static let program: String = {
    if let given = ProcessInfo.processInfo.environment["MURMUR_PROGRAM"] { return given }
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(filePath: own).deletingLastPathComponent().appending(path: "murmur").path
  }()

  let logPath: String
  let process: pid_t
  /// The writing end of the child's parent pipe: closed with this process, and the child ends.
  private let lifeline: Int32
  /// The exit code once the process has ended and was reaped; 128 and the signal's number after a signal.
  private let exitCode = Locked<Int32?>(nil)

  /// - Parameter environment: in addition to this process's own.
  init(_ arguments: [String], environment: [String: String] = [:], logPath: String) throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, logPath, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    posix_spawn_file_actions_adddup2(&actions, ends[0], Self.parentPipe)
    var words = ([Self.program] + arguments + ["--parent-pipe", "\(Self.parentPipe)"]).map { strdup($0) }
    words.append(nil)
    defer { for word in words { free(word) } }
    let inherited = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    var settings = inherited.map { strdup("\($0)=\($1)") }
    settings.append(nil)
    defer { for setting in settings { free(setting) } }
    var process = pid_t()
    let result = posix_spawn(&process, Self.program, &actions, nil, words, settings)
    close(ends[0])
    guard result == 0 else {
      close(ends[1])
      throw POSIXError(POSIXErrorCode(rawValue: result) ?? .ENOENT)
    }
    self.logPath = logPath
    self.process = process
    lifeline = ends[1]
  }

  /// Free in every child, because all other descriptors of this process close on exec.
  private static let parentPipe: Int32 = 3

  deinit {
    end()
    close(lifeline)
  }

  /// Nil while the process runs.
  var code: Int32? { reap(waiting: false) }
  var isRunning: Bool { code == nil }

  func send(_ signal: Int32) {
    if isRunning { kill(process, signal) }
  }

  /// Ends the process now and waits until it is gone.
  func end() {
    send(SIGKILL)
    _ = reap(waiting: true)
  }

  private func reap(waiting: Bool) -> Int32? {
    exitCode.withLock { code in
      guard code == nil else { return code }
      var status: Int32 = 0
      guard waitpid(process, &status, waiting ? 0 : WNOHANG) == process else { return nil }
      let signal = status & 0x7F
      code = signal == 0 ? (status >> 8) & 0xFF : 128 + signal
      return code
    }
  }

  // MARK: Log

  var log: String { String(decoding: FileManager.default.contents(atPath: logPath) ?? Data(), as: UTF8.self) }
  var lines: [Substring] { log.split(separator: "\n") }

  /// How many log lines hold all of these texts.
  func count(_ pieces: String...) -> Int { lines.count { line in pieces.allSatisfy(line.contains) } }

  /// Whether a log line with all of these texts is there or comes within the limit.
  func logs(_ pieces: String..., within limit: Duration = .seconds(20)) async -> Bool {
    await eventually(within: limit) { lines.contains { line in pieces.allSatisfy(line.contains) } }
  }

  /// Resident memory in bytes; 0 if the process is gone.
  var residentBytes: Int {
    let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
  }
}
