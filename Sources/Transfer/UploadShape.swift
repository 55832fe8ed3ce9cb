import Federation

/// The vectors of one upload and how they are cut: what numbers its chunks have and how long each of them is.
///
/// Chunks are numbered from 0 through all vectors in header order. Every chunk of a vector holds `chunkElements`
/// elements, its last one the rest.
package struct UploadShape: Hashable, Sendable {
  package struct Vector: Hashable, Sendable {
    package let elementCount: UInt64
    package let elementBytes: Int
    package let chunkElements: UInt32

    package init(elementCount: UInt64, elementBytes: Int, chunkElements: UInt32) {
      self.elementCount = elementCount
      self.elementBytes = elementBytes
      self.chunkElements = chunkElements
    }
  }

  /// Where one chunk lies.
  package struct Piece: Hashable, Sendable {
    /// Index of the vector in header order.
    package let vector: Int
    /// Index of the chunk in its vector.
    package let index: UInt64
    package let firstElement: UInt64
    package let elementCount: Int
    package let byteCount: Int

    package init(vector: Int, index: UInt64, firstElement: UInt64, elementCount: Int, byteCount: Int) {
      self.vector = vector
      self.index = index
      self.firstElement = firstElement
      self.elementCount = elementCount
      self.byteCount = byteCount
    }
  }

  /// Vectors in one upload.
  package static let vectorsMax = 8
  /// Bytes in one chunk (ruling A18).
  package static let chunkBytesMax = 262_144

  package let vectors: [Vector]
  package let totalChunks: UInt64
  package let totalBytes: UInt64
  /// Bytes of the longest chunk: what a chunk of credit is worth.
  package let chunkBytes: Int

  /// The shape; nil for none or more than `vectorsMax` vectors, a vector without elements, elements of other than
  /// 1…8 bytes, chunks of no or more than `chunkBytesMax` bytes, or more than `TransferLimits.transferBytesMax` in all.
  package init?(_ vectors: [Vector]) {
    guard (1...Self.vectorsMax).contains(vectors.count) else { return nil }
    var (chunks, bytes, longest): (UInt64, UInt64, Int) = (0, 0, 0)
    for vector in vectors {
      guard vector.elementCount > 0, vector.elementCount <= TransferLimits.transferBytesMax,
        (1...8).contains(vector.elementBytes), vector.chunkElements > 0,
        Int(vector.chunkElements) <= Self.chunkBytesMax / vector.elementBytes
      else { return nil }
      bytes += vector.elementCount * UInt64(vector.elementBytes)
      guard bytes <= TransferLimits.transferBytesMax else { return nil }
      chunks += vector.chunkCount
      longest = max(longest, Int(min(UInt64(vector.chunkElements), vector.elementCount)) * vector.elementBytes)
    }
    self.vectors = vectors
    (totalChunks, totalBytes, chunkBytes) = (chunks, bytes, longest)
  }

  /// Where chunk `number` lies; nil if there is no such chunk.
  package func piece(_ number: UInt64) -> Piece? {
    var index = number
    for (position, vector) in vectors.enumerated() {
      guard index >= vector.chunkCount else {
        let first = index * UInt64(vector.chunkElements)
        let count = Int(min(UInt64(vector.chunkElements), vector.elementCount - first))
        return Piece(
          vector: position, index: index, firstElement: first, elementCount: count,
          byteCount: count * vector.elementBytes)
      }
      index -= vector.chunkCount
    }
    return nil
  }
}

extension UploadShape.Vector {
  /// Chunks that the vector is cut into.
  package var chunkCount: UInt64 { (elementCount + UInt64(chunkElements) - 1) / UInt64(chunkElements) }
}
