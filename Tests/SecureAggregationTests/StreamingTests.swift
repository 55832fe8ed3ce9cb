import CAllocations
import Cryptography
import Federation
import SecureAggregation
import Testing

/// No mask, encoded update or upload is ever whole in memory beside the update.
@Suite(
  "Memory beside the update", .serialized,
  .enabled(if: ca_is_counting() == 1, "allocations are not counted in this build"))
struct StreamingTests {
  private let transcript = Digest.sha256(of: [23])
  /// d: an encoded update of 2 to 4 MB.
  private let count = 1_000_000
  /// Scratch buffers, contexts and signs, for any d: no vector of a tenth of d fits in.
  private let slack = 512 << 10

  /// How far memory rises above where it was; after a first call made what the process makes once.
  private func rise<R>(_ body: () throws -> R) rethrows -> Int {
    _ = try body()
    let before = ca_thread_bytes()
    ca_thread_reset_peak()
    let result = try body()
    return withExtendedLifetime(result) { Int(ca_thread_peak_bytes() - before) }
  }

  private func rules(_ bits: Int) throws -> EncodingRules {
    try EncodingRules(
      vectorLength: count, ringBits: bits, rosterCount: 5, isRotated: bits < 32, clip: 1, maximumWeight: 1,
      rangeFailure: 1e-6)
  }

  private func encoder(_ update: [Float], _ bits: Int) throws -> UpdateEncoder {
    try UpdateEncoder(
      update: update, exampleCount: 1, rules: rules(bits), transcript: transcript,
      roundingSeed: SecretBytes(copying: Array(repeating: 1, count: 32)))
  }

  @Test("A worker holds its update or the rotated one, and of its upload one chunk", arguments: [16, 24, 32])
  func worker(_ bits: Int) throws {
    let update = [Float](repeating: 1e-4, count: count)
    let encoded = try rise { try encoder(update, bits) }
    #expect(encoded <= (bits < 32 ? 8 * count : 0) + slack)
    let terms = (0..<40).map { MaskTerm(key: SecretBytes(copying: Array(repeating: $0, count: 16)), isAdded: true) }
    let vector = VectorSpecification(id: 0, ringBits: UInt8(bits), count: UInt64(count), chunkElements: 65_536)
    let chunks = try InputChunks(
      transcript: transcript, worker: 0, vector: vector, source: .update(encoder(update, bits)),
      keys: MaskKeys(terms: terms))
    let uploaded = rise {
      for index in 0..<chunks.count { _ = chunks.digest(ofChunk: index, bytes: chunks.chunk(index)) }
    }
    #expect(uploaded <= vector.byteCount(ofChunk: 0) + slack)
  }

  @Test("A coordinator holds the sum, and beside it the average that it opens", arguments: [16, 24, 32] as [UInt8])
  func coordinator(_ bits: UInt8) throws {
    let sum = try #require(RingAccumulator(ringBits: bits, count: count))
    let terms = (0..<40).map { MaskTerm(key: SecretBytes(copying: Array(repeating: $0, count: 16)), isAdded: true) }
    #expect(rise { sum.apply(terms, elements: 0..<count) } <= slack)
    let opened = try rise { try UpdateDecoder.average(sum, weight: 5, rules: rules(Int(bits)), transcript: transcript) }
    #expect(opened <= (bits < 32 ? 12 : 4) * count + slack)
  }
}
