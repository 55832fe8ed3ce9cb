import Federation
import ModelRegistry
import Serving
import Testing

@Suite("Serving node")
struct ServingStateMachineTests {
  @Test("A new node asks for a snapshot and brings the version in step by step")
  func firstVersion() throws {
    var node = try Node()
    #expect(node.machine.isCurrent == false)
    let manifest = try Manifest(bytes: node.publisher.manifest(3).bytes)
    #expect(node.snapshot(7, [try node.publisher.entry(3)]) == [.fetchBlobs(name(3), manifest.tensors.map(\.digest))])
    #expect(node.machine.isCurrent)
    #expect(node.handle(.blobsFetched(name(3))) == [.verifyBlobs(name(3), manifest)])
    #expect(node.handle(.verified(name(3))) == [.load(name(3))])
    #expect(node.handle(.loaded(name(3))) == [.warmUp(name(3))])
    #expect(node.served() == nil)
    #expect(node.handle(.warmedUp(name(3))) == [.offer(name(3), .latest)])
    #expect(node.served() == 3)
  }

  @Test("A published version is fetched through a snapshot, offered when ready, and then the old one goes")
  func nextVersion() throws {
    var node = try Node()
    node.snapshot(7, [try node.publisher.entry(3)])
    node.finish(3)
    #expect(node.record(8, try node.publisher.published(4)) == [.requestSnapshot])
    #expect(fetches(node.snapshot(9, [try node.publisher.entry(4)])) == [name(4)])
    #expect(node.served() == 3)
    #expect(node.finish(4) == [.offer(name(4), .latest), .drain(name(3))])
    #expect(node.served() == 4)
    #expect(node.handle(.drained(name(3))) == [.unload(name(3))])
  }

  /// The step at which a version fails, by its event.
  @Test("A version that fails leaves the old one serving and is never tried again", arguments: [0, 1, 2])
  func badVersion(_ step: Int) throws {
    var node = try Node()
    node.snapshot(7, [try node.publisher.entry(3)])
    node.finish(3)
    node.record(8, try node.publisher.published(4))
    node.snapshot(9, [try node.publisher.entry(4)])
    node.handle(.blobsFetched(name(4)))
    let failures: [ServingEvent] = [
      .verificationFailed(name(4), .missingTensor("w")), .loadFailed(name(4), "NaN"), .warmUpFailed(name(4), "shape"),
    ]
    if step >= 1 { node.handle(.verified(name(4))) }
    if step >= 2 { node.handle(.loaded(name(4))) }
    let actions = node.all(failures[step])
    #expect(actions.contains { if case .report(.quarantined(name(4), _)) = $0 { true } else { false } })
    #expect(actions.contains(.unload(name(4))) == (step == 2))
    #expect(node.served() == 3)
    // Announced again, by another snapshot: still bad.
    node.record(20, .heartbeat)
    #expect(node.snapshot(20, [try node.publisher.entry(4)]) == [])
    #expect(node.served() == 3)
    // The next version is a new chance.
    node.record(21, try node.publisher.published(5))
    #expect(fetches(node.snapshot(22, [try node.publisher.entry(5)])) == [name(5)])
    #expect(node.finish(5) == [.offer(name(5), .latest), .drain(name(3))])
  }

