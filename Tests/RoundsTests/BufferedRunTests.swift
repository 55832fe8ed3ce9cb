import Aggregation
import Federation
import Rounds
import SecureAggregation
import Testing

/// What a run with a buffer did, told by its actions alone and judged by the rules of FedBuff.
private struct BufferReference {
  let rules: BufferRules
  let rounds: Int
  /// Versions that were committed.
  var version = 0
  /// The version that each worker trains on, by its last offer.
  var bases: [WorkerID: Int] = [:]
  var buffer: [(worker: WorkerID, base: Int)] = []
  var counted: [WorkerID: Set<AttemptID>] = [:]
  /// Of each worker's last offer.
  var attempts: [WorkerID: AttemptID] = [:]
  /// Updates that workers were told count, and those that a report spoke of.
  var told = 0, reported = 0
  var broken: [String] = []

  mutating func take(_ action: RunStateMachine.Action) {
    switch action {
    case .send(.offer(let offer), let worker):
      defer { attempts[worker] = offer.attempt }
      guard offer.configuration.vectorLength > 0 else { return }
      if attempts[worker] != offer.attempt, offer.baseVersion.value != UInt64(version) {
        broken.append("\(worker) is asked to train on an old version")
      }
      bases[worker] = Int(offer.baseVersion.value)
    case .send(.ended(_, .counted, _), _): told += 1
    case .addInput(let worker):
      guard let attempt = attempts[worker], let base = bases[worker], attempt.round.value <= UInt64(rounds) else {
        return
      }
      if !counted[worker, default: []].insert(attempt).inserted {
        broken.append("\(worker) counts twice in \(attempt)")
      }
      if version - base > rules.stalenessMax { broken.append("\(worker) counts \(version - base) versions late") }
      buffer.append((worker, base))
      if buffer.count > rules.size { broken.append("\(buffer.count) updates in a buffer of \(rules.size)") }
    case .openBuffer(let order):
      let staleness = Dictionary(grouping: buffer) { version - $0.base }.mapValues(\.count)
      for age in staleness.keys where !order.groups.contains(where: { $0.staleness == age }) {
        broken.append("updates that are \(age) versions behind are in no group")
      }
      for group in order.groups where group.factor != 1 / Double(1 + group.staleness).squareRoot() {
        broken.append("a group of age \(group.staleness) weighs \(group.factor)")
      }
      if order.groups.map(\.staleness) != order.groups.map(\.staleness).sorted() {
        broken.append("groups out of order")
      }
    case .report(let report):
      guard report.outcome != .evaluated else { return }
      if report.reported != buffer.count { broken.append("\(report.reported) reported, \(buffer.count) were counted") }
      if let staleness = report.staleness, let base = buffer.map(\.base).min() {
        let before = version
        if staleness.largest != before - base { broken.append("the largest staleness is not \(staleness.largest)") }
      }
      reported += report.reported
      buffer = []
      if case .committed = report.outcome { version += 1 }
    default: break
    }
  }

  init(_ rules: BufferRules, rounds: Int) {
    self.rules = rules
    self.rounds = rounds
  }
}

@Suite("A run with a buffer")
struct BufferedRunTests {
  private static let exponent = 0.5

  private static func cluster(
    count: Int, buffer: Int, stalenessMax: Int = 10, rounds: UInt64, target: Int = 64,
    _ change: (inout RunPlan) -> Void = { _ in }
  ) throws -> RoundsCluster {
    let members = try RoundsMembers(count: count, aggregation: .plain)
    let strategy = "fedbuff, buffer \(buffer), staleness-max \(stalenessMax), staleness-exponent 0.5"
    var plan = members.plan(rounds: rounds, target: target) {
      $0.strategy = strategy
      $0.maximumWeight = 1
    }
    plan.buffer = Strategy(parsing: strategy)?.bufferRules
    change(&plan)
    var policy = members.policy
    policy.maximumAttemptsPerModel = 100
    return try RoundsCluster(members, plan: plan, policy: policy)
  }

  private func staleness(_ cluster: RoundsCluster) -> [Int?] { cluster.reports.map { $0.staleness?.largest } }

  @Test("With a buffer of the whole cohort and nobody slow, rounds are those of a cohort, and nothing is stale")
  func isSynchronous() throws {
    let cluster = try Self.cluster(count: 5, buffer: 5, rounds: 3)
    cluster.start().finish()
    #expect(cluster.outcomes == [.completed(3)])
    #expect(cluster.reports.map(\.reported) == [5, 5, 5, 5])
    #expect(staleness(cluster) == [0, 0, 0, nil])
    #expect(cluster.reports.map(\.dropped) == [0, 0, 0, 0])
    #expect(cluster.time == .zero)
  }

