import Federation
import ModelRegistry
import Serving
import Testing

@Suite("Retired versions")
struct RetirementTests {
  static func retired(_ version: ModelVersion, by publisher: Publisher, reason: String = "poisoned") throws
    -> RetiredVersion
  {
    RetiredVersion(
      model: "digits", version: version, digest: try publisher.manifest(version).digest, reason: reason)
  }

  @Test("A retired version is withdrawn at once, drained, unloaded, and never fetched again")
  func withdrawn() throws {
    var node = try Node()
    node.snapshot(1, [try node.publisher.entry(1)])
    node.finish(1)
    let gone = try Self.retired(1, by: node.publisher)
    #expect(
      node.record(2, .versionRetired(gone)) == [.retire(gone), .withdraw("digits", .latest), .drain(name(1))])
    #expect(node.served() == nil)
    #expect(node.machine.retirement(of: name(1)) == gone)
    #expect(node.handle(.drained(name(1))) == [.unload(name(1))])
    node.record(9, .heartbeat)
    #expect(node.snapshot(9, [try node.publisher.entry(1)]) == [])
    #expect(node.record(10, .versionRetired(gone)) == [])
  }

  @Test("Where the alias went back to its standby first, no request goes without a version")
  func standbyTakesOver() throws {
    var node = try Node(standby: 1)
    node.snapshot(1, [try node.publisher.entry(1)])
    node.finish(1)
    node.record(2, try node.publisher.published(2))
    node.snapshot(3, [try node.publisher.entry(2)])
    node.finish(2)
    #expect(node.record(4, .aliasMoved(model: "digits", alias: .latest, version: 1)) == [.offer(name(1), .latest)])
    let gone = try Self.retired(2, by: node.publisher)
    #expect(node.record(5, .versionRetired(gone)) == [.retire(gone), .drain(name(2))])
    #expect(node.served() == 1)
  }

  @Test("While the next version is on its way, the standby serves in place of the retired one")
  func standbyFillsIn() throws {
    var node = try Node(standby: 1)
    node.snapshot(1, [try node.publisher.entry(1)])
    node.finish(1)
    for version in [2, 3] as [ModelVersion] {
      node.record(version.value, try node.publisher.published(version))
      node.snapshot(version.value, [try node.publisher.entry(version)])
      if version == 2 { node.finish(2) }
    }
    let gone = try Self.retired(2, by: node.publisher)
    #expect(
      node.record(4, .versionRetired(gone)) == [.retire(gone), .offer(name(1), .latest), .drain(name(2))])
    #expect(node.finish(3) == [.offer(name(3), .latest)])
  }

  /// How far the version has come when it is retired, in steps.
  @Test("A version that is retired on its way goes no further", arguments: 0...4)
  func onItsWay(_ steps: Int) throws {
    var node = try Node()
    node.snapshot(1, [try node.publisher.entry(1)])
    let way: [ServingEvent] = [.blobsFetched(name(1)), .verified(name(1)), .loaded(name(1)), .warmedUp(name(1))]
    for event in way.prefix(steps) { node.handle(event) }
    let gone = try Self.retired(1, by: node.publisher)
    let actions = node.record(2, .versionRetired(gone))
    #expect(actions.contains(.unload(name(1))) == (1...3).contains(steps))
    // What the driver had begun comes to its end.
    if steps < 4 {
      let late = node.handle(way[steps])
      #expect(late == (steps == 1 || steps == 2 ? [.unload(name(1))] : []))
    }
    #expect(node.served() == nil)
  }

  @Test("A snapshot tells of retired versions, and a node that starts remembers them")
  func remembered() throws {
    let publisher = try Publisher()
    let gone = try Self.retired(1, by: publisher)
    var joining = try Node()
    let snapshot = StateSnapshot(epoch: 1, sequence: 1, entries: [try publisher.entry(2)], retired: [gone])
    let actions = joining.handle(.snapshotReceived(snapshot))
    #expect(actions.contains(.retire(gone)))
    #expect(fetches(actions) == [name(2)])
    var started = try Node(retired: [gone])
    #expect(started.machine.retirement(of: name(1)) == gone)
    #expect(started.snapshot(1, [try publisher.entry(1), try publisher.entry(2, [.best])]).count == 1)
  }

  @Test("A retirement of other bytes than the node knows is reported and changes nothing")
  func conflict() throws {
    var node = try Node()
    node.snapshot(1, [try node.publisher.entry(1)])
    node.finish(1)
    let other = RetiredVersion(
      model: "digits", version: 1, digest: try node.publisher.manifest(1, seed: 9).digest, reason: "other")
    let known = try node.publisher.manifest(1).digest
    let record = StateRecord(epoch: 1, sequence: 2, kind: .versionRetired(other))
    #expect(node.reports(.recordReceived(record)) == [.conflict(name(1), known: known, announced: other.digest)])
    #expect(node.served() == 1)
  }

  @Test("Of too many retired versions the oldest are forgotten")
  func bounded() throws {
    var node = try Node()
    node.snapshot(1, [])
    for version in 1...UInt64(RetiredVersion.countMax) + 1 {
      let gone = RetiredVersion(
        model: "digits", version: ModelVersion(version), digest: Digest(unchecked: [UInt8](repeating: 1, count: 32)),
        reason: "")
      node.record(version + 1, .versionRetired(gone))
    }
    #expect(node.machine.retirement(of: name(1)) == nil)
    #expect(node.machine.retirement(of: name(2)) != nil)
  }

  /// Plays a random publisher against a node whose steps fail at random and end in any order.
  private struct Play {
    var choices: SeededGenerator
    var node: Node
    var pending: [ServingAction] = []
    var sequence: UInt64 = 1
    var newest: UInt64 = 1
    var aliases: [Alias: ModelVersion] = [.latest: 1]
    var retired: [ModelVersion] = []
    /// What the driver has in memory.
    var loaded: Set<ModelVersion> = []
    let isRetiring: Bool

    init(seed: UInt64, isRetiring: Bool) throws {
      choices = SeededGenerator(seed: seed)
      self.isRetiring = isRetiring
      node = try Node(standby: Int(seed % 2))
      take(node.snapshot(1, try entries()))
      take(node.finish(1))
      loaded.insert(1)
    }

    mutating func chance(_ one: UInt64) -> Bool { choices.next() % one == 0 }

    func entries() throws -> [StateSnapshot.Entry] {
      try Dictionary(grouping: aliases.keys) { aliases[$0] ?? 0 }.sorted { $0.key < $1.key }.map {
        try node.publisher.entry($0.key, $0.value.sorted())
      }
    }

    mutating func take(_ actions: [ServingAction]) {
      for case .unload(let name) in actions { loaded.remove(name.version) }
      pending += actions
    }

    mutating func send(_ kind: StateRecord.Kind) {
      sequence += 1
      guard !chance(5) else { return }  // Lost on the way.
      take(node.record(sequence, kind))
    }

    mutating func publisherActs() throws {
      switch choices.next() % 4 {
      case 0, 1:
        newest += 1
        aliases[.latest] = ModelVersion(newest)
        send(try node.publisher.published(ModelVersion(newest)))
        send(.aliasMoved(model: "digits", alias: .latest, version: ModelVersion(newest)))
      case 2:
        let target = ModelVersion(1 + choices.next() % newest)
        guard !retired.contains(target) else { return }
        aliases[.best] = target
        send(.aliasMoved(model: "digits", alias: .best, version: target))
      default:
        let gone = ModelVersion(1 + choices.next() % newest)
        guard isRetiring, !retired.contains(gone) else { return }
        retired.append(gone)
        let standing = (1...newest).map { ModelVersion($0) }.filter { !retired.contains($0) }
        for (alias, version) in aliases.sorted(by: { $0.key < $1.key }) where version == gone {
          aliases[alias] = standing.last { $0 < gone }
          if let target = aliases[alias] {
            send(.aliasMoved(model: "digits", alias: alias, version: target))
          } else {
            send(.aliasRemoved(model: "digits", alias: alias))
          }
        }
        send(.versionRetired(try RetirementTests.retired(gone, by: node.publisher)))
      }
    }

    /// Ends one action that the driver was given, well or not.
    mutating func driverActs() throws {
      guard !pending.isEmpty else { return take(node.record(sequence, .heartbeat)) }
      let action = pending.remove(at: Int(choices.next() % UInt64(pending.count)))
      let fails = chance(4)
      switch action {
      case .requestSnapshot:
        let gone = try retired.map { try RetirementTests.retired($0, by: node.publisher) }
        let snapshot = StateSnapshot(epoch: 1, sequence: sequence, entries: try entries(), retired: gone)
        take(node.handle(fails ? .snapshotFailed("lost") : .snapshotReceived(snapshot)))
      case .retrySnapshot: take(node.handle(.snapshotRetryDue))
      case .fetchBlobs(let name, _): take(node.handle(fails ? .fetchFailed(name, "lost") : .blobsFetched(name)))
      case .retryFetch(let name, _): take(node.handle(.fetchRetryDue(name)))
      case .verifyBlobs(let name, _):
        take(node.handle(fails ? .verificationFailed(name, .missingTensor("w")) : .verified(name)))
      case .load(let name):
        if fails { return take(node.handle(chance(2) ? .loadFailed(name, "bad") : .loadRefused(name, "full"))) }
        loaded.insert(name.version)
        take(node.handle(.loaded(name)))
      case .warmUp(let name):
        if fails { loaded.remove(name.version) }
        take(node.handle(fails ? .warmUpFailed(name, "bad") : .warmedUp(name)))
      case .drain(let name): take(node.handle(.drained(name)))
      case .offer, .withdraw, .unload, .retire, .watchSilence, .report: break
      }
    }
  }

  @Test(
    "In any order of events, what is served is loaded and not retired, and without retirement never nothing",
    arguments: [true, false])
  func random(_ isRetiring: Bool) throws {
    for seed in 1...30 as ClosedRange<UInt64> {
      var play = try Play(seed: seed, isRetiring: isRetiring)
      for _ in 0..<150 {
        if play.chance(4) { try play.publisherActs() } else { try play.driverActs() }
        for alias in [Alias.latest, .best] {
          guard let version = play.node.served(alias) else { continue }
          #expect(play.loaded.contains(version), "seed \(seed)")
          #expect(play.node.machine.retirement(of: name(version)) == nil, "seed \(seed)")
        }
        if !isRetiring { #expect(play.node.served() != nil, "seed \(seed)") }
      }
    }
  }
}
