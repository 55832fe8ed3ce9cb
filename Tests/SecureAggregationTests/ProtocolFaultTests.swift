import Cryptography
import Federation
import SecureAggregation
import Testing

/// Attempts over an unreliable network: whatever is lost, repeated, delayed or dead, no one's two secrets come out, and an
/// open sum is right. Every run is replayed by its seed.
struct ProtocolFaultTests {
  static let sizes = [5, 5, 5, 6, 8]

  private static func round(
    seed: UInt64, network configure: (inout ProtocolRound.Network, inout SeededGenerator) -> Void
  )
    throws -> ProtocolRound
  {
    var choices = SeededGenerator(seed: seed, stream: "scenario")
    let count = sizes.randomElement(using: &choices) ?? 5
    let federation = try ProtocolFederation(count: count, seed: "\(seed)") {
      $0.vectorLength = 5
      $0.goalCount = Bool.random(using: &choices) ? nil : UInt64(count - 1)
    }
    let round = try ProtocolRound(federation)
    var network = ProtocolRound.Network(generator: SeededGenerator(seed: seed, stream: "network"))
    configure(&network, &choices)
    round.network = network
    round.noticesLoss = Bool.random(using: &choices)
    return try round.run()
  }

  private static func threshold(_ round: ProtocolRound) throws -> Int {
    try Thresholds.compute(
      organisations: round.coordinator.rosterWorkers.map { OrganisationID(unchecked: "of \($0)") }, mode: .malicious,
      policy: CohortPolicy()
    ).threshold
  }

  @Test("No owner's two secrets leave, and what opens is exact, in 320 runs with faults", arguments: 0..<8)
  func staysSafe(block: UInt64) throws {
    var opened = 0
    var abandoned = 0
    for seed in (block * 40)..<(block * 40 + 40) {
      let round = try Self.round(seed: seed) { network, choices in
        network.lost = [0, 2, 5, 15].randomElement(using: &choices) ?? 0
        network.repeated = [0, 20].randomElement(using: &choices) ?? 0
        network.crashed = [0, 0, 1, 3].randomElement(using: &choices) ?? 0
        network.interrupted = [0, 5].randomElement(using: &choices) ?? 0
        network.isReordering = Bool.random(using: &choices)
        network.isScrambling = Bool.random(using: &choices)
      }
      let roster = round.coordinator.rosterWorkers.count
      if roster > 0 {
        #expect(round.releases.exposed(threshold: try Self.threshold(round)).isEmpty, "seed \(seed)")
      }
      if let sums = round.sums {
        opened += 1
        #expect(sums == round.plainSum(of: round.coordinator.survivors), "seed \(seed)")
        #expect(Set(round.added) == Set(round.coordinator.survivors), "seed \(seed)")
        #expect(round.added.count == round.coordinator.survivors.count, "seed \(seed)")
      } else {
        abandoned += 1
        #expect(round.abandonment != nil, "seed \(seed)")
      }
      #expect(round.blames.isEmpty, "seed \(seed): \(round.blames)")
      for name in round.names { Self.expectOrder(round.story(of: name), seed) }
    }
    // Both endings are met, or the faults are too weak or too strong to say anything.
    #expect(opened > 5 && abandoned > 2, "\(opened) opened, \(abandoned) abandoned")
  }

