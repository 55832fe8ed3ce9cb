import Federation
import Foundation
import Rounds
import SecureAggregation
import Testing

@testable import ClusterRuntime

/// The combinations that would open one worker's update, where disks and processes prevent them. Within one attempt:
/// `Tests/SecureAggregationTests/CatastrophicCombinationTests.swift`, which lists all ten.
///
/// | combination | test here |
/// | --- | --- |
/// | 1. two coordinator processes, each with a survivor set of its own | `refusesSecondCoordinator` |
/// | 1, 2, 9. one attempt number offered twice | `recordsAttemptsOnce` |
/// | 1, 4. a restarted worker that forgot what it signed or gave | `remembersEverything`; all of `HostileTests.Crashes` |
@Suite("Catastrophic combinations on disk")
struct CatastrophicCombinationTests {
  @Test("An attempt number that was recorded is never recorded again, and the next one is greater, after a restart too")
  func recordsAttemptsOnce() throws {
    let federation = try TestFederation()
    let path = federation.root + "/coordinator.sqlite"
    func attempt(_ number: UInt32) -> AttemptID {
      AttemptID(run: "run", round: 3, attempt: AttemptNumber(number))
    }
    let repository = try SQLiteRepository(path: path)
    _ = try repository.add(RepositoryContract.newRun("run"))
    for number in [0, 1, 4] as [UInt32] { try repository.begin(attempt(number), cohort: [], at: 1) }
    let reopened = try SQLiteRepository(path: path)
    for number in [0, 1, 4] as [UInt32] {
      #expect(throws: RepositoryError.attemptExists(attempt(number))) {
        try reopened.begin(attempt(number), cohort: [], at: 1)
      }
    }
    #expect(try reopened.attempts(of: "run").map(\.attempt) == [attempt(0), attempt(1), attempt(4)])
    #expect(try reopened.nextAttempt(of: "run", round: 3) == 5)
    #expect(try reopened.nextAttempt(of: "run", round: 4) == 0)
  }

  @Test("A worker's ledger gives back every entry in its order, also to another process")
  func remembersEverything() throws {
    let federation = try TestFederation()
    let path = federation.root + "/ledger.sqlite"
    let attempt = AttemptID(run: "run", round: 2, attempt: 1)
    let transcript = Digest.sha256(of: [1]), other = Digest.sha256(of: [2])
    let entries: [WorkerLedger.Entry] = [
      .attemptBegun(attempt), .contributed(attempt, modelDigest: other),
      .survivorsSigned(transcript: transcript, survivorsDigest: other), .released(transcript: transcript),
      .contributed(attempt, modelDigest: other), .promised(transcript: other),
    ]
    let store = try WorkerLedgerStore(path: path)
    for entry in entries { try store.record(entry) }
    let reopened = try WorkerLedgerStore(path: path)
    #expect(try reopened.entries() == entries)
    let ledger = try reopened.load()
    #expect(!ledger.isNew(attempt))
    #expect(ledger.contributionCount(run: "run", modelDigest: other) == 2)
    #expect(ledger.survivorSets == [transcript: other])
  }

  @Test("A second coordinator on the same state folder does not start, and the first goes on")
  func refusesSecondCoordinator() async throws {
    let federation = try ProcessFederation(workers: 1)
    let first = try await federation.startCoordinator(submitting: false)
    let second = try PartyProcess(
      ["coordinator", "--home", federation.path + "/coordinator", "--local", "--any-port"],
      logPath: federation.path + "/second.log")
    #expect(await eventually { second.code == 1 }, "\(second.log)")
    #expect(second.log.contains("another coordinator is using this state directory"))
    #expect(first.isRunning)
  }
}
