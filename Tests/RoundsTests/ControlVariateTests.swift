import Aggregation
import Federation
import SecureAggregation
import Testing

@testable import Rounds

/// SCAFFOLD's control variates between the coordinator's machine and the workers'.
struct ControlVariateTests {
  private static let strategy = "scaffold, population 5"

  private static func scaffold(_ rules: inout RoundConfiguration) {
    rules.strategy = strategy
    rules.maximumWeight = 1
  }

  /// Of nine elements, after so many rounds.
  private static func blob(_ version: ModelVersion, rounds: UInt64) -> ControlBlob? {
    ControlBlob(
      ServerState(
        steps: rounds,
        vectors: [ServerState.controlVariate: (0..<9).map { Float($0) + Float(version.value) }]))
  }

  /// A run whose driver remembers a control variate with every version, and begins anew where it goes back.
  private func cluster(
    rounds: UInt64, _ aggregation: AggregationMode, loss: @escaping (ModelVersion) -> Double = { _ in 1 }
  ) throws -> RoundsCluster {
    let members = try RoundsMembers(count: 5, aggregation: aggregation)
    var policy = members.policy
    policy.maximumAttemptsPerModel = 10
    let cluster = try RoundsCluster(members, plan: members.plan(rounds: rounds, Self.scaffold), policy: policy)
    cluster.opening = { [unowned cluster] summary, _ in
      var summary = summary
      summary.metrics = RoundMetrics(lossSum: loss(cluster.run.base.version) * 10, correct: 1, evaluated: 10)
      return summary
    }
    var steps: UInt64 = 0
    cluster.committing = { [unowned cluster] order in
      let last = cluster.actions.lastIndex { if case .commit = $0 { true } else { false } }
      let before = cluster.actions.prefix(last ?? 0).last {
        switch $0 {
        case .commit, .takeBack: true
        default: false
        }
      }
      if case .takeBack = before { steps = 0 }
      steps += 1
      let model = members.model(order.version)
      return .committed(
        BaseModel(
          version: model.version, modelDigest: model.modelDigest, tensors: [],
          control: Self.blob(order.version, rounds: steps)?.reference))
    }
    return cluster
  }

  private func offers(_ cluster: RoundsCluster) -> [RoundOffer] {
    var seen: [RoundOffer] = []
    for case .send(.offer(let offer), _) in cluster.actions where seen.last != offer { seen.append(offer) }
    return seen
  }

