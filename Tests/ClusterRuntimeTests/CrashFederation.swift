import Federation
import Foundation
import ModelRegistry
import Rounds
import Testing

@testable import ClusterRuntime

/// Processes that end themselves at named points (`KillPoint`), and what must be true on the disks afterwards.
extension ProcessFederation {
  /// Starts workers again and again: each is killed at each of its points in turn, and lives on after the last. The
  /// coordinator likewise; nothing published before its death is different after it.
  ///
  /// - Parameters:
  ///   - coordinator: started with the first of `points`.
  ///   - plans: the points of each worker, by its number; they are started here.
  /// - Returns: the last life of everyone.
  func kill(
    _ coordinator: PartyProcess, at points: [String] = [], workers plans: [Int: [String]] = [:], within limit: Duration
  ) async throws -> (coordinator: PartyProcess, workers: [PartyProcess]) {
    var coordinator = coordinator, pointsLeft = points
    var workers: [Int: PartyProcess] = [:], plansLeft = plans
    func isDone() async throws -> Bool {
      if let point = pointsLeft.first, let code = coordinator.code {
        try #require(code == 128 + SIGKILL, "\(point): \(coordinator.log)")
        pointsLeft.removeFirst()
        let before = try publishedVersions()
        coordinator = try await restartCoordinator(killAt: pointsLeft.first)
        #expect(try publishedVersions().merging(before) { $1 } == publishedVersions(), "\(point)")
      }
      for number in plans.keys.sorted() {
        if let process = workers[number] {
          guard let point = plansLeft[number]?.first, let code = process.code else { continue }
          try #require(code == 128 + SIGKILL, "\(point): \(process.log)")
          plansLeft[number]?.removeFirst()
        }
        workers[number] = try startWorker(number, killAt: plansLeft[number]?.first)
      }
      return pointsLeft.isEmpty && plansLeft.values.allSatisfy(\.isEmpty)
    }
    let left = try await eventually(within: limit, isDone) ? [] : [pointsLeft.first] + plansLeft.values.map(\.first)
    try #require(left.isEmpty, "never came to \(left.compactMap(\.self)): \(coordinator.log)")
    return (coordinator, workers.sorted { $0.key < $1.key }.map(\.value))
  }

  private struct Published: Hashable {
    let model: ModelName
    let version: ModelVersion
  }

  /// The manifest of every version on the coordinator's disk.
  private func publishedVersions() throws -> [Published: Digest] {
    let store = try DirectoryModelStore(root: path + "/coordinator/models")
    var published: [Published: Digest] = [:]
    for model in try store.models() {
      for version in try store.versions(of: model) {
        published[Published(model: model, version: version.manifest.version)] = version.digest
      }
    }
    return published
  }

  // MARK: Claims

  /// What the disks of all parties say after any number of crashes (rulings A8, A9).
  ///
  /// - Parameter contributionsMax: inputs to one model that the workers' law allows.
  func checkLedgers(workers: Int, contributionsMax: UInt32 = 3, sourceLocation: SourceLocation = #_sourceLocation)
    throws
  {
    let repository = try repository()
    var attempts: [AttemptID] = []
    for run in try repository.runs() {
      let own = try repository.attempts(of: run.name).map(\.attempt)
      #expect(own == Array(Set(own)).sorted(), "an attempt number was used twice", sourceLocation: sourceLocation)
      attempts += own
    }
    var contributions = 0
    for number in 1...workers {
      let entries = try WorkerLedgerStore(path: "\(path)/worker-\(number)/state/ledger.sqlite").entries()
      contributions += entries.count { if case .contributed = $0 { true } else { false } }
      try check(
        entries, of: number, attempts: Set(attempts), contributionsMax: contributionsMax,
        sourceLocation: sourceLocation)
    }
    let counted = processes.flatMap(\.committedRounds).reduce(0) { $0 + $1.reported }
    #expect(
      counted > 0 && counted <= contributions, "an input counts that is in no ledger", sourceLocation: sourceLocation)
  }

  /// How often a worker contributed to the first model, and of how many of these attempts it knows that nothing can be
  /// opened.
  func firstModel(of worker: Int) throws -> (contributed: Int, excused: Int) {
    let entries = try WorkerLedgerStore(path: "\(path)/worker-\(worker)/state/ledger.sqlite").entries()
    return (
      entries.count { if case .contributed(let attempt, _) = $0 { attempt.round == 1 } else { false } },
      entries.count { if case .excused(let attempt, _, _) = $0 { attempt.round == 1 } else { false } }
    )
  }

  private func check(
    _ entries: [WorkerLedger.Entry], of number: Int, attempts: Set<AttemptID>, contributionsMax: UInt32,
    sourceLocation: SourceLocation
  ) throws {
    var seen: [RunID: AttemptID] = [:]
    var last: AttemptID?
    var survivors: [Digest: Digest] = [:]
    var released: Set<Digest> = [], promised: Set<Digest> = [], excused: Set<Digest> = []
    var contributed: Set<AttemptID> = []
    for entry in entries {
      switch entry {
      case .attemptBegun(let attempt):
        #expect(
          seen[attempt.run].map { attempt > $0 } ?? true, "worker-\(number) began \(attempt) again",
          sourceLocation: sourceLocation)
        #expect(attempts.contains(attempt), "\(attempt) was offered unrecorded", sourceLocation: sourceLocation)
        seen[attempt.run] = attempt
        last = attempt
      case .contributed(let attempt, _):
        #expect(attempt == last, "worker-\(number) reported for \(attempt)", sourceLocation: sourceLocation)
        contributed.insert(attempt)
      case .survivorsSigned(let transcript, let digest):
        let first = survivors.updateValue(digest, forKey: transcript)
        #expect(first == nil, "worker-\(number) signed a second survivor set", sourceLocation: sourceLocation)
      case .released(let transcript):
        #expect(survivors[transcript] != nil && !promised.contains(transcript), sourceLocation: sourceLocation)
        #expect(released.insert(transcript).inserted, sourceLocation: sourceLocation)
      case .charged(_, let charge):
        Issue.record("worker-\(number) charged \(charge), expected no noise", sourceLocation: sourceLocation)
      case .excused(let attempt, _, let transcript):
        #expect(promised.contains(transcript), "an excuse without a promise", sourceLocation: sourceLocation)
        #expect(contributed.contains(attempt), "an excuse without a contribution", sourceLocation: sourceLocation)
        #expect(excused.insert(transcript).inserted, "an excuse counts twice", sourceLocation: sourceLocation)
      case .promised(let transcript):
        #expect(!released.contains(transcript), "worker-\(number) broke a promise", sourceLocation: sourceLocation)
        promised.insert(transcript)
      }
    }
    let ledger = try WorkerLedgerStore(path: "\(path)/worker-\(number)/state/ledger.sqlite").load()
    // Beyond the law only where everyone has promised that nothing can be opened any more (ruling A8).
    #expect(
      ledger.contributions.allSatisfy { $1 <= contributionsMax + UInt32(ledger.excused[$0]?.count ?? 0) },
      sourceLocation: sourceLocation)
  }
}
