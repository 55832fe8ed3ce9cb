import Federation
import GRDB
import Rounds

/// Where a worker's driver records what must be known before a message leaves.
protocol LedgerKeeping: Sendable {
  /// Durable when it returns.
  func record(_ entry: WorkerLedger.Entry) throws
}

/// The worker's ledger on disk (ruling A9): facts in the order they were recorded, never changed.
///
/// SQLite with a write-ahead log and `synchronous = FULL`: an entry is durable before the message that depends on it.
final class WorkerLedgerStore: LedgerKeeping {
  private let database: DatabasePool

  init(path: String) throws {
    var configuration = GRDB.Configuration()
    configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
    database = try DatabasePool(path: path, configuration: configuration)
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1") { database in
      try database.create(table: "entry") { table in
        table.autoIncrementedPrimaryKey("id")
        table.column("kind", .text).notNull()
        table.column("run", .text)
        table.column("round", .integer)
        table.column("attempt", .integer)
        table.column("transcript", .text)
        table.column("digest", .text)
      }
    }
    migrator.registerMigration("privacy charges") { database in
      try database.alter(table: "entry") { $0.add(column: "charge", .text) }
    }
    try migrator.migrate(database)
  }

  /// Durable when it returns.
  func record(_ entry: WorkerLedger.Entry) throws {
    let (kind, attempt, transcript, digest) = Self.columns(of: entry)
    try database.write {
      try $0.execute(
        sql: "INSERT INTO entry (kind, run, round, attempt, transcript, digest, charge) VALUES (?, ?, ?, ?, ?, ?, ?)",
        arguments: [
          kind, attempt?.run.text, attempt.map { Int64($0.round.value) }, attempt.map { Int64($0.attempt.value) },
          transcript?.hex, digest?.hex, Self.charge(of: entry).map(Self.text),
        ])
    }
  }

  /// Everything recorded so far.
  func load() throws -> WorkerLedger {
    var ledger = WorkerLedger()
    for entry in try entries() { ledger.apply(entry) }
    return ledger
  }

  /// Every entry, in the order of recording.
  func entries() throws -> [WorkerLedger.Entry] {
    try database.read { database in
      try Row.fetchAll(database, sql: "SELECT * FROM entry ORDER BY id").map { row in
        guard let entry = Self.entry(row) else {
          throw RuntimeError(.failed, "the ledger holds an entry that cannot be read: \(row["kind"] as String? ?? "?")")
        }
        return entry
      }
    }
  }

  /// The name of an entry's kind.
  static func kind(of entry: WorkerLedger.Entry) -> String { columns(of: entry).kind }

  private static func columns(
    of entry: WorkerLedger.Entry
  ) -> (kind: String, attempt: AttemptID?, transcript: Digest?, digest: Digest?) {
    switch entry {
    case .attemptBegun(let attempt): ("begun", attempt, nil, nil)
    case .contributed(let attempt, let digest): ("contributed", attempt, nil, digest)
    case .excused(let attempt, let digest, let transcript): ("excused", attempt, transcript, digest)
    case .survivorsSigned(let transcript, let digest): ("survivors", nil, transcript, digest)
    case .released(let transcript): ("released", nil, transcript, nil)
    case .promised(let transcript): ("promised", nil, transcript, nil)
    case .charged(let attempt, _): ("charged", attempt, nil, nil)
    }
  }

  private static func charge(of entry: WorkerLedger.Entry) -> PrivacyCharge? {
    guard case .charged(_, let charge) = entry else { return nil }
    return charge
  }

  /// Mechanism, noise multiplier and δ; floats as bit patterns, so that a charge reads back as it was made.
  private static func text(_ charge: PrivacyCharge) -> String {
    "\(charge.mechanism) \(charge.noiseMultiplier.bitPattern) \(charge.delta.bitPattern)"
  }

  private static func charge(_ text: String) -> PrivacyCharge? {
    let parts = text.split(separator: " ").compactMap { UInt64($0) }
    guard parts.count == 3 else { return nil }
    return PrivacyCharge(
      mechanism: parts[0], noiseMultiplier: Double(bitPattern: parts[1]), delta: Double(bitPattern: parts[2]))
  }

  private static func entry(_ row: Row) -> WorkerLedger.Entry? {
    let transcript = (row["transcript"] as String?).flatMap { Digest(hex: $0) }
    let digest = (row["digest"] as String?).flatMap { Digest(hex: $0) }
    var attempt: AttemptID?
    if let run = (row["run"] as String?).flatMap({ RunID($0) }), let round = row["round"] as Int64?,
      let number = row["attempt"] as Int64?
    {
      attempt = AttemptID(
        run: run, round: RoundNumber(UInt64(round)), attempt: AttemptNumber(UInt32(clamping: number)))
    }
    switch (row["kind"] as String, attempt, transcript, digest) {
    case ("begun", let attempt?, _, _): return .attemptBegun(attempt)
    case ("contributed", let attempt?, _, let digest?): return .contributed(attempt, modelDigest: digest)
    case ("excused", let attempt?, let transcript?, let digest?):
      return .excused(attempt, modelDigest: digest, transcript: transcript)
    case ("survivors", _, let transcript?, let digest?):
      return .survivorsSigned(transcript: transcript, survivorsDigest: digest)
    case ("released", _, let transcript?, _): return .released(transcript: transcript)
    case ("promised", _, let transcript?, _): return .promised(transcript: transcript)
    case ("charged", let attempt?, _, _):
      return (row["charge"] as String?).flatMap(charge).map { .charged(attempt, $0) }
    default: return nil
    }
  }
}