  @Test(
    "Every round but the first and the evaluation names the control variate of its base version",
    arguments: AggregationMode.allCases)
  func offered(_ aggregation: AggregationMode) throws {
    let cluster = try cluster(rounds: 3, aggregation).start().finish()
    #expect(cluster.outcomes == [.completed(3)])
    let offers = offers(cluster)
    #expect(
      offers.map { $0.control?.digest }
        == [nil, Self.blob(1, rounds: 1), Self.blob(2, rounds: 2), nil].map {
          $0.flatMap { $0 }?.reference.tensor.digest
        })
    #expect(offers.map { $0.task.control?.since } == [nil, 1, 1, nil])
    #expect(offers.allSatisfy { $0.configuration.trainer == .sha256(of: $0.task.canonicalBytes) })
    for name in cluster.members.workers {
      let kept = (cluster.workerActions[name] ?? []).compactMap {
        if case .keepControl(let attempt) = $0 { attempt.round.value } else { nil }
      }
      #expect(kept == [1, 2, 3])
    }
  }

  @Test("A version that is taken back takes all control variates with it", arguments: AggregationMode.allCases)
  func beginsAnew(_ aggregation: AggregationMode) throws {
    let cluster = try cluster(rounds: 4, aggregation) { $0 == 2 ? 9 : 1 }.start().finish()
    #expect(cluster.outcomes == [.completed(4)])
    // Round 3 trained on version 2 in vain, then on version 1; round 4 knows of round 3 alone.
    #expect(offers(cluster).map { $0.attempt.round.value } == [1, 2, 3, 3, 4, 5])
    #expect(offers(cluster).map { $0.task.control?.since } == [nil, 1, 1, nil, 3, nil])
  }

  @Test("What a worker made of its control variate is kept only if its update counts")
  func notCounted() throws {
    let members = try RoundsMembers(count: 5, aggregation: .plain)
    for (outcome, isKept) in [(AttemptOutcome.committed, true), (.notCounted, false), (.abandoned, false)] {
      for strategy in [Self.strategy, "fedavg"] {
        var worker = try members.worker(members.workers[0], policy: members.policy)
        let offer = members.offer { rules in
          Self.scaffold(&rules)
          rules.strategy = strategy
        }
        _ = worker.handle(.received(.offer(offer), now: RoundsCluster.now))
        _ = worker.handle(.modelHeld(offer.attempt, modelDigest: offer.modelDigest))
        _ = worker.handle(.trained(offer.attempt))
        _ = worker.handle(.uploaded(offer.attempt))
        let actions = worker.handle(.received(.ended(offer.attempt, outcome, reason: ""), now: RoundsCluster.now))
        let kept = actions.contains { if case .keepControl(offer.attempt) = $0 { true } else { false } }
        #expect(kept == (isKept && strategy == Self.strategy))
      }
    }
  }

  @Test("A control variate that is not the task's, of another length, or of no such strategy is declined")
  func declines() throws {
    let members = try RoundsMembers(count: 5)
    let right = try #require(Self.blob(1, rounds: 1)).reference.tensor
    func details(
      _ control: TensorReference?, names digest: Digest?, strategy: String = Self.strategy,
      kind: TrainingTask.Kind = .train
    ) throws -> (declines: [DeclineReason], details: [String]) {
      var task = members.task(kind)
      task.control = digest.map { TrainingTask.Control(digest: $0, since: 1) }
      let offer = members.offer(kind: kind, task: task, control: control) {
        Self.scaffold(&$0)
        $0.strategy = strategy
        $0.trainer = .sha256(of: task.canonicalBytes)
      }
      var worker = try members.worker(members.workers[0], policy: members.policy)
      let actions = worker.handle(.received(.offer(offer), now: RoundsCluster.now))
      return (actions.declines, actions.details)
    }
    #expect(try details(right, names: right.digest).declines == [])
    let other = TensorReference(
      name: right.name, dtypeCode: 10, shape: [8], digest: right.digest, byteCount: 32)
    let bad = [
      try details(right, names: .sha256(of: [1])), try details(right, names: nil),
      try details(nil, names: right.digest),
      try details(other, names: right.digest), try details(right, names: right.digest, strategy: "fedavg"),
      try details(right, names: right.digest, kind: .evaluate),
    ]
    #expect(bad.map(\.declines) == Array(repeating: [.badOffer], count: bad.count))
    #expect(bad[0].details == ["the blob of the control variate is not the task's"])
    #expect(bad[3].details == ["the control variate: found 32 bytes, expected the Float32 of 9 elements"])
    #expect(bad[4].details == ["a control variate under 'fedavg'"])
  }

  @Test("The fetched blobs are the model's, then the control variate")
  func splits() throws {
    let members = try RoundsMembers(count: 5)
    let blob = try #require(Self.blob(1, rounds: 1))
    let offer = members.offer(control: blob.reference.tensor, Self.scaffold)
    var blobs = ModelBlobs()
    blobs.begin()
    blobs.write(blob.bytes)
    #expect(blobs.verify(blob.reference.tensor.digest))
    blobs.keep(blob.reference.tensor.digest)
    let fetched = try #require(blobs.tensors(of: offer.blobs))
    #expect(offer.split(fetched).control == (0..<9).map { Float($0) + 1 })
    #expect(offer.split(fetched).model.isEmpty)
    #expect(members.offer().split(fetched).control == nil)
  }
}
