#if os(Linux)
  import Foundation
  import Testing

  /// What a party's process lets the system and its user see of its memory.
  @Suite("Core dumps of parties", .serialized, .timeLimit(.minutes(2)))
  struct CoreDumpTests {
    static let parties: [(command: String, home: String)] = [
      ("coordinator", "coordinator"), ("worker", "worker-1"), ("serve", "serving"),
    ]

    private static func arguments(_ party: (command: String, home: String), in federation: String) -> [String] {
      let needed = ["coordinator": ["--local", "--any-port"], "serve": ["--any-port"]][party.command] ?? []
      return [party.command, "--home", "\(federation)/\(party.home)"] + needed
    }

    @Test("A party that is aborted leaves no core and no backtrace, even where both are asked for", arguments: parties)
    func leavesNone(_ party: (command: String, home: String)) async throws {
      let workspace = try Workspace()
      let federation = try await workspace.makeFederation()
      // A worker without its data ends by itself.
      _ = try workspace.file("federation/worker-1/data.csv", "a,digit\n1,0\n2,1\n3,0\n4,1\n")
      let process = try AbortedParty(
        Self.arguments(party, in: federation), folder: workspace.path, backtraces: true)
      #expect(try await process.hasCoreLimit("0", "0"))
      #expect(await process.hasNoCrashHandler())
      let status = process.abort()
      #expect(status.signal == SIGABRT && !status.isDumped)
      #expect(!workspace.hasCore)
      #expect(!process.log.contains("Backtrace took"))
    }

    @Test("--allow-core-dumps leaves the limit as it was, and a core is written")
    func leavesOne() async throws {
      let workspace = try Workspace()
      let federation = try await workspace.makeFederation()
      let arguments = Self.arguments(Self.parties[0], in: federation) + ["--allow-core-dumps"]
      let process = try AbortedParty(arguments, folder: workspace.path, backtraces: false)
      #expect(try await process.isReady())
      #expect(try await process.hasCoreLimit("unlimited", "unlimited"))
      #expect(process.abort().isDumped)
    }

    @Test("The parties of 'murmur up' forbid cores, or allow them all together", arguments: [false, true])
    func handsOn(isAllowed: Bool) async throws {
      let workspace = try Workspace()
      let file = try TinyFederation(rounds: 1000).write(to: workspace)
      let options = isAllowed ? ["--allow-core-dumps"] : []
      let up = try RunningProgram(["up", file, "--home", workspace.path + "/home"] + options)
      #expect(await up.reaches { $0.split(separator: " ").first == "1" })
      let own = try CoreLimit(of: getpid())
      for home in ["coordinator", "worker-1", "worker-5", "serving"] {
        let party = try #require(workspace.process(ofPartyIn: "home/\(home)"))
        let limit = try CoreLimit(of: party)
        #expect(isAllowed ? limit == own : limit == CoreLimit(soft: "0", hard: "0"), "\(home)")
      }
      up.send(SIGTERM)
      _ = await up.code
      #expect(try await workspace.isDeserted())
    }
  }

  /// The line of /proc/PID/limits (proc(5)).
  private struct CoreLimit: Equatable {
    let soft: String
    let hard: String

    init(soft: String, hard: String) {
      self.soft = soft
      self.hard = hard
    }

    init(of process: Int32) throws {
      let text = try String(contentsOfFile: "/proc/\(process)/limits", encoding: .utf8)
      let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("Max core file size") })
      let words = line.split(separator: " ")
      self.init(soft: String(words[4]), hard: String(words[5]))
    }
  }

  /// A party started where cores have no limit, in a folder where they would be written.
  private final class AbortedParty {
    struct Status {
      let signal: Int32
      let isDumped: Bool
    }

    private let process: pid_t
    private let lifeline: Int32
    private let logPath: String
    private var isReaped = false

    /// - Parameter backtraces: whether Swift's runtime is asked to catch crashes; it then ignores an abort from outside.
    init(_ arguments: [String], folder: String, backtraces: Bool) throws {
      var ends: [Int32] = [0, 0]
      try #require(pipe(&ends) == 0)
      _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
      logPath = folder + "/log"
      var actions = posix_spawn_file_actions_t()
      posix_spawn_file_actions_init(&actions)
      defer { posix_spawn_file_actions_destroy(&actions) }
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
      posix_spawn_file_actions_addopen(&actions, 1, logPath, O_WRONLY | O_CREAT | O_APPEND, 0o600)
      posix_spawn_file_actions_adddup2(&actions, 1, 2)
      posix_spawn_file_actions_adddup2(&actions, ends[0], 3)
      // A limit below 'unlimited' that may not be raised ends the shell, and the test with it.
      let script =
        "export SWIFT_BACKTRACE=enable=\(backtraces ? "yes" : "no"); ulimit -c unlimited && cd \"$0\" && exec \"$@\""
      let words = ["sh", "-c", script, folder, Program.path] + arguments + ["--parent-pipe", "3"]
      var copies = words.map { strdup($0) }
      copies.append(nil)
      defer { for copy in copies { free(copy) } }
      var process = pid_t()
      let result = posix_spawn(&process, "/bin/sh", &actions, nil, copies, environ)
      close(ends[0])
      self.process = process
      lifeline = ends[1]
      try #require(result == 0)
    }

    deinit {
      if !isReaped { _ = end(SIGKILL) }
      close(lifeline)
    }

    /// Whether these become the limits within the time that a start takes.
    func hasCoreLimit(_ soft: String, _ hard: String) async throws -> Bool {
      try await eventually { try CoreLimit(of: process) == CoreLimit(soft: soft, hard: hard) }
    }

    var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }

    func isReady() async throws -> Bool { try await eventually { log.contains("coordinator ready") } }

    /// Whether SIGABRT comes to be caught by nobody (SigCgt of /proc/PID/status, proc(5)).
    func hasNoCrashHandler() async -> Bool {
      let isSo = try? await eventually {
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("SigCgt:") })
        let caught = try #require(UInt64(line.split(separator: "\t")[1], radix: 16))
        return caught & (1 << UInt64(SIGABRT - 1)) == 0
      }
      return isSo ?? false
    }

    func abort() -> Status { end(SIGABRT) }

    private func end(_ signal: Int32) -> Status {
      kill(process, signal)
      var status: Int32 = 0
      while waitpid(process, &status, 0) < 0, errno == EINTR {}
      isReaped = true
      return Status(signal: status & 0x7F, isDumped: status & 0x80 != 0)  // WCOREDUMP, waitpid(2).
    }
  }

  extension Workspace {
    /// Whether there is a core under the name that the kernel gives it unless told otherwise (core(5)).
    fileprivate var hasCore: Bool {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
      return names.contains { $0.hasPrefix("core") }
    }
  }
#endif
