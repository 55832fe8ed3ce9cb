import CAllocations
import Cryptography
import Federation
import SecureAggregation
import Testing

@Suite("Inner loops allocate nothing", .enabled(if: ca_is_counting() == 1, "allocations are not counted in this build"))
struct AllocationTests {
  private let transcript = Digest.sha256(of: [22])

  /// Of a second call: the first also makes what the process makes once.
  private func allocations(in body: () throws -> Void) rethrows -> Int {
    try body()
    let before = total
    try body()
    return Int(total - before)
  }

  /// Of this thread, on the ordinary heap and on that of secrets.
  private var total: UInt64 { ca_thread_allocations() + SecretMemory.threadAllocations }

  private func terms(_ count: Int) -> [MaskTerm] {
    (0..<count).map { MaskTerm(key: SecretBytes(copying: Array(repeating: UInt8($0), count: 16)), isAdded: true) }
  }

  private func chunks(terms: [MaskTerm], bits: UInt8, isRotated: Bool) throws -> InputChunks {
    let count = 60_000
    let rules = try EncodingRules(
      vectorLength: count, ringBits: Int(bits), rosterCount: 5, isRotated: isRotated, clip: 1, maximumWeight: 1,
      rangeFailure: 1e-6)
    let encoder = try UpdateEncoder(
      update: Array(repeating: 1e-3, count: count), exampleCount: 1, rules: rules, transcript: transcript,
      roundingSeed: SecretBytes(copying: Array(repeating: 1, count: 32)))
    let vector = VectorSpecification(id: 0, ringBits: bits, count: UInt64(count), chunkElements: 4096)
    return try InputChunks(
      transcript: transcript, worker: 0, vector: vector, source: .update(encoder), keys: MaskKeys(terms: terms))
  }

  @Test("The counter sees what Swift and OpenSSL allocate")
  func counts() {
    #expect(allocations { _ = [UInt8](repeating: 0, count: 100_000) } >= 1)
    #expect(allocations { _ = SecretBytes(copying: [1]) } >= 2)
  }

  @Test("A chunk that follows another allocates as much with 90 masks as with one", arguments: [16, 24, 32] as [UInt8])
  func chunk(_ bits: UInt8) throws {
    var found: [Int] = []
    for count in [1, 90] {
      let chunks = try chunks(terms: terms(count), bits: bits, isRotated: bits < 32)
      var bytes = chunks.chunk(0)
      found.append(allocations { for index in 1..<chunks.count { bytes = chunks.chunk(index) } })
      #expect(bytes.count == 2_656 * Int(bits) / 8)
    }
    #expect(found[0] == found[1])
    // Per chunk: its bytes, and the keystream of the random words.
    #expect(found[1] <= 14 * 8)
  }

  @Test("Unmasking allocates per key, whatever the length", arguments: [16, 24, 32, 64] as [UInt8])
  func unmasking(_ bits: UInt8) throws {
    let terms = terms(90)
    let counts = try [10_000, 200_000].map { count in
      let sum = try #require(RingAccumulator(ringBits: bits, count: count))
      return allocations { sum.apply(terms, elements: 0..<count) }
    }
    #expect(counts[0] == counts[1])
    #expect(counts[0] <= 90 * 8)
  }

  @Test("The rotation allocates its signs and nothing else, whatever the length")
  func rotation() {
    let counts = [5_000, 300_000].map { count in
      var x = [Double](repeating: 1, count: count)
      return allocations { Rotation.apply(&x, transcript: transcript) }
    }
    #expect(counts[0] == counts[1])
  }
}