  /// What has to be durable stands before the message that depends on it, and no promise is ever broken.
  private static func expectOrder(_ story: [String], _ seed: UInt64) {
    func first(_ name: String) -> Int? { story.firstIndex(of: name) }
    if let sent = first("sendAgreement") { #expect((first("recordSurvivors") ?? .max) < sent, "seed \(seed)") }
    if let sent = first("sendUnmask") { #expect((first("recordRelease") ?? .max) < sent, "seed \(seed)") }
    if first("recordPromise") != nil { #expect(first("sendUnmask") == nil, "seed \(seed)") }
    #expect(story.filter { $0 == "recordSurvivors" || $0 == "recordRelease" }.count <= 2, "seed \(seed)")
  }

  @Test("Without loss every attempt completes with everyone, in whatever order links are served", arguments: 0..<4)
  func completesWithoutLoss(block: UInt64) throws {
    for seed in (block * 20 + 1000)..<(block * 20 + 1020) {
      let round = try Self.round(seed: seed) { network, _ in
        network.repeated = 30
        network.isReordering = true
      }
      let survivors = round.coordinator.survivors
      #expect(round.sums == round.plainSum(of: survivors), "seed \(seed): \(String(describing: round.abandonment))")
      if round.federation.configuration.goalCount == nil { #expect(survivors == round.names, "seed \(seed)") }
      #expect(round.stagesEnded.isEmpty, "seed \(seed)")
    }
  }

  @Test("A coordinator that shows random survivor sets, with two workers of its own, opens nobody", arguments: 0..<4)
  func resistsRandomSplits(block: UInt64) throws {
    var released = 0
    for seed in (block * 25)..<(block * 25 + 25) {
      var choices = SeededGenerator(seed: seed, stream: "split")
      let federation = try ProtocolFederation(
        organisations: ["mole", "mole", "a", "b", "c", "d", "e", "f"], seed: "\(seed)"
      ) { $0.vectorLength = 3 }
      let round = try ProtocolRound(federation)
      let forgery = ProtocolForgery(federation: federation, context: round.context)
      // Two sets that its workers might each accept; every honest worker sees one of them, or the other, or both.
      let sets = (0..<2).map { _ in
        (0..<8).shuffled(using: &choices).prefix(Int.random(in: 6...8, using: &choices)).sorted()
      }
      var seen: SurvivorSet?
      var agreements: [SurvivorAgreement] = []
      round.onWayToWorker = { _, event in
        guard case .survivorsReceived(let message) = event else { return [event] }
        seen = message
        return sets.shuffled(using: &choices).prefix(Int.random(in: 1...2, using: &choices)).map {
          .survivorsReceived(forgery.survivors($0, count: 8, like: message))
        }
      }
      round.onWayToCoordinator = { _, event in
        if case .agreementReceived(let agreement, _) = event { agreements.append(agreement) }
        return [event]
      }
      try round.run()
      guard let seen else { continue }
      for members in sets {
        let bitmap = Bitmap(members: members, count: 8)
        let signed = SignedString.agree(
          transcript: seen.transcript, dealersDigest: seen.dealersDigest, bitmap: bitmap)
        var signers: [QuorumCertificate.Signer] = members.filter { $0 < 2 }.map {
          .init(worker: $0, signature: forgery.key($0).signature(over: signed))
        }
        for index in members where index >= 2 {
          let own = agreements.first {
            $0.worker == index && $0.signature.isValid(over: signed, by: forgery.key(index).signingPublicKey)
          }
          if let own { signers.append(.init(worker: index, signature: own.signature)) }
        }
        for name in round.names {
          try round.feed(.quorumReceived(QuorumCertificate(transcript: seen.transcript, signers: signers)), to: name)
        }
      }
      // The moles give away whatever they hold of anyone.
      let transcript = seen.transcript
      for owner in 0..<8 {
        let name = ReleaseRecord.Owner(transcript: transcript, owner: owner)
        let selfMasks = round.releases.selfMasks[name, default: []].union([0, 1])
        let maskKeys = round.releases.maskKeys[name, default: []].union([0, 1])
        #expect(selfMasks.count < 6 || maskKeys.count < 6, "seed \(seed), owner \(owner)")
      }
      if !round.releases.isEmpty { released += 1 }
    }
    // Now and then a set is certified: the checker above looks at something.
    #expect(released > 0)
  }

  @Test("The checker sees both secrets of one owner when they are out")
  func checkerIsAwake() {
    let transcript = Digest.sha256(of: [1])
    var record = ReleaseRecord()
    for helper in 0..<4 {
      record.note(
        UnmaskShares(
          transcript: transcript, helper: helper, selfMaskShares: [.init(owner: 7, share: [])], maskKeyShares: []))
      record.note(
        UnmaskShares(
          transcript: transcript, helper: helper, selfMaskShares: [], maskKeyShares: [.init(owner: 7, share: [])]))
    }
    #expect(record.exposed(threshold: 4) == [.init(transcript: transcript, owner: 7)])
    #expect(record.exposed(threshold: 5).isEmpty)
  }
}
