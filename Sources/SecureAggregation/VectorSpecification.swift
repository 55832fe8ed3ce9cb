import Federation

/// One vector of an input, as its header states it.
package struct VectorSpecification: Hashable, Sendable {
  /// Vector 0: the update. Vector 1: weight, counts and metrics.
  package static let updateID: UInt32 = 0
  package static let auxiliaryID: UInt32 = 1
  package static let auxiliaryRingBits: UInt8 = 64

  package let id: UInt32
  /// k: 16, 24, 32 or 64.
  package let ringBits: UInt8
  /// d.
  package let count: UInt64
  /// Elements of every chunk but the last, a multiple of 16.
  package let chunkElements: UInt32

  package init(id: UInt32, ringBits: UInt8, count: UInt64, chunkElements: UInt32) {
    self.id = id
    self.ringBits = ringBits
    self.count = count
    self.chunkElements = chunkElements
  }

  /// The vectors of an attempt in header order; without an update (`vectorLength` 0) the auxiliary vector alone.
  package static func all(for configuration: RoundConfiguration) -> [VectorSpecification] {
    var out: [VectorSpecification] = []
    if configuration.vectorLength > 0 {
      out.append(
        VectorSpecification(
          id: updateID, ringBits: UInt8(configuration.ringBits), count: configuration.vectorLength,
          chunkElements: UInt32(configuration.chunkElements)))
    }
    out.append(
      VectorSpecification(
        id: auxiliaryID, ringBits: auxiliaryRingBits, count: UInt64(configuration.auxiliaryLength),
        chunkElements: UInt32(configuration.chunkElements / 2)))
    return out
  }

  package var laneByteCount: Int { Int(ringBits) / 8 }
  package var byteCount: Int { Int(count) * laneByteCount }
  package var chunkCount: Int { (Int(count) + Int(chunkElements) - 1) / Int(chunkElements) }

  /// The elements of a chunk.
  ///
  /// - Precondition: `index` lies in `0..<chunkCount`.
  package func elements(ofChunk index: Int) -> Range<Int> {
    precondition((0..<chunkCount).contains(index), "a chunk outside the vector")
    let start = index * Int(chunkElements)
    return start..<min(start + Int(chunkElements), Int(count))
  }

  package func byteCount(ofChunk index: Int) -> Int { elements(ofChunk: index).count * laneByteCount }
}