  @Test("Versions go on while a slow worker trains; its update counts with the weight of its age")
  func waitsForNobody() throws {
    let cluster = try Self.cluster(count: 5, buffer: 3, rounds: 6)
    let slow = cluster.members.workers[4]
    var waiting: RoundOffer?
    cluster.training = { name, offer in
      guard name == slow, offer.attempt.round == 1 else { return [.trained(offer.attempt)] }
      waiting = offer
      return []
    }
    cluster.misfortune = { cluster in
      guard let offer = waiting, cluster.commits.count == 3 else { return }
      waiting = nil
      cluster.feed(.trained(offer.attempt), to: slow)
    }
    cluster.start().finish()
    #expect(cluster.outcomes == [.completed(6)])
    #expect(cluster.time == .zero)
    let orders = cluster.actions.compactMap { if case .openBuffer(let order) = $0 { order } else { nil } }
    let late = orders.compactMap { order in order.groups.first { $0.staleness == 3 } }
    #expect(late.first?.factor == 0.5)
    #expect(staleness(cluster).contains { $0.map { $0 >= 3 } == true })
    #expect(cluster.endings(of: slow).first == .counted)
  }

  @Test("Whoever is further behind than the run allows is told, and asked anew")
  func dropsTheOutdated() throws {
    let cluster = try Self.cluster(count: 5, buffer: 3, stalenessMax: 1, rounds: 6)
    let slow = cluster.members.workers[4]
    cluster.training = { name, offer in name == slow && offer.attempt.round == 1 ? [] : [.trained(offer.attempt)] }
    cluster.start().finish()
    #expect(cluster.outcomes == [.completed(6)])
    #expect(cluster.endings(of: slow).first == .notCounted)
    #expect(cluster.endings(of: slow).contains(.counted))
    #expect(cluster.reports.contains { $0.dropped > 0 })
  }

  @Test("A worker that declines, is restarted or breaks a rule leaves, and the round goes on without it")
  func goesOnWithout() throws {
    let cluster = try Self.cluster(count: 6, buffer: 3, rounds: 1)
    let names = cluster.members.workers
    cluster.training = { name, offer in
      name == names[0]
        ? [.trainingFailed(offer.attempt, reason: "no data")]
        : names[4...].contains(name) ? [.trained(offer.attempt)] : []
    }
    cluster.start().drain()
    cluster.feed(.inputRejected(from: names[1], upload: cluster.openUpload, reason: "notFinite"))
    cluster.feed(.inputRejected(from: names[2], upload: .sha256(of: []), reason: "of an attempt that is over"))
    #expect(cluster.blamed == [names[1]])
    cluster.feed(.workerRestarted(names[3]))
    #expect(cluster.reports.isEmpty)
    let offer = try #require(cluster.offers(to: names[2]).last)
    cluster.feed(.trained(offer.attempt), to: names[2])
    cluster.drain()
    #expect(cluster.reports.first?.reported == 3)
    #expect(cluster.reports.first?.dropped == 3)
  }

  @Test("When nobody can be asked any more, a version is made of what is there, if that is enough")
  func makesDo() throws {
    let cluster = try Self.cluster(count: 4, buffer: 6, rounds: 2)
    cluster.start().finish()
    #expect(cluster.outcomes == [.completed(2)])
    #expect(cluster.reports.map(\.reported) == [4, 4, 4])
    #expect(cluster.time == .zero)
  }

