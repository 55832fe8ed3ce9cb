import ClusterConfiguration
import Federation
import ModelRegistry
import Wire
import ZeroMQ

/// An operator's commands to the coordinator.
package final class OperatorClient: Sendable {
  private let connection: ClientConnection<OperatorRequest, OperatorReply>

  /// Connects; nothing is asked yet.
  ///
  /// - Parameters:
  ///   - home: the coordinator's folder, whose Unix socket is used; with a TCP endpoint, the folder of an operator.
  ///   - endpoint: `tcp://HOST:PORT` or `ipc://PATH` in place of the Unix socket in `home`; nil for that one.
  ///   - deadline: for each answer.
  package init(home: String, endpoint: String? = nil, deadline: Duration = .seconds(10)) throws(RuntimeError) {
    let address: String
    if let endpoint { address = endpoint } else { address = try Self.localEndpoint(home: home) }
    let keys = address.hasPrefix("ipc://") ? nil : try ClientKeys(home: home, roles: [.operator], server: .coordinator)
    connection = try ClientConnection(
      to: Endpoint(rawValue: address), keys: keys, server: "the coordinator", profile: .operator(.connecting),
      deadline: deadline)
  }

  private static func localEndpoint(home: String) throws(RuntimeError) -> String {
    let path = home + "/coordinator.yaml"
    guard DurableFile.exists(path) else {
      throw RuntimeError(
        .usage, "\(path): found no such file, expected a coordinator's folder, or the coordinator's address beside it")
    }
    let configuration: CoordinatorConfiguration
    do throws(ConfigurationError) {
      configuration = try CoordinatorConfiguration.load(path: path)
    } catch {
      throw RuntimeError(error)
    }
    return "ipc://" + (try OperatorServer.socketPath(stateDirectory: configuration.stateDirectory))
  }

  /// Queues a run.
  ///
  /// - Parameter text: of a run file; the coordinator reads it. The question is asked once: it may have been taken even
  ///   if no answer comes.
  package func submit(runFile text: String) async throws(RuntimeError) -> RunID {
    guard text.utf8.count <= WireLimits.runFileBytesMax else {
      throw RuntimeError(
        .usage, "run file: found \(text.utf8.count) bytes, expected at most \(WireLimits.runFileBytesMax)")
    }
    guard case .runAccepted(let run) = try await ask(.submitRun(yaml: text), isRepeatable: false) else {
      throw Self.unexpected
    }
    return run
  }

  package func status() async throws(RuntimeError) -> CoordinatorStatus {
    guard case .status(let status) = try await ask(.status) else { throw Self.unexpected }
    return status
  }

  package func runs() async throws(RuntimeError) -> [RunRow] {
    guard case .runs(let rows) = try await ask(.listRuns) else { throw Self.unexpected }
    return rows
  }

  /// Where a run stands, and its events above `after`, oldest first, at most `limit` (1 to 1,024).
  package func events(run: RunID, after: UInt64, limit: UInt32 = 1024) async throws(RuntimeError) -> RunEvents {
    guard case .runEvents(let events) = try await ask(.runEvents(run, after: after, limit: limit)) else {
      throw Self.unexpected
    }
    return events
  }

  /// Offers no attempt of a run behind the one in hand.
  ///
  /// - Returns: where the run stands then.
  @discardableResult
  package func pause(run: RunID) async throws(RuntimeError) -> RunRow { try await change(.pauseRun(run)) }

  /// Lets a paused run go on from its last committed version.
  ///
  /// - Returns: where the run stands then.
  @discardableResult
  package func resume(run: RunID) async throws(RuntimeError) -> RunRow { try await change(.resumeRun(run)) }

  private func change(_ request: OperatorRequest) async throws(RuntimeError) -> RunRow {
    guard case .runChanged(let row) = try await ask(request, isRepeatable: false) else { throw Self.unexpected }
    return row
  }

  /// Forgets a run that has ended.
  ///
  /// - Returns: how many versions it made, which stay.
  @discardableResult
  package func delete(run: RunID) async throws(RuntimeError) -> UInt64 {
    guard case .runDeleted(_, let versions) = try await ask(.deleteRun(run), isRepeatable: false) else {
      throw Self.unexpected
    }
    return versions
  }

  package func show(run: RunID) async throws(RuntimeError) -> RunDetail {
    guard case .runDetail(let detail) = try await ask(.showRun(run)) else { throw Self.unexpected }
    return detail
  }

  /// Every attempt of a run that has ended, oldest first.
  package func rounds(of run: RunID) async throws(RuntimeError) -> [RoundRow] {
    var rows: [RoundRow] = []
    var last: UInt64 = 0
    while true {
      let events = try await events(run: run, after: last).events
      guard let end = events.last else { return rows }
      last = end.sequence
      for case .round(let row) in events.map(\.kind) { rows.append(row) }
    }
  }

  /// Ends a run when its attempt in hand has ended.
  package func stop(run: RunID) async throws(RuntimeError) {
    guard case .runStopping = try await ask(.stopRun(run), isRepeatable: false) else { throw Self.unexpected }
  }

  /// Versions of a model, newest first; or the newest of every model.
  package func versions(of model: ModelName?) async throws(RuntimeError) -> [VersionRow] {
    guard case .versions(let rows) = try await ask(.listVersions(model)) else { throw Self.unexpected }
    return rows
  }

  /// - Parameter reference: `digits@3`, `digits@champion` or `digits@sha256:…`.
  package func version(_ reference: String) async throws(RuntimeError) -> VersionDetail {
    guard case .versionDetail(let detail) = try await ask(.showVersion(reference: reference)) else {
      throw Self.unexpected
    }
    return detail
  }

  /// Moves an alias, takes it away or back.
  ///
  /// - Returns: from where to where it went.
  package func change(_ order: AliasOrder) async throws(RuntimeError) -> AliasMove {
    guard case .aliasChanged(let move) = try await ask(.changeAlias(order), isRepeatable: false) else {
      throw Self.unexpected
    }
    return move
  }

  /// Revokes a version, for good.
  ///
  /// - Returns: the mark, and what became of the aliases that pointed to the version.
  package func retire(
    _ version: ModelVersion, of model: ModelName, reason: String
  ) async throws(RuntimeError) -> (version: RetiredVersion, moves: [AliasMove]) {
    let reply = try await ask(.retireVersion(model, version, reason: reason), isRepeatable: false)
    guard case .versionRetired(let gone, let moves) = reply else { throw Self.unexpected }
    return (gone, moves)
  }

  private func ask(_ request: OperatorRequest, isRepeatable: Bool = true) async throws(RuntimeError) -> OperatorReply {
    try await connection.ask(request, isRepeatable: isRepeatable)
  }

  private static var unexpected: RuntimeError {
    RuntimeError(.failed, "the coordinator gave the answer to another question")
  }
}
