import Federation
import SecureAggregation
import Testing

/// Whole attempts with real masks: the open sum is the plain sum of the survivors' integers, exactly.
struct ProtocolRoundTests {
  /// Who says what last; everyone else stays to the end.
  struct Fate: Sendable, CustomTestStringConvertible {
    let count: Int
    let last: ProtocolStep
    let dropouts: Int
    /// Of those who dropped out, how many inputs are in the sum all the same.
    var counted: Int { last >= .input ? dropouts : 0 }
    var testDescription: String { "\(count) workers, \(dropouts) gone after \(last)" }
  }

  static let tolerated: [Fate] = [5, 8].flatMap { count in
    [Fate(count: count, last: .unmask, dropouts: 0)]
      + [ProtocolStep.nothing, .advert, .bundle, .shareCheck, .input, .agreement].map {
        Fate(count: count, last: $0, dropouts: 1)
      }
      + (count == 8 ? [.advert, .bundle, .shareCheck, .input, .agreement] : []).map {
        Fate(count: count, last: $0, dropouts: 2)
      }
  }

  @Test("The open sum is the sum of the survivors", arguments: tolerated, [false, true])
  func opensTheSum(_ fate: Fate, noticesLoss: Bool) throws {
    let round = try ProtocolRound(ProtocolFederation(count: fate.count))
    round.noticesLoss = noticesLoss
    // The dropouts stand in the middle, so that masks of either sign have to be removed.
    let gone = Array(round.names.dropFirst(2).prefix(fate.dropouts))
    for name in gone { round.lastWord[name] = fate.last }
    try round.run()
    let expected = round.names.filter { !gone.contains($0) || fate.counted > 0 }
    #expect(round.abandonment == nil)
    #expect(round.added.sorted() == expected)
    #expect(round.sums == round.plainSum(of: expected))
    #expect(round.sums?.map(\.count) == [37, 7])
    #expect(round.blames.isEmpty)
    for name in round.names where !gone.contains(name) {
      #expect(
        round.outcome(of: name) == .committed(modelDigest: .sha256(of: Array("next model".utf8)), counted: true))
      #expect(round.ignored(by: name).isEmpty)
    }
    let waits = fate.dropouts > 0 && !noticesLoss && fate.last != .unmask
    #expect(round.stagesEnded.isEmpty == !(waits && fate.last < .input))
  }

  @Test("Every ring, suite, rotation and mode opens exactly", arguments: [16, 24, 32] as [UInt64], [false, true])
  func opensInEveryRing(_ ringBits: UInt64, rotation: Bool) throws {
    for suite in RoundConfiguration.Suite.allCases {
      for mode in RoundConfiguration.Mode.allCases {
        let federation = try ProtocolFederation(count: 5) {
          $0.ringBits = ringBits
          $0.rotation = rotation
          $0.suite = suite
          $0.mode = mode
          $0.auxiliaryLayout = RoundConfiguration.AuxiliaryField.allCases
        }
        let round = try ProtocolRound(federation)
        round.lastWord[round.names[1]] = .shareCheck
        try round.run()
        let expected = round.names.filter { $0 != round.names[1] }
        #expect(round.sums == round.plainSum(of: expected))
        #expect(round.sums?.last?.count == 25)
      }
    }
  }

  @Test("The decoded average is the weighted average of the updates, up to rounding")
  func decodesTheAverage() throws {
    let federation = try ProtocolFederation(count: 5)
    let round = try ProtocolRound(federation).run()
    let sums = try #require(round.sums)
    let transcript = try #require(round.coordinator.transcript)
    let rules = try EncodingRules(federation.configuration, rosterCount: 5)
    let weight = UInt64(sums[1][0])
    let average = try UpdateDecoder.average(sums[0], weight: weight, rules: rules, transcript: transcript)
    var expected = [Double](repeating: 0, count: 37)
    var total = 0.0
    for index in 0..<5 {
      let own = federation.update(of: index)
      let norm = own.difference.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      let scale = Double(min(own.exampleCount, 64)) * min(1, 1 / norm)
      for e in expected.indices { expected[e] += scale * Double(own.difference[e]) }
      total += Double(min(own.exampleCount, 64))
    }
    #expect(Double(weight) == total)
    for (found, sum) in zip(average, expected) { #expect(abs(found - sum / total) < 1e-6) }
  }

  @Test("An evaluation-only attempt carries the auxiliary vector alone")
  func evaluatesOnly() throws {
    let round = try ProtocolRound(ProtocolFederation(count: 5) { $0.vectorLength = 0 })
    round.lastWord[round.names[4]] = .shareCheck
    try round.run()
    #expect(round.sums == round.plainSum(of: Array(round.names.prefix(4))))
    #expect(round.sums?.map(\.count) == [7])
  }

  @Test(
    "One more dropout than tolerated abandons the attempt with the reason, and nothing is open",
    arguments: [
      (5, .nothing, .rosterRefused(.noSafeSurvivorSet)), (5, .advert, .tooFewDealers(have: 3, need: 4)),
      (5, .bundle, .tooFewDealers(have: 3, need: 4)), (5, .shareCheck, .tooFewInputs(have: 3, need: 4)),
      (5, .input, .tooFewAgreements(have: 3, need: 4)), (5, .agreement, .tooFewHelpersButSilent(3, 4, [1, 3])),
      (8, .advert, .tooFewDealers(have: 5, need: 6)), (8, .bundle, .tooFewDealers(have: 5, need: 6)),
      (8, .shareCheck, .tooFewInputs(have: 5, need: 6)), (8, .input, .tooFewAgreements(have: 5, need: 6)),
      (8, .agreement, .tooFewHelpersButSilent(5, 6, [0, 3, 7])),
    ] as [(Int, ProtocolStep, SecureAggregationCoordinator.Abandonment)], [false, true])
  func abandons(
    _ given: (count: Int, last: ProtocolStep, reason: SecureAggregationCoordinator.Abandonment), noticesLoss: Bool
  ) throws {
    let round = try ProtocolRound(ProtocolFederation(count: given.count))
    round.noticesLoss = noticesLoss
    let gone = given.count == 5 ? [1, 3] : [0, 3, 7]
    for index in gone { round.lastWord[round.names[index]] = given.last }
    try round.run()
    #expect(round.abandonment == given.reason)
    #expect(round.sums == nil)
    if given.last < .agreement {
      #expect(round.releases.isEmpty)
    } else {
      #expect(round.releases.helpers.count == given.count - gone.count)
      #expect(round.releases.maskKeys.isEmpty)
    }
  }

  @Test("A pair that is allowed by name adds up, and tolerates nobody's absence", arguments: [false, true])
  func addsUpAPair(oneDrops: Bool) throws {
    let federation = try ProtocolFederation(count: 2) { $0.minimumCohort = 2 }
    let policy = CohortPolicy(federation.configuration, allowPair: true)
    let round = try ProtocolRound(federation, coordinatorPolicy: policy)
    for name in round.names { round.workers[name] = try federation.worker(name, in: round.context, policy: policy) }
    if oneDrops { round.lastWord[round.names[0]] = .shareCheck }
    try round.run()
    #expect(round.sums == (oneDrops ? nil : round.plainSum(of: round.names)))
    #expect(round.abandonment == (oneDrops ? .tooFewInputs(have: 1, need: 2) : nil))
  }

  @Test("The goal count closes the inputs before the slowest has reported")
  func closesAtTheGoal() throws {
    let round = try ProtocolRound(ProtocolFederation(count: 8) { $0.goalCount = 6 }).run()
    #expect(round.added.count == 6)
    #expect(round.sums == round.plainSum(of: round.added.sorted()))
    #expect(round.refusedInputs.values.allSatisfy { $0 == [.notASurvivor] })
    #expect(round.leftOut.sorted() == round.names.filter { !round.added.contains($0) })
    #expect(round.stagesEnded.isEmpty)
  }

  @Test("Those who are never counted are told, and their machines say so")
  func tellsWhoIsLeftOut() throws {
    let round = try ProtocolRound(ProtocolFederation(count: 8))
    round.lastWord[round.names[0]] = .nothing
    round.lastWord[round.names[7]] = .shareCheck
    try round.run()
    #expect(round.leftOut == [round.names[0], round.names[7]])
  }
}

extension SecureAggregationCoordinator.Abandonment {
  /// Nobody answered wrongly; these positions of a full roster have not answered.
  fileprivate static func tooFewHelpersButSilent(_ have: Int, _ need: Int, _ silent: [Int]) -> Self {
    .tooFewHelpers(owner: nil, have: have, need: need, silent: silent.map(ProtocolFederation.name), wrong: [])
  }
}
