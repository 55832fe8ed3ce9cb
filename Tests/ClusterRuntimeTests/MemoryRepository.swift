import Federation
import ModelRegistry
import Rounds
import Wire
import ZeroMQ

@testable import ClusterRuntime

/// The coordinator's memory without a disk: the second subject of `RepositoryContract`.
final class MemoryRepository: CoordinatorRepository {
  private struct Attempt {
    let attempt: AttemptID
    var cohort: [WorkerID]
    let startedAt: UInt64
    var result: RoundRow?
    var endedAt: UInt64 = 0
  }

  private struct Content {
    var runs: [StoredRun] = []
    var identities: Set<RunID> = []
    var attempts: [Attempt] = []
    var versions: [VersionRecord] = []
    var events: [RunID: [RunEvent]] = [:]
    var aliasEvents: [AliasEvent] = []

    func place(of run: RunID) throws(RepositoryError) -> Int {
      guard let place = runs.firstIndex(where: { $0.name == run }) else { throw .unknownRun(run) }
      return place
    }

    mutating func addEvent(_ kind: RunEvent.Kind, of run: RunID) {
      let sequence = UInt64(events[run]?.count ?? 0) + 1
      events[run, default: []].append(RunEvent(sequence: sequence, kind: kind))
    }

    /// Where the run stands, without metrics: those are of the run's latest attempt, not of an event.
    func row(_ place: Int) -> RunRow {
      var run = runs[place]
      run.evaluation = nil
      return run.row
    }

    mutating func note(_ version: VersionRecord) throws(RepositoryError) {
      if let known = versions.first(where: { $0.model == version.model && $0.version == version.version }) {
        guard known.digest == version.digest else { throw .versionExists(version.model, version.version) }
        return
      }
      versions.append(version)
    }
  }

  private let content = Locked(Content())

