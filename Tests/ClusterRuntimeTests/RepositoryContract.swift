import Federation
import Foundation
import GRDB
import ModelRegistry
import Rounds
import Testing
import Wire

@testable import ClusterRuntime

/// What every implementation of the coordinator's memory does.
@Suite("The coordinator's memory")
struct RepositoryContract {
  enum Engine: String, CaseIterable, CustomTestStringConvertible {
    case memory, sqlite
    var testDescription: String { rawValue }
  }

  /// One memory, empty, and where it lies.
  struct Subject {
    let engine: Engine
    let folder: String
    var repository: any CoordinatorRepository

    init(_ engine: Engine) throws {
      self.engine = engine
      folder = NSTemporaryDirectory() + "murmur-repository-\(UUID().uuidString)"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      switch engine {
      case .memory: repository = MemoryRepository()
      case .sqlite: repository = try SQLiteRepository(path: folder + "/coordinator.sqlite")
      }
    }

    /// As the next process finds it.
    func reopened() throws -> any CoordinatorRepository {
      engine == .memory ? repository : try SQLiteRepository(path: folder + "/coordinator.sqlite")
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }
  }

  static func newRun(_ name: RunID = "digits") -> NewRun {
    NewRun(name: name, yaml: "name: \(name)\n", model: "model", roundsPlanned: 5, submittedAt: 1_700_000_000)
  }

  static func attempt(_ round: UInt64, _ number: UInt32 = 0, of run: RunID = "digits") -> AttemptID {
    AttemptID(run: run, round: RoundNumber(round), attempt: AttemptNumber(number))
  }

  static func digest(_ byte: UInt8) -> Digest { Digest(unchecked: Array(repeating: byte, count: 32)) }

  static func row(_ attempt: AttemptID, version: UInt64?, accuracy: Double? = nil, reason: String = "") -> RoundRow {
    RoundRow(
      attempt: attempt, cohort: 2, reported: 1, dropped: 1,
      evaluation: accuracy.map { .init(loss: 1 - $0, accuracy: $0) }, seconds: 1.5, bytesUpPerWorker: 4096,
      published: version.map { .init(version: ModelVersion($0), modelDigest: digest(UInt8($0))) },
      outcome: version == nil ? .abandoned : .committed, reason: reason, saturated: 3,
      central: accuracy.map { .init(loss: 2 - $0, accuracy: $0 / 2) },
      staleness: accuracy.map { Staleness(mean: $0, largest: 3) },
      groups: accuracy.map { _ in GroupTally(count: 5, summed: 4, leftOut: "group 2: too few") },
      traffic: version.map { RoundRow.Traffic(up: 4096 * $0, down: 512) })
  }

  static func version(_ number: UInt64, digest byte: UInt8 = 7) -> VersionRecord {
    VersionRecord(
      model: "model", version: ModelVersion(number), run: "digits", round: RoundNumber(number), digest: digest(byte),
      modelDigest: digest(UInt8(number)))
  }

  static func numbers(_ events: [RunEvent]) -> [UInt64] { events.map(\.sequence) }

  @Test("Changes of aliases are remembered in their order, of each alias the newest", arguments: Engine.allCases)
  func aliasEvents(_ engine: Engine) throws {
    let subject = try Subject(engine)
    defer { subject.remove() }
    let champion = try #require(Alias("champion"))
    func event(_ alias: Alias, _ number: UInt64, _ change: AliasChange = .moved) -> AliasEvent {
      let move = AliasMove(
        model: "digits", alias: alias, from: number == 0 ? nil : ModelVersion(number - 1),
        to: change == .removed ? nil : ModelVersion(number))
      return AliasEvent(move: move, change: change, by: "operator", at: 1_700_000_000 + number)
    }
    let first = event(champion, 0)
    try subject.repository.record(first)
    let count = UInt64(WireLimits.aliasEventsMax)
    for number in 0..<count { try subject.repository.record(event(.best, number, number % 2 == 0 ? .found : .removed)) }
    try subject.repository.record(event(.best, count, .rolledBack))
    let events = try subject.reopened().aliasEvents(of: "digits")
    #expect(events.first == first)
    #expect(events.count == WireLimits.aliasEventsMax + 1)
    #expect(events[1] == event(.best, 1, .removed))
    #expect(events.last == event(.best, count, .rolledBack))
    #expect(try subject.repository.aliasEvents(of: "letters").isEmpty)
  }

