import Cryptography
import Federation
import SecureAggregation
import Testing

/// Whole attempts on the sparse graph: 260 workers, each with 128 neighbours, t = 97.
@Suite(.serialized)
struct SparseRoundTests {
  static let count = 260

  private static func federation(
    seed: String = "", organisations: ((Int) -> String)? = nil, configure: (inout RoundConfiguration) -> Void = { _ in }
  ) throws -> ProtocolFederation {
    var federation = try ProtocolFederation(
      organisations: (0..<count).map { organisations?($0) ?? "org-\($0)" }, seed: seed
    ) {
      $0.vectorLength = 3
      $0.chunkElements = 16
      $0.maximumRoster = 10_000
      configure(&$0)
    }
    federation.computations = RememberedComputations(servesMany: true)
    return federation
  }

  @Test("Dropouts after their shares and after their inputs leave the exact sum of the survivors")
  func opensTheSum() throws {
    let round = try ProtocolRound(Self.federation())
    for index in stride(from: 0, to: 60, by: 5) { round.lastWord[round.names[index]] = .shareCheck }
    for index in [61, 62, 63] { round.lastWord[round.names[index]] = .input }
    for index in [71, 72] { round.lastWord[round.names[index]] = .advert }
    for index in [81] { round.lastWord[round.names[index]] = .agreement }
    try round.run()
    let survivors = round.coordinator.survivors
    #expect(survivors.count == Self.count - 12 - 2)
    #expect(round.sums == round.plainSum(of: survivors))
    #expect(Set(round.added) == Set(survivors))
    #expect(round.blames.isEmpty)
    #expect(round.releases.exposed(threshold: 97).isEmpty)
  }

  @Test("Every worker masks with and helps its neighbours only")
  func keepsToNeighbours() throws {
    let round = try ProtocolRound(Self.federation())
    var entries: Set<Int> = [], relayed: Set<Int> = [], released: Set<Int> = []
    round.onWayToCoordinator = { _, event in
      if case .bundleReceived(let bundle, _) = event { entries.insert(bundle.bundle.entries.count) }
      if case .unmaskReceived(let shares, _) = event { released.insert(shares.selfMaskShares.count) }
      return [event]
    }
    round.onWayToWorker = { _, event in
      if case .survivorsReceived(let set) = event { relayed.insert(set.inputs.count) }
      return [event]
    }
    try round.run()
    #expect(entries == [128] && relayed == [128] && released == [129])
    #expect(round.sums == round.plainSum(of: round.names))
  }

  /// What a coordinator shows worker 0 in place of the true message, and what worker 0 has to say to it.
  enum Attack: CaseIterable {
    case dealersWithoutNeighbours, survivorsBelowDegree, survivorsBelowDelta, inputMissing, inputOfAnotherU2
    case inputOfAStranger, secondDealers, secondSurvivors

    var refusal: Refusal {
      switch self {
      case .dealersWithoutNeighbours: .tooFewNeighbours
      case .survivorsBelowDegree: .tooFewNeighbours
      case .survivorsBelowDelta: .tooFewSurvivors
      case .inputMissing, .inputOfAnotherU2, .inputOfAStranger: .inputOfAnotherU2
      case .secondDealers: .secondDealerSet
      case .secondSurvivors: .secondSurvivorSet
      }
    }
  }

