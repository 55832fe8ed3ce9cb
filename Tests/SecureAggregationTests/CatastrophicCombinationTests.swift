import Cryptography
import Federation
import Testing

@testable import SecureAggregation

/// The combinations that would open one worker's update, each refused by the code that decides it inside one attempt.
/// Across attempts and restarts: `Tests/RoundsTests/CatastrophicCombinationTests.swift`; on disks, between processes:
/// `Tests/ClusterRuntimeTests/CatastrophicCombinationTests.swift`.
///
/// | combination | test here |
/// | --- | --- |
/// | 1. t shares of both secrets of one worker | `refusesSecondSurvivorSet`, `refusesAfterRelease` |
/// | 2. two masked inputs under one transcript | `masksOnce`, `sendsTheSameAgain` |
/// | 3. one key in two transcripts | `drawsNewKeys`, `refusesSharedKeys` |
/// | 4. one model, two sums, the same updates | `encodesAnew` |
/// | 5. thresholds taken from the coordinator | `keepsItsOwnLaw` |
/// | 6. one keystream for two vectors or widths | `separatesKeystreams` |
/// | 7. the generator's state copied before keys are drawn | `drawsNothingAhead` |
/// | 8. shares of the wrong kind, by another order of the roster | `refusesOtherOrder`, `releasesByItsOwnOrder` |
/// | 9. a late input, and its self mask from a second run | `refusesLateInput` |
/// | 10. an unmasked input in a dump or log | `printsNoSecret` |
@Suite("Catastrophic combinations within one attempt")
struct CatastrophicCombinationTests {
  private static let suspect = ProtocolFederation.name(0)

  /// An attempt of eight in which `change` may replace what the first worker hears.
  private static func round(
    _ change: @escaping (ProtocolRound, SecureAggregationWorker.Event) -> [SecureAggregationWorker.Event]
  ) throws -> ProtocolRound {
    let round = try ProtocolRound(try ProtocolFederation(count: 8))
    round.onWayToWorker = { [unowned round] name, event in name == suspect ? change(round, event) : [event] }
    return round
  }

  // MARK: 1

  @Test("A worker that has agreed to one survivor set refuses another, and releases nothing")
  func refusesSecondSurvivorSet() throws {
    let round = try Self.round { round, event in
      guard case .survivorsReceived(let message) = event else { return [event] }
      let forgery = ProtocolForgery(federation: round.federation, context: round.context)
      return [event, .survivorsReceived(forgery.survivors(Array(0..<7), count: 8, like: message))]
    }
    try round.run()
    #expect(round.outcome(of: Self.suspect) == .refused(.secondSurvivorSet))
    let story = round.story(of: Self.suspect).filter { $0 != "ignored" }
    #expect(story.suffix(3) == ["recordPromise", "sendAbort", "closed"])
    #expect(!round.releases.helpers.contains(0))
  }

