import Cryptography
import Federation
import Synchronization
import Testing

@testable import SecureAggregation

@Suite("Computations of many workers")
struct RoundComputationsTests {
  private struct Question: Equatable, Sendable {
    let number: Int
  }
  private struct Other: Equatable, Sendable {
    let number: Int
  }

  /// Counts how often something is computed.
  private final class Counter: Sendable {
    private let value = Atomic<Int>(0)
    var count: Int { value.load(ordering: .relaxed) }
    func next() -> Int { value.wrappingAdd(1, ordering: .relaxed).newValue }
  }

  @Test("Who serves many computes the answer to an equal question once, and to another one afresh")
  func answers() throws {
    let computations = RememberedComputations(servesMany: true), counter = Counter()
    func ask(_ number: Int) throws -> Int {
      try computations.answer(Question(number: number)) { () throws(Refusal) in counter.next() }
    }
    #expect(try [ask(1), ask(1), ask(2), ask(1), ask(2)] == [1, 1, 2, 1, 2])
    let other: Int = try computations.answer(Other(number: 1)) { () throws(Refusal) in counter.next() }
    #expect(other == 3)
  }

  @Test("Who serves one worker computes every answer")
  func alone() throws {
    let counter = Counter()
    for computations in [DirectComputations(), RememberedComputations(servesMany: false)] as [any RoundComputations] {
      for _ in 0..<2 {
        _ = try computations.answer(Question(number: 1)) { () throws(Refusal) in counter.next() }
      }
    }
    #expect(counter.count == 4)
  }

  @Test("A refusal is not remembered, nor are more answers than the bound")
  func forgets() throws {
    let computations = RememberedComputations(servesMany: true), counter = Counter()
    for _ in 0..<2 {
      #expect(throws: Refusal.badSignature) {
        _ = try computations.answer(Question(number: 0)) { () throws(Refusal) -> Int in
          _ = counter.next()
          throw .badSignature
        }
      }
    }
    #expect(counter.count == 2)
    for number in [1, 2, 3, 4, 5, 6, 7, 8, 9, 1] {
      _ = try computations.answer(Question(number: number)) { () throws(Refusal) in counter.next() }
    }
    #expect(counter.count == 12)
  }

  @Test("A party of its own remembers certificates, and no signature of a message, however many rounds there are")
  func remembersCertificates() throws {
    let key = try SigningKey(seed: SecretBytes(copying: Array(repeating: 1, count: 32)))
    let alone = RememberedComputations(servesMany: false), many = RememberedComputations(servesMany: true)
    for computations in [alone, many] {
      for round in 0..<50 as Range<UInt8> {
        for (string, isLasting) in [([0], true), ([1, round], false)] as [([UInt8], Bool)] {
          #expect(
            computations.isValid(
              key.signature(over: string), over: string, by: key.signingPublicKey, isLasting: isLasting))
        }
        #expect(!computations.isValid(key.signature(over: [2]), over: [3], by: key.signingPublicKey))
      }
    }
    #expect(alone.claimCount == 1 && many.claimCount == 51)
  }

  @Test("One advert of another offer is found wherever it stands, on any number of threads", arguments: [1, 2, 3])
  func parallelAdverts(_ threads: Int) throws {
    let federation = try ProtocolFederation(count: 9), context = federation.context()
    let computations = DirectComputations(runner: DispatchRunner(threadCount: threads))
    let foreign = federation.context(model: "another model")
    func check(forgedAt forged: Int?) throws {
      let adverts = try federation.workers.enumerated().map { index, name in
        let context = index == forged ? foreign : context
        let advert = try federation.worker(name, in: context).advert
        let certificate = try #require(federation.membership[name]).certificate
        return RosterAdvert(
          entry: advert.entry, organisation: certificate.organisation, signingKey: certificate.signingKey,
          offerSignature: federation.offerSignature(federation.context()), signature: advert.signature)
      }
      let entries = adverts.map(\.entry)
      let digest = Transcript.rosterDigest(roundID: context.roundID, entries: entries)
      _ = try RoundChecks.checkRoster(
        roundID: context.roundID, adverts: adverts, ownEntry: entries[0], coordinator: context.coordinatorKey,
        rosterSignature: federation.coordinatorKey.signature(
          over: SignedString.roster(roundID: context.roundID, rosterDigest: digest)),
        mode: context.configuration.mode, policy: federation.policy, computations: computations)
    }
    try check(forgedAt: nil)
    for place in 1..<9 {
      #expect(throws: Refusal.advertOfAnotherOffer, "at \(place)") { try check(forgedAt: place) }
    }
  }

  @Test("One wrong signature in a quorum is found wherever it stands, on any number of threads", arguments: [1, 2, 3])
  func parallelQuorum(_ threads: Int) throws {
    let keys = try (0..<7).map { try SigningKey(seed: SecretBytes(copying: Array(repeating: UInt8($0), count: 32))) }
    let transcript = Digest.sha256(of: [1]), dealers = Digest.sha256(of: [2])
    let survivors = Bitmap(members: 0..<7, count: 7)
    let string = SignedString.agree(transcript: transcript, dealersDigest: dealers, bitmap: survivors)
    let computations = DirectComputations(runner: DispatchRunner(threadCount: threads))
    func check(wrongAt wrong: Int?) throws {
      let signatures = keys.enumerated().map { index, key in
        QuorumSignature(worker: index, signature: key.signature(over: index == wrong ? string + [0] : string))
      }
      try RoundChecks.checkQuorum(
        signatures, transcript: transcript, dealersDigest: dealers, survivors: survivors, quorum: 5,
        keys: keys.map(\.signingPublicKey), computations: computations)
    }
    try check(wrongAt: nil)
    for place in 0..<7 { #expect(throws: Refusal.badSignature, "at \(place)") { try check(wrongAt: place) } }
  }
}