  @Test(
    "Workers refuse by name what a coordinator tries on the sparse graph, each another thing, and keep their shares")
  func refuses() throws {
    let round = try ProtocolRound(Self.federation(configure: { $0.delta = .init(1, 3) }))
    let forgery = ProtocolForgery(federation: round.federation, context: round.context)
    round.onWayToWorker = { name, event in
      guard let victim = round.names.firstIndex(of: name), victim < Attack.allCases.count,
        let transcript = round.coordinator.transcript,
        let near = try? round.context.computations.graph(transcript: transcript, rosterCount: Self.count)
          .neighbours(of: victim)
      else { return [event] }
      return Self.attack(Attack.allCases[victim], event, near: near, forgery)
    }
    try round.run()
    for (victim, attack) in Attack.allCases.enumerated() {
      #expect(round.outcome(of: round.names[victim]) == .refused(attack.refusal), "\(attack)")
      // A second set comes after the first was honestly agreed to; what was released before belongs to that one.
      let released = round.releases.helpers.contains(victim)
      #expect(!released || attack == .secondDealers || attack == .secondSurvivors, "\(attack)")
    }
    #expect(round.releases.exposed(threshold: 97).isEmpty)
  }

  private static func attack(
    _ attack: Attack, _ event: ProtocolRound.ToWorker, near: [Int], _ forgery: ProtocolForgery
  ) -> [ProtocolRound.ToWorker] {
    // All but those neighbours of the victim that it could not do without.
    let isolating = (0..<count).filter { !near.prefix(32).contains($0) }
    func survivors(_ members: [Int], _ set: SurvivorSet) -> ProtocolRound.ToWorker {
      .survivorsReceived(forgery.survivors(members, count: count, like: set, inputs: set.inputs))
    }
    switch (attack, event) {
    case (.dealersWithoutNeighbours, .dealersReceived(let set)):
      return [.dealersReceived(forgery.dealers(isolating, count: count, like: set))]
    case (.secondDealers, .dealersReceived(let set)):
      return [event, .dealersReceived(forgery.dealers(Array(0..<count - 1), count: count, like: set))]
    case (.survivorsBelowDegree, .survivorsReceived(let set)):
      return [survivors(set.survivors.members.filter(isolating.contains), set)]
    case (.survivorsBelowDelta, .survivorsReceived(let set)):
      return [survivors(Array(set.survivors.members.prefix(170)), set)]
    case (.secondSurvivors, .survivorsReceived(let set)):
      return [event, survivors(Array(set.survivors.members.dropLast()), set)]
    case (.inputMissing, .survivorsReceived(let set)): return [changed(set) { Array($0.dropLast()) }]
    case (.inputOfAnotherU2, .survivorsReceived(let set)):
      // A neighbour that masked under another U2 signed for that one.
      return [
        changed(set) { inputs in
          let signed = SignedString.input(
            transcript: set.transcript, worker: inputs[0].worker, dealersDigest: .sha256(of: [1]),
            payloadDigest: inputs[0].payloadDigest)
          let other = RelayedInput(
            worker: inputs[0].worker, payloadDigest: inputs[0].payloadDigest,
            signature: forgery.key(inputs[0].worker).signature(over: signed))
          return [other] + inputs.dropFirst()
        }
      ]
    case (.inputOfAStranger, .survivorsReceived(let set)):
      return [
        changed(set) { inputs in
          inputs.dropLast() + [
            RelayedInput(
              worker: inputs[inputs.count - 1].worker, payloadDigest: inputs[0].payloadDigest,
              signature: inputs[0].signature)
          ]
        }
      ]
    default: return [event]
    }
  }

  private static func changed(
    _ set: SurvivorSet, _ change: ([RelayedInput]) -> [RelayedInput]
  ) -> ProtocolRound.ToWorker {
    .survivorsReceived(
      SurvivorSet(
        transcript: set.transcript, dealersDigest: set.dealersDigest, survivors: set.survivors,
        inputs: change(set.inputs), signature: set.signature))
  }

