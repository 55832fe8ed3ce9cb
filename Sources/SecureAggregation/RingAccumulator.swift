/// The sum of masked vectors in Z_{2^k}: one lane an element, wrapping.
///
/// The order of additions does not matter, bit for bit. Calls on disjoint ranges of elements may run on several threads
/// at once; calls on ranges that overlap may not.
package final class RingAccumulator: @unchecked Sendable {
  package let width: LaneWidth
  /// d.
  package let count: Int
  private let lanes: UnsafeMutableRawPointer

  /// `count` zeros. Nil for a ring other than 16, 24, 32 or 64 bits.
  package init?(ringBits: UInt8, count: Int) {
    guard let width = LaneWidth(rawValue: ringBits), count >= 0 else { return nil }
    self.width = width
    self.count = count
    let byteCount = max(count * width.memoryByteCount, 1)
    lanes = .allocate(byteCount: byteCount, alignment: 64)
    lanes.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
  }

  deinit { lanes.deallocate() }

  /// Adds a chunk in wire form from `element` on.
  ///
  /// - Throws: `badLength` if it is not a whole number of lanes or reaches beyond the end; nothing is then added.
  package func add(_ chunk: UnsafeRawBufferPointer, at element: Int) throws(Refusal) {
    let added = chunk.count / width.wireByteCount
    guard chunk.count % width.wireByteCount == 0, element >= 0, element <= count, added <= count - element else {
      throw .badLength
    }
    guard let base = chunk.baseAddress else { return }
    RingLanes.accumulate(
      width, stream: base, into: lanes + element * width.memoryByteCount, count: added, isAdded: true)
  }

  package func add(_ chunk: [UInt8], at element: Int) throws(Refusal) {
    try chunk.span.bytes.withUnsafeBytes { (raw) throws(Refusal) in try add(raw, at: element) }
  }

  /// Adds or subtracts the keystreams of `terms` on a range of elements, block by block.
  ///
  /// - Precondition: `elements` lies in `0..<count`.
  package func apply(_ terms: [MaskTerm], elements: Range<Int>) {
    precondition(elements.lowerBound >= 0 && elements.upperBound <= count, "elements outside the vector")
    for start in stride(from: elements.lowerBound, to: elements.upperBound, by: Self.blockElements) {
      let block = start..<min(start + Self.blockElements, elements.upperBound)
      MaskStream.apply(terms, width, to: lanes + start * width.memoryByteCount, elements: block)
    }
  }

  /// Ranges that together cover the vector, for distribution over threads.
  package func ranges(parts: Int) -> [Range<Int>] {
    let blocks = (count + Self.blockElements - 1) / Self.blockElements
    let perPart = max(1, (blocks + max(parts, 1) - 1) / max(parts, 1)) * Self.blockElements
    return stride(from: 0, to: count, by: perPart).map { $0..<min($0 + perPart, count) }
  }

  /// Element `e` as a two's complement number of k bits.
  package func signedValue(at e: Int) -> Int64 {
    precondition((0..<count).contains(e))
    return RingLanes.signed(width, lanes, at: e)
  }

  package var signedValues: [Int64] { (0..<count).map { RingLanes.signed(width, lanes, at: $0) } }

  /// Elements whose lanes stay in the cache while all masks pass over them.
  private static let blockElements = 32_768
}