  @Test(
    "A run is remembered as it was added, in the order of addition, and its name is taken", arguments: Engine.allCases)
  func addsRuns(_ engine: Engine) throws {
    let subject = try Subject(engine)
    defer { subject.remove() }
    for name in ["zebra", "ant"] as [RunID] { _ = try subject.repository.add(Self.newRun(name)) }
    #expect(throws: RepositoryError.runExists("ant")) { try subject.repository.add(Self.newRun("ant")) }
    let runs = try subject.reopened().runs()
    #expect(runs.map(\.name) == ["zebra", "ant"])
    #expect(runs.map(\.identity) == ["zebra", "ant"])
    #expect(
      runs[0].row
        == RunRow(run: "zebra", state: .queued, model: "model", roundsCommitted: 0, roundsPlanned: 5, reason: ""))
    #expect(runs[0].yaml == "name: zebra\n" && runs[0].submittedAt == 1_700_000_000)
  }

  @Test("A change and its event are there together, and events have no gaps", arguments: Engine.allCases)
  func changesRuns(_ engine: Engine) throws {
    let subject = try Subject(engine)
    defer { subject.remove() }
    _ = try subject.repository.add(Self.newRun())
    _ = try subject.repository.add(Self.newRun("other"))
    try subject.repository.change("digits", to: .running, reason: "", at: 1)
    try subject.repository.change("other", to: .running, reason: "", at: 2)
    try subject.repository.change("digits", to: .paused, reason: "the disk is full", at: 3)
    #expect(throws: RepositoryError.unknownRun("none")) {
      try subject.repository.change("none", to: .failed, reason: "", at: 4)
    }
    let next = try subject.reopened()
    let run = try #require(try next.runs().first)
    #expect(run.state == .paused && run.reason == "the disk is full")
    let events = try next.events(of: "digits", after: 0, limit: 10)
    #expect(Self.numbers(events) == [1, 2, 3])
    let rows = events.compactMap { if case .run(let row) = $0.kind { row } else { nil } }
    #expect(rows.map(\.state) == [.queued, .running, .paused])
    #expect(rows.map(\.reason) == ["", "", "the disk is full"])
    #expect(Self.numbers(try next.events(of: "digits", after: 1, limit: 1)) == [2])
    #expect(try next.events(of: "none", after: 0, limit: 10) == [])
  }

  @Test("An attempt is recorded once, ends once, and its round makes one version", arguments: Engine.allCases)
  func countsOnce(_ engine: Engine) throws {
    let subject = try Subject(engine)
    defer { subject.remove() }
    let repository = subject.repository
    _ = try repository.add(Self.newRun())
    let first = Self.attempt(1), second = Self.attempt(1, 1)
    #expect(throws: RepositoryError.attemptNotOpen(first)) {
      try repository.end(Self.row(first, version: nil), version: nil, at: 1)
    }
    #expect(throws: RepositoryError.unknownRun("none")) {
      try repository.begin(Self.attempt(1, of: "none"), cohort: [], at: 1)
    }
    for attempt in [first, second] { try repository.begin(attempt, cohort: ["worker-2", "worker-1"], at: 5) }
    #expect(throws: RepositoryError.attemptExists(first)) { try repository.begin(first, cohort: [], at: 6) }
    let committed = Self.row(second, version: 1, accuracy: 0.25)
    try repository.end(committed, version: Self.version(1), at: 7)
    for again in [committed, Self.row(second, version: nil)] {
      #expect(throws: RepositoryError.self) { try repository.end(again, version: nil, at: 8) }
    }
    #expect(throws: RepositoryError.roundExists("digits", 1)) {
      try repository.end(Self.row(first, version: 2), version: Self.version(2), at: 9)
    }
    let next = try subject.reopened()
    #expect(
      try next.attempts(of: "digits")
        == [
          StoredAttempt(attempt: first, cohort: ["worker-1", "worker-2"], startedAt: 5, result: nil),
          StoredAttempt(attempt: second, cohort: ["worker-1", "worker-2"], startedAt: 5, result: committed),
        ])
    #expect(try next.nextAttempt(of: "digits", round: 1) == 2)
    #expect(try next.nextAttempt(of: "digits", round: 2) == 0)
    let events = try next.events(of: "digits", after: 1, limit: 10)
    #expect(events == [RunEvent(sequence: 2, kind: .round(committed))])
    let run = try #require(try next.runs().first)
    #expect(run.roundsCommitted == 1 && run.evaluation == committed.evaluation)
    #expect(try next.versions(of: "digits") == [Self.version(1)])
  }

  @Test("Workers that are asked later are of the attempt, once, until it has ended", arguments: Engine.allCases)
  func extendsAttempts(_ engine: Engine) throws {
    let subject = try Subject(engine)
    defer { subject.remove() }
    let repository = subject.repository
    _ = try repository.add(Self.newRun())
    let attempt = Self.attempt(1)
    #expect(throws: RepositoryError.attemptNotOpen(attempt)) { try repository.extend(attempt, by: ["worker-1"]) }
    try repository.begin(attempt, cohort: [], at: 1)
    try repository.extend(attempt, by: ["worker-3", "worker-10"])
    try repository.extend(attempt, by: ["worker-1", "worker-3"])
    #expect(try subject.reopened().attempts(of: "digits").map(\.cohort) == [["worker-1", "worker-10", "worker-3"]])
    try repository.end(Self.row(attempt, version: 1), version: Self.version(1), at: 2)
    #expect(throws: RepositoryError.attemptNotOpen(attempt)) { try repository.extend(attempt, by: ["worker-4"]) }
    // The row says how many reported or left, whoever was asked.
    #expect(try subject.reopened().attempts(of: "digits").map(\.result?.cohort) == [2])
  }

  @Test("A version has one digest; what contradicts it changes nothing", arguments: Engine.allCases)
  func keepsVersions(_ engine: Engine) throws {
    let subject = try Subject(engine)
    defer { subject.remove() }
    let repository = subject.repository
    _ = try repository.add(Self.newRun())
    for _ in 1...2 { try repository.note(Self.version(0)) }
    #expect(throws: RepositoryError.versionExists("model", 0)) { try repository.note(Self.version(0, digest: 9)) }
    try repository.note(Self.version(1))
    try repository.begin(Self.attempt(1), cohort: [], at: 1)
    let row = RoundRow(
      attempt: Self.attempt(1), cohort: 0, reported: 0, dropped: 0, evaluation: nil, seconds: 0, bytesUpPerWorker: 0,
      published: .init(version: 1, modelDigest: Self.digest(1)), outcome: .committed, reason: "", saturated: 0)
    #expect(throws: RepositoryError.versionExists("model", 1)) {
      try repository.end(row, version: Self.version(1, digest: 9), at: 2)
    }
    // The whole transaction is gone: the attempt is open, and no event tells of its end.
    #expect(try repository.attempts(of: "digits").map(\.result) == [nil])
    #expect(try repository.events(of: "digits", after: 1, limit: 9) == [])
    #expect(try repository.runs().map(\.roundsCommitted) == [0])
    try repository.end(row, version: Self.version(1), at: 3)
    #expect(try repository.versions(of: "digits") == [Self.version(0), Self.version(1)])
  }

  @Test(
    "A run is forgotten when it has ended; its versions stay, and a namesake has another identity",
    arguments: Engine.allCases)
  func deletesRuns(_ engine: Engine) throws {
    let subject = try Subject(engine)
    defer { subject.remove() }
    let repository = subject.repository
    _ = try repository.add(Self.newRun())
    try repository.begin(Self.attempt(1), cohort: [], at: 1)
    try repository.end(Self.row(Self.attempt(1), version: 1), version: Self.version(1), at: 2)
    #expect(throws: RepositoryError.runNotEnded("digits")) { try repository.delete("digits") }
    try repository.change("digits", to: .stopped, reason: "", at: 3)
    try repository.delete("digits")
    #expect(throws: RepositoryError.unknownRun("digits")) { try repository.delete("digits") }
    #expect(try repository.runs() == [])
    #expect(try repository.attempts(of: "digits") == [])
    #expect(try repository.events(of: "digits", after: 0, limit: 9) == [])
    #expect(try repository.versions(of: "digits") == [Self.version(1)])
    let again = try repository.add(Self.newRun())
    #expect(again.identity == "digits.2" && again.roundsCommitted == 0)
    #expect(Self.numbers(try repository.events(of: "digits", after: 0, limit: 9)) == [1])
    #expect(try repository.add(Self.newRun("digits.2")).identity == "digits.2.2")
  }

  @Test("The latest attempts of all runs are those that ended last", arguments: Engine.allCases)
  func listsLatest(_ engine: Engine) throws {
    let subject = try Subject(engine)
    defer { subject.remove() }
    let repository = subject.repository
    for name in ["digits", "other"] as [RunID] { _ = try repository.add(Self.newRun(name)) }
    for (time, name) in (["digits", "other", "digits", "other"] as [RunID]).enumerated() {
      let attempt = Self.attempt(1, UInt32(time), of: name)
      try repository.begin(attempt, cohort: [], at: 0)
      if time < 3 { try repository.end(Self.row(attempt, version: nil), version: nil, at: UInt64(10 + time)) }
    }
    #expect(try repository.latestRounds(limit: 2).map(\.attempt.run) == ["other", "digits"])
  }
}