  @Test("A second U2 without the victim's neighbours does not open the victim (ruling A16)")
  func secondDealerSetIsolatesNobody() throws {
    let federation = try Self.federation()
    let round = try ProtocolRound(federation)
    let forgery = ProtocolForgery(federation: federation, context: round.context)
    let victim = round.names[0]
    var other: DealerSet?
    var near: Set<Int> = []
    round.onWayToWorker = { name, event in
      switch event {
      case .dealersReceived(let set) where name == victim:
        // The victim alone sees a U2 that leaves it just enough neighbours; everyone else the true one.
        near = Set(
          (try? round.context.computations.graph(transcript: set.transcript, rosterCount: Self.count))?.neighbours(
            of: 0) ?? [])
        let cut = Set(near.sorted().prefix(26))
        other = forgery.dealers((0..<Self.count).filter { !cut.contains($0) }, count: Self.count, like: set)
        return other.map { [.dealersReceived($0)] } ?? []
      case .survivorsReceived(let set):
        // Everyone is told that the victim survived, with the input that it signed for its own U2.
        guard let other, let index = round.names.firstIndex(of: name) else { return [event] }
        let signed = SignedString.input(
          transcript: set.transcript, worker: 0, dealersDigest: other.dealers.digest, payloadDigest: .sha256(of: [1]))
        let input = RelayedInput(
          worker: 0, payloadDigest: .sha256(of: [1]), signature: forgery.key(0).signature(over: signed))
        return [
          .survivorsReceived(
            forgery.survivors(
              [0] + set.survivors.members, count: Self.count, like: set,
              inputs: (near.contains(index) ? [input] : []) + set.inputs))
        ]
      default: return [event]
      }
    }
    try round.run()
    let owner = try ReleaseRecord.Owner(transcript: #require(other).transcript, owner: 0)
    #expect(near.count == 128)
    #expect(near.allSatisfy { round.outcome(of: round.names[$0]) == .refused(.inputOfAnotherU2) })
    #expect(round.releases.selfMasks[owner, default: []].isEmpty)
    #expect(!round.added.contains(victim))
  }

  @Test("When the dropouts cut a dealer off, the attempt ends with its name, and nothing is open")
  func endsWhenADealerIsCutOff() throws {
    let federation = try Self.federation(configure: { $0.delta = .init(1, 3) })
    let round = try ProtocolRound(federation)
    var silenced = false
    round.onWayToCoordinator = { name, event in
      if !silenced, case .inputOpened = event,
        let graph = try? SparseGraph(
          transcript: round.coordinator.transcript ?? .sha256(of: []), rosterCount: Self.count)
      {
        silenced = true
        for neighbour in graph.neighbours(of: 0).prefix(40) { round.lastWord[round.names[neighbour]] = .shareCheck }
      }
      return [event]
    }
    round.lastWord[round.names[0]] = .input
    try round.run()
    #expect(round.sums == nil && round.releases.isEmpty)
    guard case .dealerCutOff(_, have: let have, need: 97)? = round.abandonment else {
      Issue.record("found \(String(describing: round.abandonment))")
      return
    }
    #expect(have < 97)
  }

  @Test("A liar that complains about more neighbours than can be corrupt is out alone")
  func convictsTheLiar() throws {
    let federation = try Self.federation()
    let round = try ProtocolRound(federation)
    let forgery = ProtocolForgery(federation: federation, context: round.context)
    round.onWayToCoordinator = { _, event in
      guard case .shareCheckReceived(let check, let name) = event, check.helper == 7,
        let graph = try? SparseGraph(transcript: check.transcript, rosterCount: Self.count)
      else { return [event] }
      return [
        .shareCheckReceived(
          forgery.shareCheck(check, complaints: Array(graph.neighbours(of: 7).prefix(51))), from: name)
      ]
    }
    try round.run()
    #expect(round.blames == [round.names[7]: [.complainedAbout]])
    #expect(round.coordinator.survivors.count == Self.count - 1)
    #expect(round.sums == round.plainSum(of: round.coordinator.survivors))
  }

  @Test("A roster above the limit of the configuration, or above the table, is refused")
  func refusesLargeRosters() throws {
    let round = try ProtocolRound(Self.federation(configure: { $0.maximumRoster = 259 }))
    try round.run()
    #expect(round.abandonment == .rosterRefused(.rosterTooLarge))
  }
}
