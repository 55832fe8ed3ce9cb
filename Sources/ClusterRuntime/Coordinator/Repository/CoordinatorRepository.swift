import Federation
import ModelRegistry
import Wire

/// What the coordinator remembers across restarts, beside the models themselves: runs, attempts with their rosters and
/// results, versions, and the events that tell of them.
///
/// Every call is one transaction: when it returns, all of it is durable; when it throws, nothing has changed. The events of
/// a run are numbered from 1 without gaps, and each is written with the state that it tells of. Implementations are held to
/// one suite of tests (`RepositoryContract`).
protocol CoordinatorRepository: Sendable {
  /// Adds a run and the event of its state.
  ///
  /// - Throws: `runExists`.
  /// - Returns: the run with the identity that its attempts carry.
  func add(_ run: NewRun) throws(RepositoryError) -> StoredRun
  /// All runs in the order in which they were added.
  func runs() throws(RepositoryError) -> [StoredRun]
  /// Changes where a run stands, and adds the event of it.
  ///
  /// - Throws: `unknownRun`.
  func change(_ run: RunID, to state: RunState, reason: String, at time: UInt64) throws(RepositoryError)
  /// Forgets a run with its attempts and events. Its versions, and that its identity was used, are remembered.
  ///
  /// - Throws: `unknownRun`, `runNotEnded`.
  func delete(_ run: RunID) throws(RepositoryError)

  /// Records an attempt before it is offered.
  ///
  /// - Throws: `unknownRun`; `attemptExists`: a number is never used twice.
  func begin(_ attempt: AttemptID, cohort: [WorkerID], at time: UInt64) throws(RepositoryError)
  /// Records that more workers are offered an attempt, before they are.
  ///
  /// - Throws: `attemptNotOpen` for one that was not begun or has ended.
  func extend(_ attempt: AttemptID, by workers: [WorkerID]) throws(RepositoryError)
  /// Records what an attempt came to, the version that it made, and the event of it.
  ///
  /// - Throws: `attemptNotOpen` for one that was not begun or has ended; `roundExists` if another attempt of the round made
  ///   a version; `versionExists` if the version is there with another digest.
  func end(_ row: RoundRow, version: VersionRecord?, at time: UInt64) throws(RepositoryError)
  /// Every attempt of a run, in the order of recording.
  func attempts(of run: RunID) throws(RepositoryError) -> [StoredAttempt]
  /// The first attempt number of a round that was never recorded.
  func nextAttempt(of run: RunID, round: RoundNumber) throws(RepositoryError) -> AttemptNumber
  /// The latest attempts that have ended, of all runs, oldest first.
  func latestRounds(limit: Int) throws(RepositoryError) -> [RoundRow]

  /// Records a version that no attempt made.
  ///
  /// - Throws: `versionExists` if it is there with another digest; the same again changes nothing.
  func note(_ version: VersionRecord) throws(RepositoryError)
  /// The versions that a run made, in the order of their numbers.
  func versions(of run: RunID) throws(RepositoryError) -> [VersionRecord]

  /// Records a change of an alias that was made. Of each alias, the newest `WireLimits.aliasEventsMax` are remembered.
  func record(_ event: AliasEvent) throws(RepositoryError)
  /// Changes of the aliases of a model, in the order of recording.
  func aliasEvents(of model: ModelName) throws(RepositoryError) -> [AliasEvent]

  /// Events of a run with a number above `after`, oldest first, at most `limit`.
  func events(of run: RunID, after: UInt64, limit: Int) throws(RepositoryError) -> [RunEvent]
}

/// A run that is not known yet.
struct NewRun: Hashable, Sendable {
  let name: RunID
  let yaml: String
  let model: ModelName
  let roundsPlanned: UInt64
  /// Seconds since 1970-01-01 UTC.
  let submittedAt: UInt64
}

/// A run as it is remembered.
struct StoredRun: Hashable, Sendable {
  let name: RunID
  /// What its attempts and versions carry. The name, unless a run of this name was deleted: workers remember the attempts
  /// of that one, and would take the first attempt of this one for an old one.
  let identity: RunID
  let yaml: String
  let model: ModelName
  let roundsPlanned: UInt64
  let submittedAt: UInt64
  var state: RunState
  var reason: String
  var roundsCommitted: UInt64
  /// Of the last attempt with metrics.
  var evaluation: RoundRow.Evaluation?

  var row: RunRow {
    RunRow(
      run: name, state: state, model: model, roundsCommitted: roundsCommitted, roundsPlanned: roundsPlanned,
      reason: reason, evaluation: evaluation)
  }

  /// The identity of the `life`-th run of a name; nil if it is too long.
  static func identity(of name: RunID, life: Int) -> RunID? { life == 1 ? name : RunID("\(name).\(life)") }
}

/// One attempt as it is remembered.
struct StoredAttempt: Hashable, Sendable {
  /// Carries the run's name, not its identity.
  let attempt: AttemptID
  /// Who was offered it, ascending; empty for attempts older than this table.
  let cohort: [WorkerID]
  let startedAt: UInt64
  /// Nil while it is open, or if the process ended in it.
  let result: RoundRow?
}

/// One published version, as far as the coordinator's history knows it.
struct VersionRecord: Hashable, Sendable {
  let model: ModelName
  let version: ModelVersion
  /// The run's name.
  let run: RunID
  let round: RoundNumber
  /// Of the manifest.
  let digest: Digest
  let modelDigest: Digest
}

/// Why the coordinator's memory did not take or give something.
enum RepositoryError: Error, Equatable, Sendable, CustomStringConvertible {
  case runExists(RunID)
  case unknownRun(RunID)
  case runNotEnded(RunID)
  case attemptExists(AttemptID)
  case attemptNotOpen(AttemptID)
  case roundExists(RunID, RoundNumber)
  case versionExists(ModelName, ModelVersion)
  /// No name is left for the attempts of a run whose namesakes were deleted.
  case noIdentity(RunID)
  /// The disk is full.
  case full(path: String)
  case readOnly(path: String)
  /// The file is not what was written.
  case damaged(path: String, reason: String)
  /// The system could not read or write it.
  case unavailable(path: String, reason: String)

  var description: String {
    switch self {
    case .runExists(let run): "a run '\(run)' exists already"
    case .unknownRun(let run): "there is no run '\(run)'"
    case .runNotEnded(let run): "the run '\(run)' has not ended"
    case .attemptExists(let attempt): "attempt \(attempt) was recorded before"
    case .attemptNotOpen(let attempt): "attempt \(attempt) is not open"
    case .roundExists(let run, let round): "round \(round) of '\(run)' was committed before"
    case .versionExists(let model, let version): "\(model)@\(version) was recorded with another digest"
    case .noIdentity(let run): "the name '\(run)' is too long to be used again"
    case .full(let path): "\(path): cannot write: the disk is full"
    case .readOnly(let path): "\(path): cannot write: the disk is read-only"
    case .damaged(let path, let reason): "\(path) is damaged: \(reason)"
    case .unavailable(let path, let reason): "\(path): \(reason)"
    }
  }

  /// Whether the same could work when somebody has seen to the disk.
  var isOfDisk: Bool {
    switch self {
    case .full, .readOnly, .damaged, .unavailable: true
    case .runExists, .unknownRun, .runNotEnded, .attemptExists, .attemptNotOpen, .roundExists, .versionExists,
      .noIdentity:
      false
    }
  }
}
