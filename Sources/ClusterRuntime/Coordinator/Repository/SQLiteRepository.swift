import Federation
import GRDB
import ModelRegistry
import Rounds
import Wire

/// The coordinator's memory in SQLite, with a write-ahead log and `synchronous = FULL`: a committed row survives a power
/// cut.
final class SQLiteRepository: CoordinatorRepository {
  let database: DatabasePool
  private let path: String

  /// Opens or makes the file, and brings an older one up to date.
  init(path: String) throws(RepositoryError) {
    self.path = path
    var configuration = GRDB.Configuration()
    configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
    do {
      database = try DatabasePool(path: path, configuration: configuration)
      try Self.migrator.migrate(database)
    } catch {
      throw RepositoryError(error, path: path)
    }
  }

  // MARK: Runs

  func add(_ run: NewRun) throws(RepositoryError) -> StoredRun {
    try write { database in
      guard try Self.run(run.name, in: database) == nil else { throw RepositoryError.runExists(run.name) }
      let identity = try Self.claimIdentity(of: run.name, in: database)
      try database.execute(
        sql: """
          INSERT INTO run (name, yaml, state, reason, identity, model, rounds_planned, rounds_committed, submitted_at)
          VALUES (?, ?, ?, '', ?, ?, ?, 0, ?)
          """,
        arguments: [
          run.name.text, run.yaml, Int64(RunState.queued.rawValue), identity.text, run.model.text,
          Int64(clamping: run.roundsPlanned), Int64(clamping: run.submittedAt),
        ])
      try Self.addEvent(of: run.name, at: run.submittedAt, in: database)
      return try Self.known(run.name, in: database)
    }
  }

  /// The first identity of a name that was never used.
  private static func claimIdentity(of name: RunID, in database: Database) throws -> RunID {
    var life = 1
    while true {
      guard let identity = StoredRun.identity(of: name, life: life) else { throw RepositoryError.noIdentity(name) }
      try database.execute(sql: "INSERT OR IGNORE INTO identity (name) VALUES (?)", arguments: [identity.text])
      if database.changesCount > 0 { return identity }
      life += 1
    }
  }

  func runs() throws(RepositoryError) -> [StoredRun] {
    try read { try Row.fetchAll($0, sql: "\(Self.selectRuns) ORDER BY run.rowid").compactMap(StoredRun.init) }
  }

  func change(_ run: RunID, to state: RunState, reason: String, at time: UInt64) throws(RepositoryError) {
    try write { database in
      _ = try Self.known(run, in: database)
      try database.execute(
        sql: "UPDATE run SET state = ?, reason = ? WHERE name = ?",
        arguments: [Int64(state.rawValue), reason, run.text])
      try Self.addEvent(of: run, at: time, in: database)
    }
  }

  func delete(_ run: RunID) throws(RepositoryError) {
    try write { database in
      guard try Self.known(run, in: database).state.isFinal else { throw RepositoryError.runNotEnded(run) }
      for table in ["event", "attempt"] {
        try database.execute(sql: "DELETE FROM \(table) WHERE run = ?", arguments: [run.text])
      }
      try database.execute(sql: "DELETE FROM run WHERE name = ?", arguments: [run.text])
    }
  }

  // MARK: Attempts

  func begin(_ attempt: AttemptID, cohort: [WorkerID], at time: UInt64) throws(RepositoryError) {
    try write { database in
      _ = try Self.known(attempt.run, in: database)
      try database.execute(
        sql: """
          INSERT OR IGNORE INTO attempt (run, round, attempt, cohort, roster, started_at) VALUES (?, ?, ?, ?, ?, ?)
          """,
        arguments: Self.key(attempt) + [
          cohort.count, cohort.sorted().map(\.text).joined(separator: " "), Int64(clamping: time),
        ])
      guard database.changesCount == 1 else { throw RepositoryError.attemptExists(attempt) }
    }
  }

  func extend(_ attempt: AttemptID, by workers: [WorkerID]) throws(RepositoryError) {
    try write { database in
      let open = "run = ? AND round = ? AND attempt = ? AND outcome IS NULL"
      let roster = try String.fetchOne(
        database, sql: "SELECT roster FROM attempt WHERE \(open)", arguments: Self.key(attempt))
      guard let roster else { throw RepositoryError.attemptNotOpen(attempt) }
      let cohort = Set(roster.split(separator: " ").map(String.init)).union(workers.map(\.text))
      try database.execute(
        sql: "UPDATE attempt SET cohort = ?, roster = ? WHERE \(open)",
        arguments: [cohort.count, cohort.sorted().joined(separator: " ")] + Self.key(attempt))
    }
  }