  @Test("A manifest that the coordinator did not sign, or signed for another version, is never fetched")
  func badManifest() throws {
    var node = try Node()
    let good = try node.publisher.entry(3)
    let forged = StateSnapshot.Entry(
      model: "digits", version: 4,
      manifest: SignedManifest(
        bytes: try node.publisher.manifest(4).bytes, signature: good.manifest.signature, signer: "coordinator"),
      aliases: [.latest])
    let mislabelled = StateSnapshot.Entry(
      model: "digits", version: 5, manifest: try node.publisher.manifest(4), aliases: [.latest])
    node.snapshot(7, [good])
    node.finish(3)
    for (i, bad) in [forged, mislabelled].enumerated() {
      node.record(UInt64(10 + i), .heartbeat)
      let snapshot = StateSnapshot(epoch: 1, sequence: UInt64(10 + i), entries: [bad])
      let actions = node.all(.snapshotReceived(snapshot))
      #expect(fetches(actions) == [])
      #expect(
        actions.contains {
          if case .report(.refused(VersionName("digits", bad.version), _)) = $0 { true } else { false }
        })
      #expect(node.served() == 3)
    }
  }

  @Test("A version published twice with different bytes keeps its first bytes")
  func conflict() throws {
    var node = try Node()
    node.snapshot(7, [try node.publisher.entry(3)])
    node.finish(3)
    let (first, second) = (try node.publisher.manifest(3).digest, try node.publisher.manifest(3, seed: 1).digest)
    let report = ServingReport.conflict(name(3), known: first, announced: second)
    let record = StateRecord(epoch: 1, sequence: 8, kind: try node.publisher.published(3, seed: 1))
    #expect(node.reports(.recordReceived(record)) == [report])
    node.record(20, .heartbeat)
    let snapshot = StateSnapshot(epoch: 1, sequence: 20, entries: [try node.publisher.entry(3, seed: 1)])
    #expect(node.reports(.snapshotReceived(snapshot)).contains(report))
    #expect(node.served() == 3)
  }

  @Test("A node slower than the rounds offers every version that it finishes")
  func slowNode() throws {
    var node = try Node()
    node.snapshot(1, [try node.publisher.entry(1)])
    var sequence: UInt64 = 1
    var offered: [ModelVersion] = []
    var fetching: ModelVersion = 1
    for version in 2...6 as ClosedRange<UInt64> {
      sequence += 1
      #expect(node.record(sequence, try node.publisher.published(ModelVersion(version))) == [.requestSnapshot])
      // One version at a time is on its way.
      #expect(fetches(node.snapshot(sequence, [try node.publisher.entry(ModelVersion(version))])) == [])
      if version % 2 == 0 {
        let actions = node.finish(fetching)
        #expect(actions.contains(.offer(name(fetching), .latest)))
        offered.append(fetching)
        fetching = try #require(fetches(actions).first).version
      }
    }
    #expect(offered == [1, 2, 4])
    node.finish(fetching)
    #expect(node.served() == 6)
  }

  @Test("An alias moved back is served again, and what it left goes only then")
  func rollback() throws {
    var node = try Node()
    let champion = try #require(Alias("champion"))
    node.snapshot(1, [try node.publisher.entry(1, [champion]), try node.publisher.entry(2, [.latest])])
    node.finish(2)
    node.finish(1)
    #expect(node.served() == 2)
    #expect(node.served(champion) == 1)
    #expect(
      node.record(2, .aliasMoved(model: "digits", alias: champion, version: 2)) == [
        .offer(name(2), champion), .drain(name(1)),
      ])
    #expect(node.handle(.drained(name(1))) == [.unload(name(1))])
    // Back to a version that is no longer there: the snapshot brings its manifest.
    #expect(node.record(3, .aliasMoved(model: "digits", alias: champion, version: 1)) == [.requestSnapshot])
    let again = node.snapshot(3, [try node.publisher.entry(1, [champion]), try node.publisher.entry(2, [.latest])])
    #expect(fetches(again) == [name(1)])
    #expect(node.served(champion) == 2)
    #expect(node.finish(1) == [.offer(name(1), champion)])
  }

  @Test("An alias that a snapshot leaves out is withdrawn, its version drained")
  func withdrawn() throws {
    var node = try Node()
    node.snapshot(1, [try node.publisher.entry(1)])
    node.finish(1)
    node.record(5, .heartbeat)
    #expect(node.snapshot(5, []) == [.withdraw("digits", .latest), .drain(name(1))])
    #expect(node.handle(.drained(name(1))) == [.unload(name(1))])
    #expect(node.served() == nil)
  }

  @Test("A fetch that fails is tried again after one, two, four … at most 32 seconds")
  func fetchRetries() throws {
    var node = try Node()
    node.snapshot(1, [try node.publisher.entry(1)])
    for seconds in [1, 2, 4, 8, 16, 32, 32] {
      #expect(node.handle(.fetchFailed(name(1), "no route")) == [.retryFetch(name(1), after: .seconds(seconds))])
      #expect(fetches(node.handle(.fetchRetryDue(name(1)))) == [name(1)])
    }
    #expect(node.finish(1) == [.offer(name(1), .latest)])
  }

  @Test("A newer version does not wait for one that cannot be fetched")
  func newerFirst() throws {
    var node = try Node()
    node.snapshot(1, [try node.publisher.entry(1)])
    node.handle(.fetchFailed(name(1), "no route"))
    node.record(2, try node.publisher.published(2))
    #expect(fetches(node.snapshot(2, [try node.publisher.entry(2)])) == [name(2)])
    #expect(node.handle(.fetchRetryDue(name(1))) == [])
    #expect(node.finish(2) == [.offer(name(2), .latest)])
  }

  @Test("Silence is reported once, and the versions are served on")
  func silence() throws {
    var node = try Node()
    node.snapshot(1, [try node.publisher.entry(1)])
    node.finish(1)
    #expect(node.reports(.silencePassed) == [.publisherLost])
    #expect(node.reports(.silencePassed) == [])
    #expect(!node.machine.isCurrent)
    #expect(node.served() == 1)
    let heartbeat = StateRecord(epoch: 1, sequence: 1, kind: .heartbeat)
    #expect(
      node.all(.recordReceived(heartbeat)) == [
        .report(.publisherFound), .watchSilence(after: ServingStateMachine.silenceMax),
      ])
    #expect(node.machine.isCurrent)
  }

  @Test("A snapshot that fails or does not help is asked for again after a pause, never in a tight loop")
  func snapshotRetries() throws {
    var node = try Node()
    #expect(node.handle(.snapshotFailed("deadline")) == [.retrySnapshot(after: .seconds(1))])
    #expect(node.handle(.snapshotFailed("again")) == [])
    #expect(node.handle(.snapshotRetryDue) == [.requestSnapshot])
    node.record(9, try node.publisher.published(2))
    node.record(11, try node.publisher.published(3))
    #expect(node.snapshot(8, []) == [.requestSnapshot])
    #expect(node.snapshot(8, []) == [.retrySnapshot(after: .seconds(1))])
    #expect(node.handle(.snapshotRetryDue) == [.requestSnapshot])
    #expect(fetches(node.snapshot(11, [try node.publisher.entry(3)])) == [name(3)])
    #expect(node.handle(.snapshotRetryDue) == [])
  }

  @Test("A publisher that starts anew is followed through a snapshot; nothing is unloaded on the way")
  func newEpoch() throws {
    var node = try Node()
    node.snapshot(50, [try node.publisher.entry(1)])
    node.finish(1)
    #expect(node.record(0, .heartbeat, epoch: 2) == [.requestSnapshot])
    #expect(node.served() == 1)
    #expect(node.snapshot(0, [try node.publisher.entry(1)], epoch: 2) == [])
    #expect(node.record(1, try node.publisher.published(2), epoch: 2) == [.requestSnapshot])
  }

  @Test(
    "Events of versions and models that are not under way change nothing",
    arguments: [
      ServingEvent.blobsFetched(name(9)), .verified(name(9)), .loaded(name(9)), .warmedUp(name(9)), .drained(name(9)),
      .fetchRetryDue(name(9)), .fetchFailed(name(9), ""), .loadFailed(name(9), ""),
      .verified(VersionName("stranger", 1)), .verified(name(1)), .loaded(name(1)), .warmedUp(name(1)),
      .drained(name(1)),
    ])
  func stray(_ event: ServingEvent) throws {
    var node = try Node()
    node.snapshot(1, [try node.publisher.entry(1)])
    #expect(node.all(event) == [])
    #expect(node.finish(1) == [.offer(name(1), .latest)])
  }

  @Test("Whatever the order of publications, losses and failures, a model that was served once is served on")
  func random() throws {
    for seed in 1...40 as ClosedRange<UInt64> {
      var choices = SeededGenerator(seed: seed)
      var node = try Node()
      var pending: [ServingAction] = []
      var (sequence, newest): (UInt64, UInt64) = (1, 1)
      node.snapshot(1, [try node.publisher.entry(1)])
      node.finish(1)
      for _ in 0..<200 {
        var event: ServingEvent
        if choices.next() % 3 == 0 {
          newest += 1
          sequence += 1 + choices.next() % 2  // Every other record is lost on the way.
          event = .recordReceived(
            StateRecord(epoch: 1, sequence: sequence, kind: try node.publisher.published(ModelVersion(newest))))
        } else if !pending.isEmpty {
          let action = pending.remove(at: Int(choices.next() % UInt64(pending.count)))
          let fails = choices.next() % 4 == 0
          switch action {
          case .requestSnapshot:
            let entry = try node.publisher.entry(ModelVersion(newest))
            event =
              fails
              ? .snapshotFailed("lost")
              : .snapshotReceived(StateSnapshot(epoch: 1, sequence: sequence, entries: [entry]))
          case .retrySnapshot: event = .snapshotRetryDue
          case .fetchBlobs(let name, _): event = fails ? .fetchFailed(name, "lost") : .blobsFetched(name)
          case .retryFetch(let name, _): event = .fetchRetryDue(name)
          case .verifyBlobs(let name, _):
            event = fails ? .verificationFailed(name, .missingTensor("w")) : .verified(name)
          case .load(let name): event = fails ? .loadFailed(name, "bad") : .loaded(name)
          case .warmUp(let name): event = fails ? .warmUpFailed(name, "bad") : .warmedUp(name)
          case .drain(let name): event = .drained(name)
          case .offer, .withdraw, .unload, .retire, .watchSilence, .report: continue
          }
        } else {
          continue
        }
        let before = node.served()
        pending += node.handle(event)
        let after = try #require(node.served())
        #expect(before.map { $0 <= after } ?? true)
      }
    }
  }
}
