import ClusterRuntime
import Glibc

/// All processes that a supervisor has started, and the pipe that ends them with it.
final class ProcessGroup: Sendable {
  /// How long children may take to stop after SIGTERM before they are killed.
  static let stopGrace = Duration.seconds(10)

  private struct State {
    var children: [ChildProcess] = []
    var isStopping = false
  }

  private let state = Guarded(State())
  private let lifeline: (reading: Int32, writing: Int32)
  private let logDirectory: String
  private let unexpected: @Sendable (ChildProcess, ProcessEnding) -> Void

  /// - Parameter unexpected: called for every process started with `start` that ends before `stop`.
  init(logDirectory: String, unexpected: @escaping @Sendable (ChildProcess, ProcessEnding) -> Void) throws {
    self.logDirectory = logDirectory
    self.unexpected = unexpected
    lifeline = try Pipe.make()
  }

  deinit {
    close(lifeline.reading)
    close(lifeline.writing)
  }

  /// Starts a process that is meant to live as long as the federation.
  @discardableResult
  func start(_ name: String, _ arguments: [String]) throws -> ChildProcess {
    try launch(name, arguments, outputPath: nil) { [unexpected, state] child, ending in
      if !state.with({ $0.isStopping }) { unexpected(child, ending) }
    }
  }

  /// Runs a command to its end.
  ///
  /// - Returns: its standard output.
  /// - Throws: `CommandFailure` with the command's own category and error line if it fails.
  func run(_ name: String, _ arguments: [String]) async throws -> String {
    let outputPath = "\(logDirectory)/\(name).out"
    let child = try launch(name, arguments, outputPath: outputPath) { _, _ in }
    let ending = await child.wait()
    guard ending == .exited(code: 0) else {
      let reason = child.lastLogLines(1).first.map { ": \($0.replacing("murmur: ", with: "", maxReplacements: 1))" }
      let category = if case .exited(let code) = ending { ExitCategory(rawValue: code) } else { nil as ExitCategory? }
      throw CommandFailure(category ?? .failed, "'murmur \(name)' \(ending)\(reason ?? "")")
    }
    return try TextFile.read(outputPath)
  }

  /// Runs a command to its end, whichever that is; its standard output goes to a file.
  func complete(_ name: String, _ arguments: [String], outputPath: String) async throws -> (ChildProcess, ProcessEnding)
  {
    let child = try launch(name, arguments, outputPath: outputPath) { _, _ in }
    return (child, await child.wait())
  }

  private func launch(
    _ name: String, _ arguments: [String], outputPath: String?,
    ended: @escaping @Sendable (ChildProcess, ProcessEnding) -> Void
  ) throws -> ChildProcess {
    // Under the lock, so that `stop` either sees the child or prevents it.
    try state.with { state in
      guard !state.isStopping else { throw CancellationError() }
      let child = try ChildProcess(
        name: name, arguments: arguments, lifeline: lifeline.reading, logPath: "\(logDirectory)/\(name).log",
        outputPath: outputPath, ended: ended)
      state.children.append(child)
      return child
    }
  }

  /// Tells all processes to end, waits for each, and kills those that take too long. Returns when all have been reaped.
  func stop() async {
    let children = state.with { state in
      state.isStopping = true
      return state.children
    }
    for child in children { child.send(SIGTERM) }
    let deadline = Task {
      try await Task.sleep(for: Self.stopGrace)
      for child in children { child.send(SIGKILL) }
    }
    for child in children { _ = await child.wait() }
    deadline.cancel()
  }

  /// Kills all processes at once; `stop` still waits for them.
  func kill() {
    for child in state.with({ $0.children }) { child.send(SIGKILL) }
  }
}
