import CKernels
import Cryptography

/// The open keystreams of some mask terms, all at the same element of their vector: what puts masks on lanes.
///
/// Chunk by chunk, not mask by mask: a piece of lanes stays in the first-level cache while every stream passes over it
/// through one scratch buffer. No mask is ever whole in memory, and nothing is allocated once the streams are open.
/// Used by one thread at a time.
final class MaskStreams: @unchecked Sendable {
  /// Keystream bytes made at a time: a whole number of cipher blocks and of lanes of every width. With the zero plaintext
  /// and the lanes it fits 32 KiB; measured against 4…64 KiB.
  static let pieceByteCount = 7_680
  /// Streams that are open at a time: they share the second-level cache with the lanes.
  static let openMax = 256

  /// The element that comes next.
  private(set) var element: Int
  private let width: LaneWidth
  private let streams: [(keystream: Keystream, accumulate: ck_ring_accumulate)]

  init(_ terms: some Collection<MaskTerm>, _ width: LaneWidth, at element: Int) {
    self.element = element
    self.width = width
    streams = terms.map { term in
      let stream = Keystream(key: term.key)
      if element > 0 { stream.seek(toByte: element * width.wireByteCount) }
      return (stream, RingLanes.accumulator(width, isAdded: term.isAdded))
    }
  }

  func seek(to element: Int) {
    guard element != self.element else { return }
    self.element = element
    for stream in streams { stream.keystream.seek(toByte: element * width.wireByteCount) }
  }

  /// `lanes[e] ±= KS(term)[element + e]` for `count` lanes and every term; `element` moves on by `count`.
  func apply(to lanes: UnsafeMutableRawPointer, count: Int) {
    let perPiece = Self.pieceByteCount / width.wireByteCount
    withUnsafeTemporaryAllocation(byteCount: Self.pieceByteCount, alignment: 64) { scratch in
      defer { SecretBytes.wipe(scratch) }
      guard let start = scratch.baseAddress else { return }
      var done = 0
      while done < count {
        let now = min(perPiece, count - done)
        let piece = UnsafeMutableRawBufferPointer(start: start, count: now * width.wireByteCount)
        let target = lanes + done * width.memoryByteCount
        for stream in streams {
          stream.keystream.fill(piece)
          stream.accumulate(now, target, start)
        }
        done += now
      }
    }
    element += count
  }

  /// Puts any number of terms on the lanes of `elements`, the first of which stands at `lanes`; the threads of `runner`
  /// split the elements.
  static func apply(
    _ terms: [MaskTerm], _ width: LaneWidth, to lanes: UnsafeMutableRawPointer, elements: Range<Int>,
    on runner: some PartRunner
  ) {
    nonisolated(unsafe) let lanes = lanes  // Ranges are disjoint.
    runner.forEachRange(of: elements, multiple: elementMultiple, least: leastElements) { range in
      let target = lanes + (range.lowerBound - elements.lowerBound) * width.memoryByteCount
      for first in stride(from: 0, to: terms.count, by: openMax) {
        let some = terms[first..<min(first + openMax, terms.count)]
        MaskStreams(some, width, at: range.lowerBound).apply(to: target, count: range.count)
      }
    }
  }

  /// Ranges of so many elements start at a cipher block, whatever the width.
  static let elementMultiple = 16
  /// Handing over less than this to a thread costs more than it saves.
  static let leastElements = 2_048
}