  @Test("At the deadline of the round a version is made of what is there, and who is late still counts in the next")
  func closesAtTheDeadline() throws {
    let cluster = try Self.cluster(count: 5, buffer: 5, rounds: 2)
    let slow = cluster.members.workers[4]
    var waiting: RoundOffer?
    cluster.training = { name, offer in
      guard name == slow else { return [.trained(offer.attempt)] }
      waiting = offer
      return []
    }
    cluster.start().drain()
    #expect(cluster.reports.isEmpty)
    cluster.feed(
      .deadlinePassed(.init(kind: .plainReport, attempt: try #require(cluster.attempts.last)), now: RoundsCluster.now))
    cluster.drain()
    #expect(cluster.reports.map(\.reported) == [4])
    #expect(cluster.reports.map(\.dropped) == [0])
    cluster.feed(.trained(try #require(waiting).attempt), to: slow)
    cluster.drain()
    // Its update is the fifth: the others have trained on version 1 meanwhile.
    #expect(cluster.reports.map(\.reported).prefix(2) == [4, 5])
    #expect(staleness(cluster).prefix(2) == [0, 1])
  }

  @Test("Too few at the end of everyone's time is an attempt that is abandoned, with what it had counted")
  func abandons() throws {
    let cluster = try Self.cluster(count: 4, buffer: 3, rounds: 1)
    let names = cluster.members.workers
    cluster.training = { names.prefix(2).contains($0) ? [.trained($1.attempt)] : [] }
    cluster.start().finish()
    #expect(cluster.reports.first?.outcome == .abandoned(reason: "2 updates arrived, 3 are needed"))
    #expect(cluster.reports.allSatisfy { $0.reported == 2 && $0.dropped == 2 })
    #expect(
      cluster.outcomes == [.failed(reason: "round 1 was abandoned 3 times; last: 2 updates arrived, 3 are needed")])
  }

  @Test("Without workers it waits as long as its patience, says what it lacks, and what it had counted")
  func losesPatience() throws {
    let cluster = try Self.cluster(count: 4, buffer: 4, rounds: 1) { $0.patience = .seconds(300) }
    let names = cluster.members.workers
    cluster.training = { name, offer in name == names[0] ? [.trained(offer.attempt)] : [] }
    cluster.start().drain()
    for name in names.dropFirst() { cluster.feed(.workerLost(name)) }
    cluster.drain()
    #expect(cluster.run.shortage == "1 of 4 are here, 3 are needed; 1 of 4 updates are in the buffer")
    cluster.finish()
    #expect(cluster.time == .seconds(300))
    #expect(cluster.reports.last?.outcome == .abandoned(reason: "the run ends with 1 updates in its buffer"))
    guard case .failed(let reason) = cluster.outcomes.first else {
      Issue.record("the run did not fail")
      return
    }
    #expect(reason.contains("waited 300.0 seconds for workers: 1 of 4 are here"))
  }

  @Test("An update that is complete while a version is made is held back, and counts in the next one")
  func holdsBack() throws {
    let cluster = try Self.cluster(count: 5, buffer: 3, rounds: 2)
    let names = cluster.members.workers
    var waiting: [WorkerID: AttemptID] = [:]
    cluster.training = { name, offer in
      waiting[name] = offer.attempt
      return []
    }
    cluster.start().drain()
    for name in names.prefix(3) { cluster.feed(.trained(try #require(waiting[name])), to: name) }
    cluster.beforeOpening = {
      for name in names.suffix(2) {
        if let attempt = waiting[name], attempt.round == 1 { cluster.feed(.trained(attempt), to: name) }
      }
      return []
    }
    cluster.drain()
    #expect(cluster.reports.map(\.reported) == [3])
    let place = try #require(cluster.actions.firstIndex { if case .report = $0 { true } else { false } })
    // None of them before the version was there.
    #expect(cluster.actions[place...].count { if case .addInput = $0 { true } else { false } } == 2)
    #expect(cluster.counted.map(\.worker).suffix(2) == names.suffix(2))
    #expect(cluster.run.shortage.hasSuffix("2 of 3 updates are in the buffer"))
  }

  @Test("A paused run asks nobody, makes its version of what was asked, and goes on when it is resumed")
  func pauses() throws {
    let cluster = try Self.cluster(count: 5, buffer: 4, rounds: 3)
    let names = cluster.members.workers
    cluster.training = { name, offer in
      name == names[4] || offer.attempt.round > 1 || name == names[3] ? [] : [.trained(offer.attempt)]
    }
    cluster.start().drain()
    cluster.feed(.pauseRequested)
    for name in names.suffix(2) { cluster.feed(.workerRestarted(name)) }
    cluster.drain()
    #expect(cluster.reports.map(\.reported) == [3])
    #expect(cluster.run.isPaused && cluster.run.cohort.isEmpty)
    cluster.training = { [.trained($1.attempt)] }
    cluster.feed(.resumeRequested)
    cluster.finish()
    #expect(cluster.outcomes == [.completed(3)])
  }

  @Test("A link that comes back brings the worker its own offer again, of the version that it trains on")
  func repeatsOffers() throws {
    let cluster = try Self.cluster(count: 5, buffer: 3, rounds: 4)
    let slow = cluster.members.workers[4]
    cluster.training = { name, offer in name == slow || offer.attempt.round > 2 ? [] : [.trained(offer.attempt)] }
    cluster.start().drain()
    let first = try #require(cluster.offers(to: slow).last)
    #expect(cluster.commits.count == 2)
    cluster.feed(.workerLost(slow))
    cluster.feed(.workerJoined(slow))
    #expect(cluster.offers(to: slow).count == 2 && cluster.offers(to: slow).last == first)
  }

  @Test("A version that is taken back takes with it whatever was trained on it")
  func takesBack() throws {
    let cluster = try Self.cluster(count: 4, buffer: 4, rounds: 3)
    cluster.opening = { sum, attempt in
      var sum = sum
      sum.metrics.lossSum = attempt.round == 2 && attempt.attempt == 0 ? 1e6 : 1
      return sum
    }
    cluster.start().finish()
    #expect(cluster.outcomes == [.completed(3)])
    #expect(cluster.actions.contains { if case .takeBack(1, _, _) = $0 { true } else { false } })
    #expect(cluster.reports.map(\.reported) == [4, 4, 4, 4, 4])
  }

  @Test(
    "Whatever happens in whatever order: no update counts twice, too late or without a word, and no buffer runs over",
    arguments: 1...60 as ClosedRange<UInt64>)
  func survivesAnything(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed, stream: "buffer")
    let count = Int.random(in: 4...9, using: &random), buffer = Int.random(in: 3...6, using: &random)
    let oldest = Int.random(in: 0...3, using: &random)
    let cluster = try Self.cluster(
      count: count, buffer: buffer, stalenessMax: oldest, rounds: 12, target: Int.random(in: 3...count, using: &random)
    ) { $0.attemptsPerRoundMax = 1000 }
    let names = cluster.members.workers
    var reference = BufferReference(
      BufferRules(size: buffer, stalenessMax: oldest, exponent: Self.exponent), rounds: 12)
    var seen = 0
    func look() {
      for action in cluster.actions[seen...] { reference.take(action) }
      seen = cluster.actions.count
    }
    var pending: [(WorkerID, AttemptID)] = []
    cluster.training = { name, offer in
      guard offer.configuration.vectorLength > 0 else { return [.trained(offer.attempt)] }
      pending.append((name, offer.attempt))
      return []
    }
    cluster.misfortune = { _ in look() }
    var lost: Set<WorkerID> = []
    var policy = cluster.members.policy
    policy.maximumAttemptsPerModel = 100
    cluster.start()
    for _ in 0..<1500 where cluster.run.outcome == nil {
      switch Int.random(in: 0..<100, using: &random) {
      case 0..<55: _ = cluster.step()
      case 55..<85:
        guard !pending.isEmpty else { continue }
        let (name, attempt) = pending.remove(at: Int.random(in: 0..<pending.count, using: &random))
        cluster.feed(.trained(attempt), to: name)
      case 85..<88:
        let name = names[Int.random(in: 0..<count, using: &random)]
        if lost.insert(name).inserted { cluster.feed(.workerLost(name)) }
      case 88..<94:
        guard let name = lost.sorted().first else { continue }
        lost.remove(name)
        cluster.feed(.workerJoined(name))
      case 94..<96:
        let name = names[Int.random(in: 0..<count, using: &random)]
        lost.remove(name)
        try cluster.restart(name, policy: policy)
        cluster.feed(.workerRestarted(name))
      case 96..<98:
        guard let (name, attempt) = pending.popLast() else { continue }
        cluster.feed(.received(.decline(attempt, .busy, detail: ""), from: name))
      case 98:
        guard let (name, attempt) = pending.first else { continue }
        cluster.feed(.deadlinePassed(.init(kind: .update(name), attempt: attempt), now: RoundsCluster.now))
      default:
        guard let attempt = cluster.attempts.last else { continue }
        cluster.feed(.deadlinePassed(.init(kind: .plainReport, attempt: attempt), now: RoundsCluster.now))
      }
      look()
    }
    // Then nothing goes wrong any more.
    for name in lost.sorted() { cluster.feed(.workerJoined(name)) }
    cluster.training = { [.trained($1.attempt)] }
    for (name, attempt) in pending { cluster.feed(.trained(attempt), to: name) }
    cluster.finish(timersMax: 2000)
    look()
    #expect(cluster.outcomes == [.completed(12)])
    #expect(reference.broken == [])
    #expect(reference.version == 12 && reference.told == reference.reported)
  }
}

extension RoundsCluster {
  /// Offers to one worker, in order.
  func offers(to name: WorkerID) -> [RoundOffer] {
    actions.compactMap { if case .send(.offer(let offer), name) = $0 { offer } else { nil } }
  }

  /// Who was told that its update counts, in order.
  var counted: [(worker: WorkerID, attempt: AttemptID)] {
    actions.compactMap {
      if case .send(.ended(let attempt, .counted, _), let name) = $0 { (name, attempt) } else { nil }
    }
  }
}
