import Aggregation
import CAllocations
import Federation
import Testing

@Suite("Memory of a plain sum", .enabled(if: ca_is_counting() == 1, "allocations are not counted in this build"))
struct StreamingTests {
  @Test("An update from a spool is checked and added with one chunk of it in memory")
  func oneChunk() throws {
    let chunkElements = 10_000, chunkCount = 100
    var sum = try PlainAccumulator(
      elementCount: chunkElements * chunkCount, auxiliaryCount: 1, clip: 1, maximumWeight: 10)
    let chunks = (0..<chunkCount).lazy.map { _ in [UInt8](repeating: 0, count: 4 * chunkElements) }
    let before = ca_thread_bytes()
    ca_thread_reset_peak()
    try sum.check(chunks: chunks, weight: 1, auxiliary: [1], from: "a")
    #expect(sum.count == 0)
    try sum.add(chunks: chunks, weight: 1, auxiliary: [1], from: "a")
    #expect(sum.count == 1)
    #expect(ca_thread_peak_bytes() - before < 3 * 4 * Int64(chunkElements))
  }
}