  func end(_ row: RoundRow, version: VersionRecord?, at time: UInt64) throws(RepositoryError) {
    let attempt = row.attempt
    try write { database in
      if row.published != nil, try Self.isCommitted(attempt, in: database) {
        throw RepositoryError.roundExists(attempt.run, attempt.round)
      }
      let result: StatementArguments = [
        Int64(row.outcome.rawValue), Int64(clamping: time), Int64(row.cohort), Int64(row.reported),
        Int64(row.dropped),
        row.evaluation?.loss, row.evaluation?.accuracy, row.central?.loss, row.central?.accuracy, row.seconds,
        Int64(clamping: row.bytesUpPerWorker),
        row.published.map { Int64(clamping: $0.version.value) }, row.published?.modelDigest.hex, row.reason,
        Int64(clamping: row.saturated), row.staleness?.mean, row.staleness.map { Int64($0.largest) },
        row.traffic.map { Int64(clamping: $0.up) }, row.traffic.map { Int64(clamping: $0.down) },
        row.groups?.count, row.groups?.summed, row.groups?.leftOut,
      ]
      try database.execute(
        sql: """
          UPDATE attempt SET outcome = ?, ended_at = ?, cohort = ?, reported = ?, dropped = ?, loss = ?, accuracy = ?, central_loss = ?,
          central_accuracy = ?, seconds = ?,
            bytes_up = ?, version = ?, model_digest = ?, reason = ?, saturated = ?,
            staleness_mean = ?, staleness_largest = ?, traffic_up = ?, traffic_down = ?,
            groups_count = ?, groups_summed = ?, groups_left_out = ?
          WHERE run = ? AND round = ? AND attempt = ? AND outcome IS NULL
          """,
        arguments: result + Self.key(attempt))
      guard database.changesCount == 1 else { throw RepositoryError.attemptNotOpen(attempt) }
      if row.published != nil {
        try database.execute(
          sql: "UPDATE run SET rounds_committed = MAX(rounds_committed, ?) WHERE name = ?",
          arguments: [Int64(clamping: attempt.round.value), attempt.run.text])
      }
      if let version { try Self.note(version, in: database) }
      try Self.addEvent(of: attempt.run, about: attempt, at: time, in: database)
    }
  }

  private static func isCommitted(_ attempt: AttemptID, in database: Database) throws -> Bool {
    try Bool.fetchOne(
      database,
      sql: """
        SELECT COUNT(*) > 0 FROM attempt WHERE run = ? AND round = ? AND version IS NOT NULL AND attempt != ?
        """,
      arguments: key(attempt)) ?? false
  }

  func attempts(of run: RunID) throws(RepositoryError) -> [StoredAttempt] {
    try read { database in
      try Row.fetchAll(
        database, sql: "SELECT * FROM attempt WHERE run = ? ORDER BY rowid", arguments: [run.text]
      ).compactMap(StoredAttempt.init)
    }
  }

  func nextAttempt(of run: RunID, round: RoundNumber) throws(RepositoryError) -> AttemptNumber {
    try read { database in
      let last = try UInt32.fetchOne(
        database, sql: "SELECT MAX(attempt) FROM attempt WHERE run = ? AND round = ?",
        arguments: [run.text, Int64(clamping: round.value)])
      return AttemptNumber(last.map { $0 + 1 } ?? 0)
    }
  }

  func latestRounds(limit: Int) throws(RepositoryError) -> [RoundRow] {
    try read { database in
      try Row.fetchAll(
        database,
        sql: "SELECT * FROM attempt WHERE outcome IS NOT NULL ORDER BY ended_at DESC, rowid DESC LIMIT ?",
        arguments: [limit]
      ).reversed().compactMap { StoredAttempt($0)?.result }
    }
  }

  // MARK: Versions

  func note(_ version: VersionRecord) throws(RepositoryError) {
    try write { try Self.note(version, in: $0) }
  }

