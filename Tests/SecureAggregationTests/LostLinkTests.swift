import Federation
import SecureAggregation
import Testing

/// Links that break and come back, processes that do not, and caps that dropouts push an organisation over.
struct LostLinkTests {
  /// The coordinator's messages to a worker, by stage.
  enum Missed: String, CaseIterable, Sendable {
    case offer, roster, peerShares, dealers, survivors, quorum

    func isMissed(_ event: SecureAggregationWorker.Event) -> Bool {
      switch (self, event) {
      case (.roster, .rosterReceived), (.peerShares, .peerSharesReceived), (.dealers, .dealersReceived),
        (.survivors, .survivorsReceived), (.quorum, .quorumReceived):
        true
      default: false
      }
    }
  }

  @Test(
    "Whoever lost a stage's message gets it again on return, and is counted", arguments: Missed.allCases, [false, true])
  func repeatsTheMessage(_ missed: Missed, isNoticed: Bool) throws {
    // Six need four agreements and four helpers: with three messages lost, every stage waits.
    let round = try ProtocolRound(ProtocolFederation(count: 6))
    let names = Array(round.names.prefix(3))
    var lost: Set<WorkerID> = []
    round.onWayToWorker = { worker, event in
      guard names.contains(worker), missed.isMissed(event), lost.insert(worker).inserted else { return [event] }
      return []
    }
    round.onWayToCoordinator = { worker, event in
      guard missed == .offer, names.contains(worker), lost.insert(worker).inserted else { return [event] }
      return []
    }
    try round.start()
    try round.drain()
    #expect(lost.count == 3)
    #expect(round.sums == nil)
    for name in names {
      if isNoticed { try round.feed(.workerLost(name)) }
      try round.feed(.workerReturned(name))
    }
    try round.run(isStarted: true)
    let name = names[1]
    #expect(round.stagesEnded.isEmpty)
    #expect(round.sums == round.plainSum(of: round.names))
    #expect(round.outcome(of: name).map { if case .committed(_, true) = $0 { true } else { false } } == true)
  }

  @Test("A restarted worker is not waited for, at any stage", arguments: [ProtocolStep.advert, .bundle, .shareCheck])
  func restartedIsGone(_ last: ProtocolStep) throws {
    let round = try ProtocolRound(ProtocolFederation(count: 8))
    let name = round.names[3]
    round.lastWord[name] = last
    try round.start()
    try round.drain()
    #expect(round.sums == nil)
    try round.feed(.workerRestarted(name))
    try round.run(isStarted: true)
    #expect(round.sums == round.plainSum(of: round.names.filter { $0 != name }))
    #expect(round.stagesEnded.isEmpty)
    try round.feed(.workerReturned(name))
    #expect(round.coordinator.stage == nil)
  }

  @Test("Whoever returns after its set was fixed is told that it is left out")
  func tellsTheReturned() throws {
    let round = try ProtocolRound(ProtocolFederation(count: 8))
    let name = round.names[3]
    round.onWayToCoordinator = { worker, event in
      guard worker == name, case .shareCheckReceived = event else { return [event] }
      return []
    }
    try round.start()
    try round.drain()
    try round.feed(.workerLost(name))
    #expect(round.leftOut == [name])
    try round.feed(.workerReturned(name))
    #expect(round.leftOut == [name, name])
  }

  @Test("A stage's deadline says nothing once the stage has ended")
  func ignoresOldDeadlines() throws {
    let round = try ProtocolRound(ProtocolFederation(count: 5))
    try round.start()
    try round.feed(.deadlinePassed(.maskedInput))
    #expect(round.coordinator.stage == .advertiseKeys)
    try round.drain()
    for stage in SecureAggregationStage.allCases { try round.feed(.deadlinePassed(stage)) }
    #expect(round.abandonment == nil)
    #expect(round.sums == round.plainSum(of: round.names))
  }

  @Test("Workers are left out of a roster until every organisation keeps its cap")
  func capsTheRoster() throws {
    // Four of eleven is above a third; three of nine, after one of another organisation is gone too, is not.
    let organisations = ["big", "big", "big", "big", "a", "b", "c", "d", "e", "f", "g"]
    let round = try ProtocolRound(ProtocolFederation(organisations: organisations)).run()
    #expect(round.coordinator.rosterWorkers == round.names.filter { $0 != round.names[3] })
    #expect(round.leftOut == [round.names[3]])
    #expect(round.sums == round.plainSum(of: round.coordinator.rosterWorkers))
  }

  @Test("A dropout that breaks the cap takes one of the large organisation with it, not the attempt")
  func capsTheSurvivors() throws {
    // n = 12, three of each "big": n_C = 3 and Q = 8; without one of the others three of eight would be above a third.
    let organisations = ["big", "big", "big", "big", "a", "b", "c", "d", "e", "f", "g", "h"]
    let round = try ProtocolRound(ProtocolFederation(organisations: organisations))
    round.lastWord[round.names[9]] = .shareCheck
    try round.run()
    #expect(round.abandonment == nil)
    let survivors = round.coordinator.survivors
    #expect(survivors == round.names.filter { $0 != round.names[9] && $0 != round.names[3] })
    #expect(round.added == survivors)
    #expect(round.sums == round.plainSum(of: survivors))
    // Both are dropouts to the others, and told so.
    #expect(round.leftOut.sorted() == [round.names[3], round.names[9]])
    #expect(round.releases.exposed(threshold: 1).isEmpty)
  }

  @Test("When no set keeps the cap, the attempt is abandoned with that reason and nothing is added")
  func abandonsAboveTheCap() throws {
    let round = try ProtocolRound(ProtocolFederation(organisations: ["big", "big", "a", "b", "c", "d"]))
    round.lastWord[round.names[5]] = .shareCheck
    try round.run()
    #expect(round.abandonment == .survivorsRefused(.organisationAboveCap))
    #expect(round.added.isEmpty)
    #expect(round.releases.isEmpty)
  }

  @Test(
    "The largest set within the cap takes the first workers of each organisation",
    arguments: [
      (["a", "a", "b", "c"], 9, [0, 2, 3]), (["a", "b"], 9, []), (["a", "b", "c", "a", "b", "c"], 4, [0, 1, 2]),
      (["a", "a", "a", "b", "c", "d"], 9, [0, 1, 3, 4, 5]), (["a", "b", "c", "d"], 3, [0, 1, 2]), ([], 3, []),
    ] as [([String], Int, [Int])])
  func findsLargestSet(_ organisations: [String], limit: Int, expected: [Int]) {
    var policy = CohortPolicy()
    if organisations.count == 6 && expected.count == 5 { policy.organisationCap = RoundConfiguration.Ratio(2, 5) }
    let found = policy.largestSetWithinCap(organisations.map { OrganisationID(unchecked: $0) }, atMost: limit)
    #expect(found == expected)
  }
}
