import ClusterRuntime
import Glibc
import ModelRegistry
import Pulling

/// A shell command that is run for a version, in a process group of its own.
struct VersionHook: Sendable {
  private static let pollInterval = Duration.milliseconds(20)
  /// From the request to end to the end by force.
  private static let grace = Duration.seconds(2)

  /// For `/bin/sh -c`.
  let command: String
  let deadline: Duration

  /// Runs the command to its end, and ends it where it does not come in time or the task is cancelled.
  ///
  /// - Returns: what went wrong, to stand behind the command's name; nil for success.
  func run(for model: PulledModel) async -> String? {
    let process: pid_t
    switch spawn(model) {
    case .success(let started): process = started
    case .failure(let error): return "cannot be started: \(String(cString: strerror(error.code)))"
    }
    if let ending = await wait(for: process, deadline) {
      return ending == .exited(code: 0) ? nil : "\(ending)"
    }
    let isInterrupted = Task.isCancelled
    kill(-process, SIGTERM)
    // Whoever interrupts waits for this: not in the cancelled task.
    await Task.detached { if await wait(for: process, Self.grace) == nil { await end(process) } }.value
    return isInterrupted ? "was interrupted" : "did not end within \(deadline)"
  }

  private func end(_ process: pid_t) async {
    kill(-process, SIGKILL)
    _ = await wait(for: process, Self.grace)
  }

  /// - Returns: nil if the process has not ended in time, or the task is cancelled.
  private func wait(for process: pid_t, _ limit: Duration) async -> ProcessEnding? {
    let begun = ContinuousClock.now
    while true {
      var status: Int32 = 0
      if waitpid(process, &status, WNOHANG) == process { return ProcessEnding(status: status) }
      guard ContinuousClock.now - begun < limit, !Task.isCancelled else { return nil }
      try? await Task.sleep(for: Self.pollInterval)
    }
  }

  private struct SpawnError: Error { let code: Int32 }

  private func spawn(_ model: PulledModel) -> Result<pid_t, SpawnError> {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    // Standard output has one line a version, and nothing else.
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF))
    let words: [String] = ["/bin/sh", "-c", command]
    let arguments = words.map { strdup($0) }
    let variables = environment(for: model).map { strdup($0) }
    defer { for copy in arguments + variables { free(copy) } }
    var process = pid_t()
    let code = posix_spawn(&process, "/bin/sh", &actions, &attributes, arguments + [nil], variables + [nil])
    return code == 0 ? .success(process) : .failure(SpawnError(code: code))
  }

  /// This process's, without its keys, and with what the version is.
  private func environment(for model: PulledModel) -> [String] {
    let own = [
      "MURMUR_MODEL=\(model.manifest.model)", "MURMUR_VERSION=\(model.manifest.version)",
      "MURMUR_PATH=\(Self.absolute(model.directory))",
    ]
    let replaced = ["MURMUR_MODEL=", "MURMUR_VERSION=", "MURMUR_PATH=", "MURMUR_API_KEY="]
    var inherited: [String] = []
    var next = environ
    while let entry = next.pointee {
      let text = String(cString: entry)
      if !replaced.contains(where: text.hasPrefix) { inherited.append(text) }
      next += 1
    }
    return inherited + own
  }

  private static func absolute(_ path: String) -> String {
    guard let found = realpath(path, nil) else { return path }
    defer { free(found) }
    return String(cString: found)
  }
}