  /// All of it or nothing.
  private func write<T: Sendable>(
    _ body: (inout Content) throws(RepositoryError) -> T
  ) throws(RepositoryError) -> T {
    let result = content.withLock { content -> Result<T, RepositoryError> in
      var draft = content
      do throws(RepositoryError) {
        let value = try body(&draft)
        content = draft
        return .success(value)
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  func add(_ run: NewRun) throws(RepositoryError) -> StoredRun {
    try write { (content) throws(RepositoryError) in
      guard !content.runs.contains(where: { $0.name == run.name }) else { throw .runExists(run.name) }
      var life = 1
      var identity = StoredRun.identity(of: run.name, life: life)
      while let taken = identity, !content.identities.insert(taken).inserted {
        life += 1
        identity = StoredRun.identity(of: run.name, life: life)
      }
      guard let identity else { throw .noIdentity(run.name) }
      let stored = StoredRun(
        name: run.name, identity: identity, yaml: run.yaml, model: run.model, roundsPlanned: run.roundsPlanned,
        submittedAt: run.submittedAt, state: .queued, reason: "", roundsCommitted: 0)
      content.runs.append(stored)
      content.addEvent(.run(stored.row), of: run.name)
      return stored
    }
  }

  func record(_ event: AliasEvent) throws(RepositoryError) {
    try write { (content) throws(RepositoryError) in
      content.aliasEvents.append(event)
      let own = content.aliasEvents.filter { $0.move.model == event.move.model && $0.move.alias == event.move.alias }
      guard own.count > WireLimits.aliasEventsMax, let oldest = content.aliasEvents.firstIndex(of: own[0]) else {
        return
      }
      content.aliasEvents.remove(at: oldest)
    }
  }

  func aliasEvents(of model: ModelName) throws(RepositoryError) -> [AliasEvent] {
    content.withLock { $0.aliasEvents.filter { $0.move.model == model } }
  }

  func runs() throws(RepositoryError) -> [StoredRun] { content.withLock { $0.runs } }

  func change(_ run: RunID, to state: RunState, reason: String, at time: UInt64) throws(RepositoryError) {
    try write { (content) throws(RepositoryError) in
      let place = try content.place(of: run)
      content.runs[place].state = state
      content.runs[place].reason = reason
      content.addEvent(.run(content.row(place)), of: run)
    }
  }

  func delete(_ run: RunID) throws(RepositoryError) {
    try write { (content) throws(RepositoryError) in
      let place = try content.place(of: run)
      guard content.runs[place].state.isFinal else { throw .runNotEnded(run) }
      content.runs.remove(at: place)
      content.attempts.removeAll { $0.attempt.run == run }
      content.events[run] = nil
    }
  }

  func begin(_ attempt: AttemptID, cohort: [WorkerID], at time: UInt64) throws(RepositoryError) {
    try write { (content) throws(RepositoryError) in
      _ = try content.place(of: attempt.run)
      guard !content.attempts.contains(where: { $0.attempt == attempt }) else { throw .attemptExists(attempt) }
      content.attempts.append(Attempt(attempt: attempt, cohort: cohort.sorted(), startedAt: time))
    }
  }

  func extend(_ attempt: AttemptID, by workers: [WorkerID]) throws(RepositoryError) {
    try write { (content) throws(RepositoryError) in
      guard let place = content.attempts.firstIndex(where: { $0.attempt == attempt && $0.result == nil }) else {
        throw .attemptNotOpen(attempt)
      }
      content.attempts[place].cohort = Set(content.attempts[place].cohort).union(workers).sorted()
    }
  }

  func end(_ row: RoundRow, version: VersionRecord?, at time: UInt64) throws(RepositoryError) {
    try write { (content) throws(RepositoryError) in
      let attempt = row.attempt
      let isTaken = content.attempts.contains {
        $0.attempt.run == attempt.run && $0.attempt.round == attempt.round && $0.attempt != attempt
          && $0.result?.published != nil
      }
      if row.published != nil, isTaken { throw .roundExists(attempt.run, attempt.round) }
      guard let place = content.attempts.firstIndex(where: { $0.attempt == attempt && $0.result == nil }) else {
        throw .attemptNotOpen(attempt)
      }
      content.attempts[place].result = row
      content.attempts[place].endedAt = time
      if let run = content.runs.firstIndex(where: { $0.name == attempt.run }) {
        if row.published != nil {
          content.runs[run].roundsCommitted = max(content.runs[run].roundsCommitted, attempt.round.value)
        }
        if let evaluation = row.evaluation { content.runs[run].evaluation = evaluation }
      }
      if let version { try content.note(version) }
      content.addEvent(.round(row), of: attempt.run)
    }
  }

  func attempts(of run: RunID) throws(RepositoryError) -> [StoredAttempt] {
    content.withLock { content in
      content.attempts.filter { $0.attempt.run == run }.map {
        StoredAttempt(attempt: $0.attempt, cohort: $0.cohort, startedAt: $0.startedAt, result: $0.result)
      }
    }
  }

  func nextAttempt(of run: RunID, round: RoundNumber) throws(RepositoryError) -> AttemptNumber {
    let numbers = content.withLock { content in
      content.attempts.filter { $0.attempt.run == run && $0.attempt.round == round }.map(\.attempt.attempt)
    }
    return numbers.max()?.next ?? 0
  }

  func latestRounds(limit: Int) throws(RepositoryError) -> [RoundRow] {
    content.withLock { content in
      let ended = content.attempts.enumerated().filter { $0.element.result != nil }
        .sorted { ($0.element.endedAt, $0.offset) < ($1.element.endedAt, $1.offset) }
      return ended.suffix(limit).compactMap(\.element.result)
    }
  }

  func note(_ version: VersionRecord) throws(RepositoryError) {
    try write { (content) throws(RepositoryError) in try content.note(version) }
  }

  func versions(of run: RunID) throws(RepositoryError) -> [VersionRecord] {
    content.withLock { content in
      content.versions.filter { $0.run == run }.sorted { ($0.model, $0.version) < ($1.model, $1.version) }
    }
  }

  func events(of run: RunID, after: UInt64, limit: Int) throws(RepositoryError) -> [RunEvent] {
    content.withLock { Array(($0.events[run] ?? []).filter { $0.sequence > after }.prefix(limit)) }
  }
}
