import Cryptography
import Federation
import SecureAggregation
import Testing

@Suite("Masks and rings")
struct MaskTests {
  private let transcript = Digest.sha256(of: [9])

  /// One lane of a keystream as plain arithmetic: the reference for the loops over pointers.
  private func lane(_ stream: [UInt8], _ e: Int, _ bits: Int) -> UInt64 {
    let size = bits / 8
    return stream[e * size..<(e + 1) * size].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private func wrap(_ value: Int64, _ bits: Int) -> Int64 {
    let shift = Int64(64 - bits)
    return (value << shift) >> shift
  }

  @Test(
    "Chunks are the integers plus and minus the keystreams, in every ring, at every chunk size and from any place",
    arguments: [16, 24, 32, 64] as [UInt8], [16, 48, 100_000] as [UInt32])
  func chunks(_ ringBits: UInt8, _ chunkElements: UInt32) throws {
    let count = 40_000  // More than one piece of scratch and one block of an accumulator, in every ring.
    let bits = Int(ringBits)
    var generator = SeededGenerator(seed: UInt64(ringBits))
    let values = (0..<count).map { _ in wrap(Int64(bitPattern: generator.next()), bits) }
    let terms = [(1, true), (2, false)].map { seed, isAdded in
      MaskTerm(key: SecretBytes(copying: Array(repeating: UInt8(seed), count: 16)), isAdded: isAdded)
    }
    let streams = terms.map { term in
      [UInt8](unsafeUninitializedCapacity: count * bits / 8) { out, filled in
        Keystream(key: term.key).fill(UnsafeMutableRawBufferPointer(out))
        filled = out.count
      }
    }
    let vector = VectorSpecification(
      id: 0, ringBits: ringBits, count: UInt64(count), chunkElements: chunkElements)
    let chunks = try InputChunks(
      transcript: transcript, worker: 0, vector: vector, source: .quantised(values), keys: MaskKeys(terms: terms))
    let sum = try #require(RingAccumulator(ringBits: ringBits, count: count))
    var expected: [UInt8] = []
    expected.reserveCapacity(vector.byteCount)
    for e in 0..<count {
      let lane = UInt64(bitPattern: values[e]) &+ self.lane(streams[0], e, bits) &- self.lane(streams[1], e, bits)
      for byte in 0..<bits / 8 { expected.append(UInt8(truncatingIfNeeded: lane >> UInt64(8 * byte))) }
    }
    let tested = chunks.count > 100 ? [0, 1, 77, chunks.count / 2, chunks.count - 1] : Array(0..<chunks.count)
    for index in tested.reversed() {
      let start = vector.elements(ofChunk: index).lowerBound * bits / 8
      #expect(chunks.chunk(index) == Array(expected[start..<start + vector.byteCount(ofChunk: index)]))
    }
    try sum.add(expected, at: 0)
    for range in [30_000..<count, 0..<7, 7..<30_000] { sum.apply(terms.map(\.removed), elements: range) }
    #expect(sum.signedValues == values)
  }

  @Test("A chunk that is no whole number of lanes, or reaches beyond the end, is refused and adds nothing")
  func badChunks() throws {
    let sum = try #require(RingAccumulator(ringBits: 24, count: 10))
    let one = [UInt8](repeating: 1, count: 3)
    #expect(throws: Refusal.badLength) { try sum.add([1, 2], at: 0) }
    #expect(throws: Refusal.badLength) { try sum.add(one, at: 10) }
    #expect(throws: Refusal.badLength) { try sum.add(one, at: -1) }
    #expect(throws: Refusal.badLength) { try sum.add(one + one, at: 9) }
    #expect(throws: Refusal.badLength) { try sum.add(one, at: Int.max) }
    #expect(sum.signedValues.allSatisfy { $0 == 0 })
    try sum.add(one, at: 9)
    #expect(sum.signedValue(at: 9) == 0x010101)
  }

  @Test("Pairwise masks cancel in the sum, with every suite", arguments: RoundConfiguration.Suite.allCases)
  func cancel(_ suite: RoundConfiguration.Suite) throws {
    let source = SeededSecretSource(seed: [4])
    let secrets = (0..<4).map { _ in source.secret(32) }
    let keys = secrets.map { Agreement.publicKey(of: $0) }
    let vector = VectorSpecification(id: 1, ringBits: 64, count: 5, chunkElements: 16)
    let sum = try #require(RingAccumulator(ringBits: 64, count: 5))
    for worker in 0..<4 {
      var shared: [Int: SecretBytes] = [:]
      for peer in 0..<4 where peer != worker {
        shared[peer] = try Agreement.sharedSecret(secrets[worker], keys[peer])
      }
      let seed = source.secret(32)
      let masks = MaskKeys(
        transcript: transcript, worker: worker, vector: vector, suite: suite, selfMaskSeed: seed, sharedSecrets: shared)
      #expect(masks.terms.allSatisfy { $0.key.count == suite.maskKeyByteCount })
      let values = (0..<5).map { Int64(10 * worker + $0) }
      let chunks = try InputChunks(
        transcript: transcript, worker: worker, vector: vector, source: .auxiliary(values), keys: masks)
      #expect(chunks.chunk(0) != Array(repeating: 0, count: 40))
      try sum.add(chunks.chunk(0), at: 0)
      sum.apply([masks.terms[0].removed], elements: 0..<5)
    }
    #expect(sum.signedValues == [60, 64, 68, 72, 76])
  }

  @Test("A vector of another length than its specification is refused")
  func otherLength() {
    let vector = VectorSpecification(id: 0, ringBits: 32, count: 5, chunkElements: 16)
    #expect(throws: Refusal.badLength) {
      try InputChunks(
        transcript: transcript, worker: 0, vector: vector, source: .quantised([1]), keys: MaskKeys(terms: []))
    }
  }
}
