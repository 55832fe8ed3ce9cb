import Cryptography
import Dispatch
import Federation
import SecureAggregation
import Testing

/// Parts on the threads of the system, cut into any number.
struct DispatchRunner: PartRunner {
  let threadCount: Int

  func run(parts: Int, _ body: @Sendable (Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      DispatchQueue.concurrentPerform(iterations: parts, execute: body)
    }
  }
}

@Suite("Results do not depend on threads")
struct ThreadTests {
  private let transcript = Digest.sha256(of: [21])

  private func terms(_ count: Int) -> [MaskTerm] {
    (0..<count).map {
      MaskTerm(key: SecretBytes(copying: Array(repeating: UInt8($0 % 251), count: 16)), isAdded: $0 % 3 > 0)
    }
  }

  private func update(_ count: Int) -> [Float] {
    var generator = SeededGenerator(seed: 8)
    return (0..<count).map { _ in Float.random(in: -1...1, using: &generator) / Float(count).squareRoot() }
  }

  @Test(
    "An encoded, rotated and masked chunk has the same bytes for any number of threads, in any order of making",
    arguments: [1, 2, 3, 7], [(16, true), (24, true), (32, false)])
  func chunks(_ threads: Int, _ profile: (Int, Bool)) throws {
    let count = 50_001
    let rules = try EncodingRules(
      vectorLength: count, ringBits: profile.0, rosterCount: 5, isRotated: profile.1, clip: 1, maximumWeight: 10,
      rangeFailure: 1e-6)
    let vector = VectorSpecification(
      id: 0, ringBits: UInt8(profile.0), count: UInt64(count), chunkElements: 16_000)
    func chunks(on runner: some PartRunner) throws -> InputChunks {
      let encoder = try UpdateEncoder(
        update: update(count), exampleCount: 7, rules: rules, transcript: transcript,
        roundingSeed: SecretBytes(copying: Array(repeating: 1, count: 32)), on: runner)
      return try InputChunks(
        transcript: transcript, worker: 0, vector: vector, source: .update(encoder), keys: MaskKeys(terms: terms(9)))
    }
    let alone = try chunks(on: SequentialRunner())
    let expected = (0..<alone.count).map { alone.chunk($0) }
    let runner = DispatchRunner(threadCount: threads)
    let shared = try chunks(on: runner)
    for order in [Array(0..<shared.count), (0..<shared.count).reversed(), [1, 1, 3, 0, 2]] {
      for index in order { #expect(shared.chunk(index, on: runner) == expected[index]) }
    }
  }

  @Test("A sum is unmasked and decoded to the same bits for any number of threads", arguments: [1, 2, 3, 7])
  func unmasking(_ threads: Int) throws {
    let count = 30_011
    for (bits, isRotated) in [(16, true), (24, false), (32, true), (32, false)] {
      let rules = try EncodingRules(
        vectorLength: count, ringBits: bits, rosterCount: 5, isRotated: isRotated, clip: 1, maximumWeight: 10,
        rangeFailure: 1e-6)
      func opened(on runner: some PartRunner) throws -> [UInt32] {
        let sum = try #require(RingAccumulator(ringBits: UInt8(bits), count: count))
        // More terms than are open at a time.
        sum.apply(terms(300), elements: 0..<count, on: runner)
        return try UpdateDecoder.average(sum, weight: 10, rules: rules, transcript: transcript, on: runner)
          .map(\.bitPattern)
      }
      #expect(try opened(on: DispatchRunner(threadCount: threads)) == opened(on: SequentialRunner()))
    }
  }

  @Test("Terms do not depend on the number of threads, and one bad key among them is refused", arguments: [1, 2, 3, 7])
  func unmaskingTerms(_ threads: Int) throws {
    let source = SeededSecretSource(seed: [1])
    let secrets = (0..<8).map { _ in source.secret(32) }
    func order(_ lastKey: AgreementPublicKey?) -> UnmaskingOrder {
      var keys = secrets[..<5].map { Agreement.publicKey(of: $0) }
      if let lastKey { keys[4] = lastKey }
      return UnmaskingOrder(
        transcript: transcript, suite: .aes256, vectors: [], survivors: [0, 1, 3, 4, 6],
        selfMaskSeeds: [0, 1, 3, 4, 6].enumerated().map { .init(owner: $1, secret: secrets[$0]) },
        dropoutMaskKeys: [(2, secrets[5]), (5, secrets[6])].map {
          .init(
            owner: $0, secret: $1, peers: zip([0, 1, 3, 4, 6], keys).map { .init(index: $0, key: $1) })
        })
    }
    let vectors = [
      VectorSpecification(id: 0, ringBits: 24, count: 5, chunkElements: 16),
      VectorSpecification(id: 1, ringBits: 64, count: 5, chunkElements: 16),
    ]
    func bytes(_ terms: [[MaskTerm]]) -> [[[UInt8]]] {
      terms.map { $0.map { $0.key.withUnsafeBytes { Array($0) } + [$0.isAdded ? 1 : 0] } }
    }
    let runner = DispatchRunner(threadCount: threads)
    let alone = try order(nil).terms(vectors)
    #expect(alone.map(\.count) == [15, 15])
    #expect(bytes(try order(nil).terms(vectors, on: runner)) == bytes(alone))
    let zero = AgreementPublicKey(unchecked: Array(repeating: 0, count: 32))
    #expect(throws: Refusal.allZeroSharedSecret) { try order(zero).terms(vectors, on: runner) }
  }
}
