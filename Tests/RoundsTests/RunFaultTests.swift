import Federation
import Rounds
import SecureAggregation
import Testing

/// Whole runs over links that lose and repeat, with workers that vanish, return and start again. Replayed by the seed.
struct RunFaultTests {
  @Test("A worker that missed a message gets the stage's message again on return, and the round counts it")
  func welcomesBack() throws {
    for kind in ["offer", "roster", "peerShares", "dealers", "survivors", "quorum"] {
      let members = try RoundsMembers(count: 6)
      let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1))
      let names = Array(members.workers.prefix(3))
      var missed: Set<WorkerID> = []
      cluster.onWayToWorker = { name, message in
        guard names.contains(name), message.kind == kind, missed.insert(name).inserted else { return [message] }
        return []
      }
      cluster.start().drain()
      #expect(cluster.reports.isEmpty, "\(kind)")
      for name in names {
        cluster.feed(.workerLost(name))
        cluster.feed(.workerJoined(name))
      }
      cluster.finish()
      #expect(cluster.reports.map(\.reported) == [6, 6], "\(kind)")
      #expect(cluster.attempts.count == 2, "\(kind)")
      #expect(cluster.time == .zero, "\(kind)")
    }
  }

  @Test("A worker that starts again is given up at once and takes part in the next round")
  func replacesTheRestarted() throws {
    let members = try RoundsMembers(count: 6)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1))
    let name = members.workers[4]
    cluster.training = { worker, offer in worker == name && offer.attempt.round == 1 ? [] : [.trained(offer.attempt)] }
    cluster.start().drain()
    #expect(cluster.reports.isEmpty)
    try cluster.restart(name)
    cluster.feed(.workerRestarted(name))
    cluster.finish()
    #expect(cluster.reports.map(\.reported) == [5, 6])
    #expect(cluster.time == .zero)
  }

  @Test("A secure upload that cannot be finished costs its sender this attempt only, and nobody waits for it")
  func givesUpUploads() throws {
    let members = try RoundsMembers(count: 6)
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: 1))
    let name = members.workers[4]
    cluster.uploads = { worker, attempt in worker != name || attempt.round > 1 }
    cluster.start().drain()
    #expect(cluster.reports.isEmpty)
    cluster.feed(.inputRejected(from: name, upload: cluster.openUpload, reason: "a chunk of the wrong length"))
    cluster.finish()
    #expect(cluster.reports.map(\.reported) == [5, 6])
    #expect(cluster.blamed.isEmpty)
    #expect(cluster.time == .zero)
  }

  /// Which shares the links have carried, seen from outside.
  private final class Watch {
    private var selfMasks: [Digest: [Int: Set<Int>]] = [:]
    private var maskKeys: [Digest: [Int: Set<Int>]] = [:]

    func see(_ message: WorkerMessage) {
      guard case .unmask(let shares) = message else { return }
      for entry in shares.selfMaskShares {
        selfMasks[shares.transcript, default: [:]][entry.owner, default: []].insert(shares.helper)
      }
      for entry in shares.maskKeyShares {
        maskKeys[shares.transcript, default: [:]][entry.owner, default: []].insert(shares.helper)
      }
    }

    /// The largest number of helpers behind both secrets of one owner, over all attempts.
    var worst: Int {
      selfMasks.flatMap { transcript, owners in
        owners.map { min($1.count, maskKeys[transcript]?[$0]?.count ?? 0) }
      }.max() ?? 0
    }
  }

  /// The faults of one run, all drawn from its seed.
  private final class Faults {
    var choices: SeededGenerator
    let lost: Int
    let restarts: Int
    let interruptions: Int

    init(seed: UInt64) {
      choices = SeededGenerator(seed: seed, stream: "run")
      lost = [0, 2, 5].randomElement(using: &choices) ?? 0
      restarts = [0, 0, 1, 2].randomElement(using: &choices) ?? 0
      interruptions = [0, 2].randomElement(using: &choices) ?? 0
    }

    func happens(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &choices) < percent }

    func carry<Message>(_ message: Message) -> [Message] {
      happens(lost) ? [] : happens(10) ? [message, message] : [message]
    }

    func strike(_ cluster: RoundsCluster) throws {
      let name = cluster.members.workers.randomElement(using: &choices) ?? cluster.members.workers[0]
      if happens(restarts) {
        try cluster.restart(name)
        cluster.feed(.workerRestarted(name))
      }
      if happens(interruptions) {
        cluster.feed(.workerLost(name))
        cluster.feed(.workerJoined(name))
      }
    }
  }

  @Test(
    "Every run ends, commits versions one by one and lets no two secrets out, in 120 runs with faults", arguments: 0..<6
  )
  func endsSafely(block: UInt64) throws {
    var completed = 0
    var abandoned = 0
    for seed in (block * 20)..<(block * 20 + 20) {
      let members = try RoundsMembers(count: seed % 3 == 0 ? 6 : 5)
      let cluster = try RoundsCluster(members, plan: members.plan(rounds: 2, seed: seed))
      let watch = Watch()
      let faults = Faults(seed: seed)
      cluster.onWayToWorker = { _, message in faults.carry(message) }
      cluster.onWayToCoordinator = { _, message in
        watch.see(message)
        return faults.carry(message)
      }
      cluster.misfortune = { try faults.strike($0) }
      cluster.start().finish(timersMax: 2000)
      let outcome = try #require(cluster.outcomes.first, "seed \(seed) never ends")
      if case .completed = outcome { completed += 1 }
      #expect(cluster.outcomes.count == 1, "seed \(seed)")
      #expect(
        cluster.commits.map(\.version.value) == (0..<cluster.commits.count).map { UInt64($0 + 1) }, "seed \(seed)")
      #expect(Set(cluster.attempts).count == cluster.attempts.count, "seed \(seed)")
      // t is 4 for five workers and for six: fewer reconstruct nothing.
      #expect(watch.worst < 4, "seed \(seed)")
      #expect(cluster.blamed.isEmpty, "seed \(seed)")
      for report in cluster.reports {
        guard let summary = report.summary else {
          abandoned += 1
          continue
        }
        #expect(summary.workers == UInt64(report.reported), "seed \(seed)")
        #expect(summary.metrics.evaluated == 4 * summary.workers, "seed \(seed)")
      }
      for name in members.workers {
        let ledger = try #require(cluster.workers[name]).ledger
        #expect(ledger.releases.isDisjoint(with: ledger.promises), "seed \(seed)")
        #expect(ledger.contributions.values.allSatisfy { $0 <= 3 }, "seed \(seed)")
      }
    }
    // Runs complete in spite of attempts that do not, or the faults say nothing.
    #expect(completed > 3 && abandoned > 3, "\(completed) runs completed, \(abandoned) attempts abandoned")
  }
}
