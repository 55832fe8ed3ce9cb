import ClusterConfiguration
import Federation
import GRDB

/// The forms that the file has had. A migration, once released, never changes.
extension SQLiteRepository {
  static var migrator: DatabaseMigrator {
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
    migrator.registerMigration("2") { database in
      try extendRuns(database)
      try extendAttempts(database)
      try database.create(table: "version") { table in
        table.column("model", .text).notNull()
        table.column("version", .integer).notNull()
        table.column("run", .text).notNull()
        table.column("round", .integer).notNull()
        table.column("digest", .text).notNull()
        table.column("model_digest", .text).notNull()
        table.primaryKey(["model", "version"])
      }
      try database.create(table: "event") { table in
        table.column("run", .text).notNull()
        table.column("sequence", .integer).notNull()
        table.column("at", .integer).notNull()
        table.column("state", .integer).notNull()
        table.column("rounds_committed", .integer).notNull()
        table.column("reason", .text).notNull()
        table.column("round", .integer)
        table.column("attempt", .integer)
        table.primaryKey(["run", "sequence"])
      }
      try database.create(table: "identity") { $0.primaryKey("name", .text) }
      try database.execute(sql: "INSERT INTO identity (name) SELECT name FROM run")
    }
    migrator.registerMigration("3") { database in
      try database.alter(table: "attempt") { table in
        table.add(column: "staleness_mean", .double)
        table.add(column: "staleness_largest", .integer)
      }
    }
    migrator.registerMigration("4") { database in
      try database.alter(table: "attempt") { table in
        table.add(column: "traffic_up", .integer)
        table.add(column: "traffic_down", .integer)
      }
    }
    migrator.registerMigration("5") { database in
      try database.create(table: "alias_event") { table in
        table.autoIncrementedPrimaryKey("number")
        table.column("model", .text).notNull()
        table.column("alias", .text).notNull()
        table.column("change", .integer).notNull()
        table.column("old", .integer)
        table.column("new", .integer)
        table.column("by", .text).notNull()
        table.column("at", .integer).notNull()
      }
      try database.create(index: "alias_events_of_model", on: "alias_event", columns: ["model", "alias", "number"])
    }
    migrator.registerMigration("6") { database in
      try database.alter(table: "attempt") { table in
        table.add(column: "groups_count", .integer)
        table.add(column: "groups_summed", .integer)
        table.add(column: "groups_left_out", .text)
      }
    }
    return migrator
  }

  /// What was read from the run file at every start stands beside it now.
  private static func extendRuns(_ database: Database) throws {
    try database.alter(table: "run") { table in
      table.add(column: "identity", .text).notNull().defaults(to: "")
      table.add(column: "model", .text).notNull().defaults(to: "")
      table.add(column: "rounds_planned", .integer).notNull().defaults(to: 0)
      table.add(column: "rounds_committed", .integer).notNull().defaults(to: 0)
      table.add(column: "submitted_at", .integer).notNull().defaults(to: 0)
    }
    for row in try Row.fetchAll(database, sql: "SELECT name, yaml FROM run") {
      let name = row["name"] as String
      let file = ConfigurationFile(path: "run \(name)", text: row["yaml"])
      let configuration = try? RunConfiguration.read(file)
      try database.execute(
        sql: "UPDATE run SET identity = name, model = ?, rounds_planned = ? WHERE name = ?",
        arguments: [configuration?.model.name.text ?? name, Int64(clamping: configuration?.rounds ?? 0), name])
    }
  }

  private static func extendAttempts(_ database: Database) throws {
    try database.alter(table: "attempt") { table in
      table.add(column: "roster", .text).notNull().defaults(to: "")
      table.add(column: "started_at", .integer).notNull().defaults(to: 0)
      table.add(column: "ended_at", .integer)
      table.add(column: "outcome", .integer)
      table.add(column: "reported", .integer)
      table.add(column: "dropped", .integer)
      table.add(column: "loss", .double)
      table.add(column: "accuracy", .double)
      table.add(column: "central_loss", .double)
      table.add(column: "central_accuracy", .double)
      table.add(column: "seconds", .double)
      table.add(column: "bytes_up", .integer)
      table.add(column: "version", .integer)
      table.add(column: "model_digest", .text)
      table.add(column: "reason", .text)
      table.add(column: "saturated", .integer)
    }
    // A round makes one version, whatever the code above thinks.
    try database.execute(
      sql: "CREATE UNIQUE INDEX one_version_a_round ON attempt (run, round) WHERE version IS NOT NULL")
  }
}
