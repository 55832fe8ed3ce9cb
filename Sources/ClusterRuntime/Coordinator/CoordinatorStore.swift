import Federation
import GRDB
import Wire

/// What the coordinator remembers across restarts, beside the models: runs and recorded attempts.
///
/// SQLite with a write-ahead log and `synchronous = FULL`: a committed row survives a power cut.
final class CoordinatorStore: Sendable {
  struct Run: Hashable, Sendable {
    let name: RunID
    let yaml: String
    let state: RunState
    let reason: String
  }

  private let database: DatabasePool

  init(path: String) throws {
    var configuration = GRDB.Configuration()
    configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
    database = try DatabasePool(path: path, configuration: configuration)
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1") { database in
      try database.create(table: "run") { table in
        table.primaryKey("name", .text)
        table.column("yaml", .text).notNull()
        table.column("state", .integer).notNull()
        table.column("reason", .text).notNull().defaults(to: "")
      }
      try database.create(table: "attempt") { table in
        table.column("run", .text).notNull()
        table.column("round", .integer).notNull()
        table.column("attempt", .integer).notNull()
        table.column("cohort", .integer).notNull()
        table.primaryKey(["run", "round", "attempt"])
      }
    }
    try migrator.migrate(database)
  }

  func add(_ run: Run) throws {
    try database.write {
      try $0.execute(
        sql: "INSERT INTO run (name, yaml, state, reason) VALUES (?, ?, ?, ?)",
        arguments: [run.name.text, run.yaml, Int64(run.state.rawValue), run.reason])
    }
  }

  func set(_ state: RunState, of run: RunID, reason: String) throws {
    try database.write {
      try $0.execute(
        sql: "UPDATE run SET state = ?, reason = ? WHERE name = ?",
        arguments: [Int64(state.rawValue), reason, run.text])
    }
  }

  func runs() throws -> [Run] {
    try database.read { database in
      try Row.fetchAll(database, sql: "SELECT name, yaml, state, reason FROM run ORDER BY rowid").compactMap { row in
        guard let name = RunID(row["name"] as String), let state = RunState(rawValue: row["state"] as UInt32) else {
          return nil
        }
        return Run(name: name, yaml: row["yaml"], state: state, reason: row["reason"])
      }
    }
  }

  /// Durable when it returns: no offer of this attempt has left before.
  ///
  /// - Throws: also if the attempt was recorded before: a number is never used twice.
  func record(_ attempt: AttemptID, cohort: Int) throws {
    try database.write {
      try $0.execute(
        sql: "INSERT INTO attempt (run, round, attempt, cohort) VALUES (?, ?, ?, ?)",
        arguments: [
          attempt.run.text, Int64(attempt.round.value), Int64(attempt.attempt.value), cohort,
        ])
    }
  }

  /// Every recorded attempt of a run, in the order of recording.
  func attempts(of run: RunID) throws -> [AttemptID] {
    try database.read {
      try Row.fetchAll(
        $0, sql: "SELECT round, attempt FROM attempt WHERE run = ? ORDER BY rowid", arguments: [run.text]
      ).map { row in
        AttemptID(
          run: run, round: RoundNumber(UInt64(row["round"] as Int64)),
          attempt: AttemptNumber(UInt32(clamping: row["attempt"] as Int64)))
      }
    }
  }

  /// The first attempt number of a round that was never recorded.
  func nextAttempt(run: RunID, round: RoundNumber) throws -> AttemptNumber {
    try database.read {
      let last = try UInt32.fetchOne(
        $0, sql: "SELECT MAX(attempt) FROM attempt WHERE run = ? AND round = ?",
        arguments: [run.text, Int64(round.value)])
      return AttemptNumber(last.map { $0 + 1 } ?? 0)
    }
  }
}