  @Test("A worker that has released its shares for one survivor set refuses another, and says that it has released")
  func refusesAfterRelease() throws {
    var first: SurvivorSet?
    let round = try Self.round { round, event in
      switch event {
      case .survivorsReceived(let message): first = message
      case .resultReceived: return []
      default: break
      }
      return [event]
    }
    try round.run()
    let forgery = ProtocolForgery(federation: round.federation, context: round.context)
    let second = forgery.survivors(Array(0..<7), count: 8, like: try #require(first))
    try round.feed(.survivorsReceived(second), to: Self.suspect)
    #expect(round.outcome(of: Self.suspect) == .refused(.secondSurvivorSet))
    #expect(round.aborts(of: Self.suspect).map(\.hasReleased) == [true])
    #expect(round.story(of: Self.suspect).count { $0 == "sendUnmask" } == 1)
    #expect(round.releases.exposed(threshold: 1).isEmpty)
  }

  // MARK: 2

  @Test("A second set of dealers masks nothing, and is refused by name")
  func masksOnce() throws {
    let round = try Self.round { round, event in
      guard case .dealersReceived(let message) = event else { return [event] }
      let forgery = ProtocolForgery(federation: round.federation, context: round.context)
      return [event, event, .dealersReceived(forgery.dealers(Array(0..<7), count: 8, like: message))]
    }
    try round.run()
    #expect(round.story(of: Self.suspect).count { $0 == "maskInput" } == 1)
    #expect(round.ignored(by: Self.suspect).first == .repeated)
    #expect(round.outcome(of: Self.suspect) == .refused(.secondDealerSet))
    #expect(!round.coordinator.survivors.contains(Self.suspect))
    #expect(round.sums == round.plainSum(of: round.coordinator.survivors))
  }

  @Test("A chunk that is made again is the same, byte for byte: rounding and masks follow from the attempt's secrets")
  func sendsTheSameAgain() throws {
    var orders: [MaskingOrder] = []
    let federation = try ProtocolFederation(count: 5)
    let round = try ProtocolRound(federation)
    try round.run()
    for case .maskInput(let order) in round.workerActions[Self.suspect] ?? [] { orders.append(order) }
    let order = try #require(orders.first)
    func chunks() throws -> [[UInt8]] {
      let own = federation.update(of: 0)
      let rules = try EncodingRules(federation.configuration, rosterCount: order.rosterCount)
      let encoder = try UpdateEncoder(
        update: own.difference, exampleCount: own.exampleCount, rules: rules, transcript: order.transcript,
        roundingSeed: order.roundingSeed)
      let made = try InputChunks(
        transcript: order.transcript, worker: 0, vector: order.header.vectors[0], source: .update(encoder),
        keys: order.keys[0])
      return (0..<made.count).map { made.chunk($0) }
    }
    #expect(try chunks() == chunks())
    #expect(try chunks().count == 3)
  }

  // MARK: 3

  @Test("Every attempt of every worker has keys of its own, also from one and the same source")
  func drawsNewKeys() throws {
    let federation = try ProtocolFederation(count: 3)
    let secrets = SeededSecretSource(seed: [1])
    var keys: [AgreementPublicKey] = []
    for attempt in 0..<20 as Range<UInt32> {
      for name in federation.workers {
        let worker = SecureAggregationWorker(
          context: federation.context(attempt: AttemptNumber(attempt)),
          certificate: try #require(federation.membership[name]).certificate,
          offerSignature: Signature(unchecked: Array(repeating: 0, count: 64)), policy: federation.policy,
          signingKey: try #require(federation.keys[name]), secrets: secrets)
        keys += [worker.advert.entry.encryptionKey, worker.advert.entry.maskKey]
      }
    }
    #expect(Set(keys).count == 120)
  }

  @Test("A roster in which a key stands twice is refused by every worker", arguments: [false, true])
  func refusesSharedKeys(isMaskKey: Bool) throws {
    let federation = try ProtocolFederation(count: 5)
    let round = try ProtocolRound(federation)
    let forgery = ProtocolForgery(federation: federation, context: round.context)
    round.onWayToWorker = { name, event in
      guard case .rosterReceived(let roster) = event else { return [event] }
      // The last worker's advert holds a key of the one before it, signed by itself.
      let other = roster.adverts[3].entry
      let twin = forgery.advert(
        roster.adverts[4], encryptionKey: isMaskKey ? nil : other.encryptionKey,
        maskKey: isMaskKey ? other.maskKey : nil, signedBy: forgery.key(4))
      return [.rosterReceived(forgery.roster(Array(roster.adverts.prefix(4)) + [twin]))]
    }
    try round.run()
    for name in round.names.prefix(4) { #expect(round.outcome(of: name) == .refused(.duplicateKey)) }
    #expect(round.sums == nil)
  }

  // MARK: 4

  @Test("The same update rounds differently in every attempt, so that two sums do not differ by one update alone")
  func encodesAnew() throws {
    let federation = try ProtocolFederation(count: 5)
    let integers = try [AttemptNumber(0), 1].map { attempt in
      let round = try ProtocolRound(federation, context: federation.context(attempt: attempt))
      try round.run()
      return try #require(round.integers[Self.suspect])[0]
    }
    #expect(integers[0] != integers[1])
    #expect(zip(integers[0], integers[1]).allSatisfy { abs($0 - $1) <= 1 })
  }

  // MARK: 5

  @Test(
    "A roster below the worker's own law is refused by name, whatever the coordinator configures",
    arguments: [Refusal.belowMinimumCohort, .tooFewOrganisations, .organisationAboveCap, .noSafeSurvivorSet])
  func keepsItsOwnLaw(refusal: Refusal) throws {
    let federation = try ProtocolFederation(organisations: ["a", "a", "b", "c", "d"]) {
      $0.minimumCohort = 2
      $0.minimumOrganisations = 1
      $0.organisationCap = .init(1, 1)
      $0.minimumHonestSum = 1
    }
    var law = federation.policy
    switch refusal {
    case .belowMinimumCohort: law.minimumCohort = 6
    case .tooFewOrganisations: law.minimumOrganisations = 5
    case .organisationAboveCap: law.organisationCap = .init(1, 5)
    default: law.minimumHonestSum = 5
    }
    let round = try ProtocolRound(federation)
    round.workers[Self.suspect] = try federation.worker(Self.suspect, in: round.context, policy: law)
    try round.run()
    #expect(round.outcome(of: Self.suspect) == .refused(refusal))
    #expect(!round.story(of: Self.suspect).contains("sendBundle"))
  }

  // MARK: 6

  @Test("Transcript, workers, vector, ring width and kind each make another mask key from the same secret")
  func separatesKeystreams() {
    let secret = SecretBytes(copying: Array(repeating: 7, count: 32))
    func bytes(_ key: SecretBytes) -> [UInt8] { key.withUnsafeBytes { Array($0) } }
    var keys: [[UInt8]] = []
    for transcript in [Digest.sha256(of: [1]), .sha256(of: [2])] {
      for vector in [0, 1] as [UInt32] {
        for ringBits in [16, 24, 32, 64] as [UInt8] {
          for worker in 0..<3 {
            keys.append(
              bytes(
                MaskKeys.selfKey(
                  transcript: transcript, worker: worker, vector: vector, ringBits: ringBits, suite: .aes128,
                  seed: secret)))
            keys.append(
              bytes(
                MaskKeys.pairKey(
                  transcript: transcript, worker, worker + 1, vector: vector, ringBits: ringBits, suite: .aes128,
                  sharedSecret: secret)))
          }
        }
      }
    }
    #expect(Set(keys).count == 2 * 2 * 4 * 3 * 2)
  }

  // MARK: 7

  @Test("Nothing is drawn before the attempt that uses it, and the self-mask seed not before the roster")
  func drawsNothingAhead() throws {
    let federation = try ProtocolFederation(count: 5)
    let context = federation.context(), counter = CountingSecretSource()
    let member = try #require(federation.membership[Self.suspect])
    #expect(counter.count == 0)
    var worker = SecureAggregationWorker(
      context: context, certificate: member.certificate, offerSignature: federation.offerSignature(context),
      policy: federation.policy, signingKey: try #require(federation.keys[Self.suspect]), secrets: counter)
    // Two agreement keys and the seed of rounding.
    #expect(counter.count == 3 * 32)
    let others = try federation.workers.dropFirst().map { try federation.worker($0, in: context).advert }
    let forgery = ProtocolForgery(federation: federation, context: context)
    let actions = worker.handle(.rosterReceived(forgery.roster([worker.advert] + others)))
    #expect(actions.contains { if case .sendBundle = $0 { true } else { false } })
    #expect(counter.count > 4 * 32)
  }

  // MARK: 8

  @Test("A roster in another order is refused, so that one position means one worker for everyone")
  func refusesOtherOrder() throws {
    let round = try Self.round { round, event in
      guard case .rosterReceived(let roster) = event else { return [event] }
      let forgery = ProtocolForgery(federation: round.federation, context: round.context)
      return [.rosterReceived(forgery.roster(roster.adverts.reversed()))]
    }
    try round.run()
    #expect(round.outcome(of: Self.suspect) == .refused(.rosterOrder))
  }

  @Test(
    "A set of survivors of another length, or beyond the dealers, is refused, and no share leaves", arguments: 0..<2)
  func releasesByItsOwnOrder(kind: Int) throws {
    let federation = try ProtocolFederation(count: 8)
    let round = try ProtocolRound(federation)
    round.lastWord[round.names[7]] = .advert  // On the roster, not among the dealers.
    let forgery = ProtocolForgery(federation: federation, context: round.context)
    round.onWayToWorker = { name, event in
      guard name == Self.suspect, case .survivorsReceived(let message) = event else { return [event] }
      return [.survivorsReceived(forgery.survivors(Array(0..<8), count: kind == 0 ? 9 : 8, like: message))]
    }
    try round.run()
    #expect(round.outcome(of: Self.suspect) == .refused(.survivorOutsideU2))
    #expect(!round.releases.helpers.contains(0))
    // The others released, each by owner: the self mask of a survivor, nothing of one who never dealt.
    #expect(round.releases.selfMasks.keys.allSatisfy { $0.owner < 7 })
    #expect(round.releases.maskKeys.isEmpty)
  }

  // MARK: 9

  @Test("An input that completes after the survivors are fixed is refused and never added")
  func refusesLateInput() throws {
    let federation = try ProtocolFederation(count: 8)
    let round = try ProtocolRound(federation)
    let late = round.names[7]
    var held: SecureAggregationCoordinator.Event?
    round.onWayToCoordinator = { name, event in
      if name == late, case .inputCompleted = event {
        held = event
        return []
      }
      return [event]
    }
    try round.start()
    try round.drain()
    try round.feed(.deadlinePassed(.maskedInput))
    try round.feed(try #require(held))
    try round.run(isStarted: true)
    #expect(round.refusedInputs[late] == [.notASurvivor])
    #expect(round.added.sorted() == Array(round.names.prefix(7)))
    #expect(round.sums == round.plainSum(of: Array(round.names.prefix(7))))
    #expect(round.releases.selfMasks.keys.allSatisfy { $0.owner != 7 })
  }

  // MARK: 10

  @Test("Neither the machine nor its orders print a key, a seed or a share")
  func printsNoSecret() throws {
    let federation = try ProtocolFederation(count: 5)
    let round = try ProtocolRound(federation)
    var texts: [String] = []
    round.onWayToWorker = { [unowned round] name, event in
      if let worker = round.workers[name] { texts += ["\(worker)", String(reflecting: worker)] }
      return [event]
    }
    try round.run()
    for case .maskInput(let order) in round.workerActions[Self.suspect] ?? [] {
      texts += ["\(order)", String(reflecting: order)]
    }
    // The same source again foretells what the worker drew.
    let secrets = federation.secrets(of: Self.suspect, in: round.context)
    let drawn = (0..<4).map { _ in secrets.bytes(32) }
    #expect(texts.count > 10)
    for bytes in drawn {
      let decimal = bytes.prefix(8).map(String.init).joined(separator: ", ")
      for text in texts { #expect(!text.contains(bytes.hex) && !text.contains(decimal)) }
    }
  }
}

/// Counts what is drawn from it.
private final class CountingSecretSource: SecretSource, @unchecked Sendable {
  private(set) var count = 0
  private let source = SeededSecretSource(seed: [3])

  func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    count += buffer.count
    source.fill(buffer)
  }
}
