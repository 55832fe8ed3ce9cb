import Federation
import Rounds
import SecureAggregation
import Testing

/// Attempts without secure aggregation.
struct PlainAttemptTests {
  private static func cluster(count: Int = 4, _ change: (inout RoundConfiguration) -> Void = { _ in }) throws
    -> RoundsCluster
  {
    let members = try RoundsMembers(count: count, aggregation: .plain)
    return try RoundsCluster(members, plan: members.plan(rounds: 1, change))
  }

  @Test("Whoever does not report is left out at the deadline, and told")
  func leavesOutTheSilent() throws {
    let cluster = try Self.cluster()
    let silent = cluster.members.workers[1]
    cluster.training = { $0 == silent ? [] : [.trained($1.attempt)] }
    cluster.start().finish()
    #expect(cluster.reports.map(\.reported) == [3, 3])
    #expect(cluster.reports.map(\.dropped) == [1, 1])
    #expect(cluster.endings(of: silent) == [.notCounted, .notCounted])
    #expect(cluster.outcomes == [.completed(1)])
    #expect(cluster.time == .seconds(120))
  }

  @Test("Whoever declines, is lost or fails is not waited for")
  func doesNotWait() throws {
    let cluster = try Self.cluster(count: 6)
    let names = cluster.members.workers
    cluster.training = { name, offer in
      name == names[0]
        ? [.trainingFailed(offer.attempt, reason: "no data")] : name == names[1] ? [] : [.trained(offer.attempt)]
    }
    cluster.start()
    cluster.drain()
    #expect(cluster.commits.isEmpty)
    cluster.feed(.workerLost(names[1]))
    cluster.drain()
    #expect(cluster.reports.first?.reported == 4)
    #expect(cluster.declines(of: names[0]).first == .trainingFailed)
    #expect(cluster.time == .zero)
  }

  @Test("Whoever opens an upload with a wrong header is refused, and not waited for")
  func doesNotWaitForAWrongHeader() throws {
    let cluster = try Self.cluster()
    let bad = cluster.members.workers[1]
    cluster.training = { $0 == bad ? [] : [.trained($1.attempt)] }
    cluster.start()
    cluster.drain()
    #expect(cluster.reports.isEmpty)
    let nothing = Digest(unchecked: Array(repeating: 0, count: 32))
    let header = InputHeader(
      transcript: nothing, worker: 0, dealersDigest: nothing, vectors: [],
      signature: Signature(unchecked: Array(repeating: 0, count: 64)))
    cluster.feed(.uploadOpened(header, from: bad))
    cluster.drain()
    #expect(cluster.reports.first?.reported == 3)
    #expect(cluster.time == .zero)
  }

  @Test("Below the minimum the attempt is abandoned with the numbers")
  func abandons() throws {
    let cluster = try Self.cluster()
    let names = cluster.members.workers
    cluster.training = { names.prefix(2).contains($0) ? [.trained($1.attempt)] : [] }
    cluster.start().finish()
    #expect(cluster.reports.first?.outcome == .abandoned(reason: "2 updates arrived, 3 are needed"))
    #expect(
      cluster.outcomes == [.failed(reason: "round 1 was abandoned 3 times; last: 2 updates arrived, 3 are needed")])
  }

  @Test("The goal count closes a plain attempt too")
  func closesAtTheGoal() throws {
    let cluster = try Self.cluster { $0.goalCount = 3 }
    cluster.start().finish()
    #expect(cluster.reports.map(\.reported) == [3, 3])
    #expect(cluster.time == .zero)
  }

  @Test("An upload that breaks a rule is not in the sum, its sender is blamed and not selected again")
  func rejectsInputs() throws {
    let cluster = try Self.cluster(count: 5)
    let bad = cluster.members.workers[2]
    var isRejected = false
    cluster.beforeOpening = {
      defer { isRejected = true }
      return isRejected ? [] : [.inputRejected(from: bad, upload: cluster.openUpload, reason: "notFinite")]
    }
    cluster.start().finish()
    #expect(cluster.blamed == [bad])
    #expect(cluster.reports.map(\.reported) == [4, 4])
    #expect(cluster.endings(of: bad) == [.notCounted])
    #expect(cluster.cohorts.map { $0.contains(bad) } == [true, false])
  }

  @Test("If that leaves too few, the attempt is abandoned and its sum is not used")
  func abandonsAfterRejection() throws {
    let cluster = try Self.cluster(count: 3)
    let bad = cluster.members.workers[2]
    cluster.beforeOpening = { [.inputRejected(from: bad, upload: cluster.openUpload, reason: "notFinite")] }
    cluster.start().drain()
    #expect(cluster.reports.map(\.outcome) == [.abandoned(reason: "2 updates arrived, 3 are needed")])
    #expect(cluster.commits.isEmpty)
  }

  @Test("A header or trailer of another worker, attempt or table is refused", arguments: 0..<4)
  func refusesForgedUploads(_ kind: Int) throws {
    let cluster = try Self.cluster()
    let names = cluster.members.workers
    cluster.startTraining()
    let offer = cluster.actions.compactMap { (action) -> RoundOffer? in
      if case .send(.offer(let offer), names[0]) = action { offer } else { nil }
    }
    let attempt = try #require(offer.first)
    cluster.feed(.trained(attempt.attempt), to: names[1])
    let order = try #require(
      (cluster.workerActions[names[1]] ?? []).compactMap { (action) -> WorkerStateMachine.UploadOrder? in
        if case .upload(let order) = action { order } else { nil }
      }.first)
    let source = try UploadSource(order, update: cluster.members.update(of: names[1], isTraining: true))
    let header = source.header
    let digests = (0..<source.chunkCount).map { source.chunk($0).digest }
    let before = cluster.actions.count
    switch kind {
    case 0: cluster.feed(.uploadOpened(header, from: names[0]))
    case 1:
      let other = InputHeader(
        transcript: .sha256(of: [1]), worker: 0, dealersDigest: header.dealersDigest, vectors: header.vectors,
        signature: header.signature)
      cluster.feed(.uploadOpened(other, from: names[1]))
    case 2:
      let other = InputHeader(
        transcript: header.transcript, worker: 0, dealersDigest: header.dealersDigest, vectors: [],
        signature: header.signature)
      cluster.feed(.uploadOpened(other, from: names[1]))
    default:
      cluster.feed(
        .uploadCompleted(
          source.trailer(chunkDigests: digests), payloadDigest: ChunkDigests.payload(digests), from: names[0]))
    }
    let new = cluster.actions[before...]
    #expect(new.count == 1)
    #expect(new.allSatisfy { if case .refuseUpload = $0 { true } else { false } })
  }

  @Test("A plain worker that returns gets the offer again, and answers it the same")
  func repeatsTheOffer() throws {
    let cluster = try Self.cluster()
    let name = cluster.members.workers[0]
    var lost = 0
    cluster.onWayToWorker = { worker, message in
      guard worker == name, lost == 0, case .offer = message else { return [message] }
      lost += 1
      return []
    }
    cluster.start().drain()
    #expect(cluster.commits.isEmpty)
    cluster.feed(.workerJoined(name))
    cluster.finish()
    #expect(cluster.reports.map(\.reported) == [4, 4])
    #expect(cluster.time == .zero)
  }
}
