import ClusterConfiguration
import Federation
import Glibc
import ModelRegistry
import Testing
import Wire
import ZeroMQ

@testable import ClusterRuntime

@Suite("An operator's commands", .timeLimit(.minutes(1)))
struct OperatorTests {
  static let row = RunRow(
    run: "digits", state: .running, model: "digits", roundsCommitted: 3, roundsPlanned: 20, reason: "")

  /// Operator sockets with a handler that knows one run.
  static func open(_ federation: TestFederation, links: TestLinks) async throws -> OperatorServer {
    let server = try OperatorServer(
      stateDirectory: federation.home("coordinator") + "/state", remote: "tcp://127.0.0.1:*",
      home: federation.coordinator, loop: links.loop, context: links.context, authenticator: links.authenticator,
      logger: TestFederation.logger)
    await server.start { request, _ in
      switch request {
      case .submitRun(let yaml):
        yaml == "name: digits" ? .runAccepted("digits") : .failed(Failure(.invalid, "run: key 'name': found nothing"))
      case .listRuns: .runs([row])
      case .status: .status(CoordinatorStatus(federation: "test", runs: [row], workers: [], models: [], rounds: []))
      case .runEvents("digits", let after, _):
        .runEvents(RunEvents(run: row, events: [RunEvent(sequence: after + 1, kind: .run(row))]))
      case .stopRun("digits"): .failed(Failure(.conflict, "the run 'digits' has ended already"))
      case .pauseRun("digits"), .resumeRun("digits"): .runChanged(row)
      case .deleteRun("digits"): .runDeleted("digits", versions: 4)
      case .showRun("digits"):
        .runDetail(
          RunDetail(
            run: row, configuration: "name: digits", submittedAt: 1, phase: "selecting", cohort: ["worker-1"],
            suitedWorkers: 1))
      case .runEvents(let run, _, _), .stopRun(let run), .pauseRun(let run), .resumeRun(let run), .deleteRun(let run),
        .showRun(let run):
        .failed(Failure(.notFound, "there is no run '\(run)'"))
      case .listVersions, .showVersion, .changeAlias, .retireVersion: .failed(Failure(.notFound, "there is no model"))
      }
    }
    return server
  }

  @Test("Every request is answered, from the coordinator's folder and from an operator's over TCP")
  func answers() async throws {
    let federation = try TestFederation()
    let links = try TestLinks(federation)
    let server = try await Self.open(federation, links: links)
    let remote = try #require(server.endpoints.last).withoutMappedAddress.rawValue
    let clients = [
      try OperatorClient(home: federation.home("coordinator")),
      try OperatorClient(home: federation.home("operator"), endpoint: remote),
    ]
    for client in clients {
      #expect(try await client.submit(runFile: "name: digits") == "digits")
      #expect(try await client.runs() == [Self.row])
      #expect(try await client.status().runs == [Self.row])
      #expect(try await client.events(run: "digits", after: 4).events.map(\.sequence) == [5])
      #expect(try await client.pause(run: "digits") == Self.row)
      #expect(try await client.resume(run: "digits") == Self.row)
      #expect(try await client.delete(run: "digits") == 4)
      #expect(try await client.show(run: "digits").cohort == ["worker-1"])
      let failures: [(ExitCategory, @Sendable () async throws(RuntimeError) -> Void)] = [
        (.usage, { () throws(RuntimeError) in _ = try await client.submit(runFile: "nonsense") }),
        (.notFound, { () throws(RuntimeError) in _ = try await client.events(run: "letters", after: 0) }),
        (.failed, { () throws(RuntimeError) in try await client.stop(run: "digits") }),
        (.notFound, { () throws(RuntimeError) in try await client.pause(run: "letters") }),
        (.notFound, { () throws(RuntimeError) in try await client.resume(run: "letters") }),
        (.notFound, { () throws(RuntimeError) in try await client.delete(run: "letters") }),
        (.notFound, { () throws(RuntimeError) in _ = try await client.show(run: "letters") }),
      ]
      for (expected, body) in failures { #expect(await PullTests.category(body) == expected) }
    }
  }

  @Test("The socket and its folder are closed to others, also if the folder was open")
  func modes() async throws {
    let federation = try TestFederation()
    let folder = federation.home("coordinator") + "/state"
    try DurableFile.createDirectory(folder, mode: 0o755)
    let links = try TestLinks(federation)
    let server = try await Self.open(federation, links: links)
    func mode(_ path: String) -> UInt32 {
      var status = stat()
      return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }
    #expect(mode(folder) == 0o700)
    #expect(mode(folder + "/operator.sock") == 0o600)
    withExtendedLifetime(server) {}
  }

  @Test("Keys of another role are refused over TCP; a path too long for a Unix socket is named")
  func refusals() async throws {
    let federation = try TestFederation()
    let links = try TestLinks(federation)
    links.authenticator.replace(with: [:])
    let server = try await Self.open(federation, links: links)
    let remote = try #require(server.endpoints.last).withoutMappedAddress.rawValue
    let client = try OperatorClient(home: federation.home("operator"), endpoint: remote)
    #expect(await PullTests.category { () throws(RuntimeError) in _ = try await client.runs() } == .notAuthorised)
    #expect(
      await PullTests.category { () throws(RuntimeError) in
        _ = try OperatorClient(home: federation.home("consumer"), endpoint: remote)
      } == .notAuthorised)
    #expect(
      await PullTests.category { () throws(RuntimeError) in _ = try OperatorClient(home: federation.home("operator")) }
        == .usage)
    let long = "/tmp/" + String(repeating: "x", count: 100)
    #expect(throws: RuntimeError.self) { try OperatorServer.socketPath(stateDirectory: long) }
    let lonely = try OperatorClient(
      home: federation.home("coordinator"), endpoint: "ipc://\(federation.root)/nobody.sock",
      deadline: .milliseconds(200))
    #expect(await PullTests.category { () throws(RuntimeError) in _ = try await lonely.runs() } == .network)
    withExtendedLifetime(server) {}
  }
}