@Suite("The coordinator's memory on a disk")
struct SQLiteRepositoryTests {
  @Test("A full disk is named, changes nothing, and is forgotten when there is room")
  func isFull() throws {
    let subject = try RepositoryContract.Subject(.sqlite)
    defer { subject.remove() }
    let repository = try #require(subject.repository as? SQLiteRepository)
    _ = try repository.add(RepositoryContract.newRun())
    func limit(pages: String) throws {
      try repository.database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = \(pages)") }
    }
    // SQLite's own limit, which it reports as it reports ENOSPC: SQLITE_FULL.
    try limit(pages: "1")
    let long = String(repeating: "a reason that needs new pages ", count: 1000)
    #expect(throws: RepositoryError.full(path: subject.folder + "/coordinator.sqlite")) {
      try repository.change("digits", to: .paused, reason: long, at: 1)
    }
    #expect(try repository.runs().map(\.state) == [.queued])
    #expect(try repository.events(of: "digits", after: 0, limit: 9).count == 1)
    try limit(pages: "1000000")
    try repository.change("digits", to: .paused, reason: long, at: 1)
    #expect(try subject.reopened().runs().map(\.reason) == [long])
  }

  @Test("A file that is no database, or a database with holes, is named and not touched")
  func isDamaged() throws {
    let subject = try RepositoryContract.Subject(.memory)
    defer { subject.remove() }
    let path = subject.folder + "/coordinator.sqlite"
    let bytes = Data(repeating: 0x5A, count: 8192)
    try bytes.write(to: URL(filePath: path))
    #expect {
      try SQLiteRepository(path: path)
    } throws: {
      if case .damaged(path, _)? = $0 as? RepositoryError { true } else { false }
    }
    #expect(FileManager.default.contents(atPath: path) == bytes)
  }

  @Test("A database of the first form is brought up to date with all that it holds")
  func migrates() throws {
    let subject = try RepositoryContract.Subject(.memory)
    defer { subject.remove() }
    let path = subject.folder + "/coordinator.sqlite"
    let old = try DatabaseQueue(path: path)
    try SQLiteRepository.migrator.migrate(old, upTo: "1")
    let yaml = """
      name: digits
      model: {name: numbers, architecture: mlp 64-16-10}
      data: {features: 64, classes: 10, scale: 16}
      rounds: 7
      training: {learning-rate: 0.1, batch-size: 16, local-epochs: 1}
      clip: 4
      cohort: {minimum: 4}
      """
    try old.write { database in
      try database.execute(
        sql: "INSERT INTO run (name, yaml, state, reason) VALUES ('digits', ?, 2, ''), ('odd', 'x', 6, 'no')",
        arguments: [yaml])
      try database.execute(
        sql: "INSERT INTO attempt (run, round, attempt, cohort) VALUES ('digits', 1, 0, 4), ('digits', 2, 1, 4)")
    }
    try old.close()
    let repository = try SQLiteRepository(path: path)
    let runs = try repository.runs()
    #expect(runs.map(\.name) == ["digits", "odd"])
    #expect(runs.map(\.identity) == ["digits", "odd"])
    #expect(runs.map(\.model) == ["numbers", "odd"])
    #expect(runs.map(\.roundsPlanned) == [7, 0])
    #expect(runs.map(\.state) == [.running, .failed])
    #expect(try repository.attempts(of: "digits").map(\.attempt.round) == [1, 2])
    #expect(try repository.attempts(of: "digits").allSatisfy { $0.result == nil })
    #expect(try repository.nextAttempt(of: "digits", round: 2) == 2)
    // Attempts of the old form can be ended, and events begin with 1.
    let row = RepositoryContract.row(RepositoryContract.attempt(1), version: 1)
    try repository.end(row, version: nil, at: 1)
    #expect(try repository.events(of: "digits", after: 0, limit: 9).map(\.sequence) == [1])
    #expect(throws: RepositoryError.runExists("digits")) { try repository.add(RepositoryContract.newRun()) }
  }
}
