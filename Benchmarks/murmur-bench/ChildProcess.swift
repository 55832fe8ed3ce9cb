import Foundation
import Glibc

/// One `murmur` process with its log in a file. It is gone when its last reference is, or when this process is.
final class ChildProcess {
  let process: pid_t
  private let logPath: String
  /// The writing end of the child's parent pipe: closed with this process, and the child ends.
  private let lifeline: Int32
  private var isReaped = false
  private var logRead = 0
  private var partialLine = ""

  /// Free in every child, because all other descriptors of this process close on exec.
  private static let parentPipe: Int32 = 3

  /// The binary beside this one; the environment's MURMUR_PROGRAM replaces it.
  static var program: String {
    if let given = ProcessInfo.processInfo.environment["MURMUR_PROGRAM"] { return given }
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(filePath: own).deletingLastPathComponent().appending(path: "murmur").path
  }

  init(_ arguments: [String], logPath: String) throws(BenchmarkFailure) {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw .system("pipe", errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, logPath, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    // The duplicate does not close on exec, unless both are the same descriptor: then the pipe's end moves away first.
    if ends[0] == Self.parentPipe {
      let moved = fcntl(ends[0], F_DUPFD_CLOEXEC, Self.parentPipe + 1)
      close(ends[0])
      ends[0] = moved
    }
    posix_spawn_file_actions_adddup2(&actions, ends[0], Self.parentPipe)
    let program = Self.program
    var words = ([program] + arguments + ["--parent-pipe", "\(Self.parentPipe)"]).map { strdup($0) }
    words.append(nil)
    defer { for word in words { free(word) } }
    var process = pid_t()
    let result = posix_spawn(&process, program, &actions, nil, words, environ)
    close(ends[0])
    guard result == 0 else {
      close(ends[1])
      throw .system("start of \(program)", result)
    }
    self.process = process
    self.logPath = logPath
    lifeline = ends[1]
  }

  deinit {
    end()
    close(lifeline)
  }

  /// Ends the process now (SIGKILL) and waits until it is gone.
  func end() {
    guard !isReaped else { return }
    kill(process, SIGKILL)
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    isReaped = true
  }

  /// The log lines that were written since the call before.
  func newLines() -> [LogLine] {
    guard let file = FileHandle(forReadingAtPath: logPath) else { return [] }
    defer { try? file.close() }
    try? file.seek(toOffset: UInt64(logRead))
    guard let data = try? file.readToEnd(), !data.isEmpty else { return [] }
    logRead += data.count
    var pieces = (partialLine + String(decoding: data, as: UTF8.self)).split(
      separator: "\n", omittingEmptySubsequences: false)
    partialLine = String(pieces.removeLast())
    return pieces.compactMap { LogLine($0) }
  }

  /// Reads lines until `isLast` is true of one.
  ///
  /// - Returns: what was read, the last one last.
  func lines(within limit: Duration, until isLast: (LogLine) -> Bool) throws(BenchmarkFailure) -> [LogLine] {
    let deadline = ContinuousClock.now + limit
    var lines: [LogLine] = []
    while ContinuousClock.now < deadline {
      for line in newLines() {
        lines.append(line)
        if isLast(line) { return lines }
      }
      usleep(2_000)
    }
    throw .silence(limit, log: logPath, last: lines.last?.text ?? "nothing")
  }

  /// Resident memory that is the process's own, in bytes: without the pages of files and of shared memory.
  var ownBytes: Int { statusBytes("RssAnon:") }
  /// The most resident memory that there was, in bytes.
  var peakBytes: Int { statusBytes("VmHWM:") }

  private func statusBytes(_ key: String) -> Int {
    let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix(key) }
    let value = line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) }
    return (value ?? 0) * 1024
  }

  /// Seconds of processors that the process has used, all threads together.
  var processorSeconds: Double {
    let text = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
    // Behind the name in parentheses; utime and stime are fields 14 and 15 (proc(5)), 12 and 13 from there.
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }
}

/// One line of a process's log.
///
///     2026-11-22T14:05:09.123Z info coordinator: round attempt=digits/3.0 seconds=0.012
struct LogLine {
  let text: String
  /// Seconds since 1970, to the millisecond.
  let time: Double
  let message: String
  let values: [String: String]

  init?(_ line: Substring) {
    text = String(line)
    guard let space = line.firstIndex(of: " "), let time = Self.seconds(line[..<space]),
      let colon = line.range(of: ": ")
    else { return nil }
    self.time = time
    var values: [String: String] = [:]
    var words: [Substring] = []
    for word in line[colon.upperBound...].split(separator: " ") {
      let parts = word.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { values[String(parts[0])] = String(parts[1]) } else { words.append(word) }
    }
    message = words.joined(separator: " ")
    self.values = values
  }

  private static func seconds(_ stamp: Substring) -> Double? {
    let numbers = stamp.prefix(19).split(whereSeparator: { "-T:".contains($0) }).compactMap { Int32($0) }
    guard numbers.count == 6, let fraction = Double("0" + stamp.dropFirst(19).dropLast()) else { return nil }
    var parts = tm()
    (parts.tm_year, parts.tm_mon, parts.tm_mday) = (numbers[0] - 1900, numbers[1] - 1, numbers[2])
    (parts.tm_hour, parts.tm_min, parts.tm_sec) = (numbers[3], numbers[4], numbers[5])
    return Double(timegm(&parts)) + fraction
  }
}

/// Why a benchmark has no figure.
enum BenchmarkFailure: Error, CustomStringConvertible {
  case system(String, Int32)
  case silence(Duration, log: String, last: String)
  case refused(String)

  var description: String {
    switch self {
    case .system(let what, let code): "\(what): \(String(cString: strerror(code)))"
    case .silence(let limit, let log, let last): "\(log): not what was expected within \(limit); last: \(last)"
    case .refused(let why): why
    }
  }
}

/// Seconds since 1970, as log lines have them.
func wallSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