  private static func note(_ version: VersionRecord, in database: Database) throws {
    try database.execute(
      sql: """
        INSERT OR IGNORE INTO version (model, version, run, round, digest, model_digest) VALUES (?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        version.model.text, Int64(clamping: version.version.value), version.run.text,
        Int64(clamping: version.round.value), version.digest.hex, version.modelDigest.hex,
      ])
    guard database.changesCount == 0 else { return }
    let digest = try String.fetchOne(
      database, sql: "SELECT digest FROM version WHERE model = ? AND version = ?",
      arguments: [version.model.text, Int64(clamping: version.version.value)])
    guard digest == version.digest.hex else {
      throw RepositoryError.versionExists(version.model, version.version)
    }
  }

  func versions(of run: RunID) throws(RepositoryError) -> [VersionRecord] {
    try read { database in
      try Row.fetchAll(
        database, sql: "SELECT * FROM version WHERE run = ? ORDER BY model, version", arguments: [run.text]
      ).compactMap(VersionRecord.init)
    }
  }

  // MARK: Aliases

  func record(_ event: AliasEvent) throws(RepositoryError) {
    try write { database in
      let (model, alias) = (event.move.model.text, event.move.alias.text)
      try database.execute(
        sql: "INSERT INTO alias_event (model, alias, change, old, new, by, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        arguments: [
          model, alias, Int64(event.change.rawValue), event.move.from.map { Int64(clamping: $0.value) },
          event.move.to.map { Int64(clamping: $0.value) }, event.by, Int64(clamping: event.at),
        ])
      try database.execute(
        sql: """
          DELETE FROM alias_event WHERE model = ? AND alias = ? AND number NOT IN
            (SELECT number FROM alias_event WHERE model = ? AND alias = ? ORDER BY number DESC LIMIT ?)
          """,
        arguments: [model, alias, model, alias, WireLimits.aliasEventsMax])
    }
  }

  func aliasEvents(of model: ModelName) throws(RepositoryError) -> [AliasEvent] {
    try read { database in
      try Row.fetchAll(
        database, sql: "SELECT * FROM alias_event WHERE model = ? ORDER BY number", arguments: [model.text]
      ).compactMap(AliasEvent.init)
    }
  }

  // MARK: Events

  func events(of run: RunID, after: UInt64, limit: Int) throws(RepositoryError) -> [RunEvent] {
    try read { database in
      guard let stored = try Self.run(run, in: database) else { return [] }
      return try Row.fetchAll(
        database,
        sql: """
          SELECT event.sequence, event.state AS event_state, event.rounds_committed AS event_rounds,
            event.reason AS event_reason, attempt.*
          FROM event LEFT JOIN attempt
            ON attempt.run = event.run AND attempt.round = event.round AND attempt.attempt = event.attempt
          WHERE event.run = ? AND event.sequence > ? ORDER BY event.sequence LIMIT ?
          """,
        arguments: [run.text, Int64(clamping: after), limit]
      ).compactMap { RunEvent($0, of: stored) }
    }
  }

  /// An event with the next number: of an attempt, or of where the run stands now.
  private static func addEvent(
    of run: RunID, about attempt: AttemptID? = nil, at time: UInt64, in database: Database
  ) throws {
    try database.execute(
      sql: """
        INSERT INTO event (run, sequence, at, state, rounds_committed, reason, round, attempt)
        SELECT name, (SELECT COALESCE(MAX(sequence), 0) + 1 FROM event WHERE run = name), ?, state, rounds_committed,
          reason, ?, ? FROM run WHERE name = ?
        """,
      arguments: [
        Int64(clamping: time), attempt.map { Int64(clamping: $0.round.value) },
        attempt.map { Int64($0.attempt.value) }, run.text,
      ])
  }

  // MARK: Rows

  private static let selectRuns = """
    SELECT run.*, evaluated.loss, evaluated.accuracy FROM run LEFT JOIN attempt AS evaluated ON evaluated.rowid =
      (SELECT MAX(rowid) FROM attempt WHERE attempt.run = run.name AND attempt.accuracy IS NOT NULL)
    """

  private static func run(_ name: RunID, in database: Database) throws -> StoredRun? {
    try Row.fetchOne(database, sql: "\(selectRuns) WHERE run.name = ?", arguments: [name.text]).flatMap(StoredRun.init)
  }

  private static func known(_ name: RunID, in database: Database) throws -> StoredRun {
    guard let run = try run(name, in: database) else { throw RepositoryError.unknownRun(name) }
    return run
  }

  private static func key(_ attempt: AttemptID) -> StatementArguments {
    [attempt.run.text, Int64(clamping: attempt.round.value), Int64(attempt.attempt.value)]
  }

  private func write<T>(_ body: (Database) throws -> T) throws(RepositoryError) -> T {
    do {
      return try database.write(body)
    } catch {
      throw RepositoryError(error, path: path)
    }
  }

  private func read<T>(_ body: (Database) throws -> T) throws(RepositoryError) -> T {
    do {
      return try database.read(body)
    } catch {
      throw RepositoryError(error, path: path)
    }
  }
}

extension RepositoryError {
  /// What the engine's error means.
  fileprivate init(_ error: any Error, path: String) {
    if let error = error as? RepositoryError {
      self = error
      return
    }
    guard let error = error as? DatabaseError else {
      self = .unavailable(path: path, reason: "\(error)")
      return
    }
    let reason = error.message ?? "\(error.resultCode)"
    switch error.resultCode {
    case .SQLITE_FULL: self = .full(path: path)
    case .SQLITE_READONLY: self = .readOnly(path: path)
    case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .damaged(path: path, reason: reason)
    default: self = .unavailable(path: path, reason: reason)
    }
  }
}
