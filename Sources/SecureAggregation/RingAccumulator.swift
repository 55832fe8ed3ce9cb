import CKernels

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

  /// Adds all that an encoder makes, without masks: the sum that taking all masks off would leave.
  ///
  /// - Precondition: the encoder has `count` elements and rules for this ring.
  package func add(_ encoder: UpdateEncoder) {
    precondition(encoder.count == count && encoder.rules.ringBits == width.rawValue, "another vector")
    withUnsafeTemporaryAllocation(byteCount: 2 * 4 * Self.pieceElements, alignment: 64) { scratch in
      guard let piece = scratch.baseAddress else { return }
      let packed = piece + 4 * Self.pieceElements
      for first in stride(from: 0, to: count, by: Self.pieceElements) {
        let elements = first..<min(first + Self.pieceElements, count)
        encoder.encode(elements, width, into: piece)
        if width == .bits24 { RingLanes.pack24(piece, into: packed, count: elements.count) }
        RingLanes.accumulate(
          width, stream: width == .bits24 ? packed : piece, into: lanes + first * width.memoryByteCount,
          count: elements.count, isAdded: true)
      }
    }
  }

  /// Of lanes of at most 32 bits, as updates have them: what stays in the first-level cache with the random bits.
  private static let pieceElements = 2_048

  /// Adds another sum of the same ring and length.
  package func add(_ other: RingAccumulator) {
    precondition(other.count == count && other.width == width, "another vector")
    // In memory a lane of 24 bits is one of 32, of which the upper eight are dropped on output.
    let width: LaneWidth = self.width == .bits24 ? .bits32 : self.width
    RingLanes.accumulate(width, stream: other.lanes, into: lanes, count: count, isAdded: true)
  }

  /// Adds or subtracts the keystreams of `terms` on a range of elements, which the threads of `runner` split.
  ///
  /// - Precondition: `elements` lies in `0..<count`.
  package func apply(_ terms: [MaskTerm], elements: Range<Int>, on runner: some PartRunner = SequentialRunner()) {
    precondition(elements.lowerBound >= 0 && elements.upperBound <= count, "elements outside the vector")
    MaskStreams.apply(
      terms, width, to: lanes + elements.lowerBound * width.memoryByteCount, elements: elements, on: runner)
  }

  /// Element `e` as a two's complement number of k bits.
  package func signedValue(at e: Int) -> Int64 {
    precondition((0..<count).contains(e))
    return RingLanes.signed(width, lanes, at: e)
  }

  package var signedValues: [Int64] { (0..<count).map { RingLanes.signed(width, lanes, at: $0) } }

  /// `out[e] = x_e · scale`, x two's complement, in binary64; the threads of `runner` split the elements.
  ///
  /// - Precondition: `out` has room for `count` values.
  func numbers(scaledBy scale: Double, into out: UnsafeMutablePointer<Double>, on runner: some PartRunner) {
    let table = RingKernels.table
    let widen: ck_ring_widen_double =
      switch width {
      case .bits16: table.widen16_double
      case .bits24: table.widen24_double
      case .bits32: table.widen32_double
      case .bits64: table.widen64_double
      }
    nonisolated(unsafe) let start = out  // Ranges are disjoint.
    runner.forEachRange(of: 0..<count, multiple: 16, least: MaskStreams.leastElements) { [self] range in
      widen(
        range.count, lanes + range.lowerBound * width.memoryByteCount, scale, start + range.lowerBound)
    }
  }

  /// The same, rounded once more to Float32.
  func numbers(scaledBy scale: Double, into out: UnsafeMutablePointer<Float>, on runner: some PartRunner) {
    let table = RingKernels.table
    let widen: ck_ring_widen_single =
      switch width {
      case .bits16: table.widen16_single
      case .bits24: table.widen24_single
      case .bits32: table.widen32_single
      case .bits64: table.widen64_single
      }
    nonisolated(unsafe) let start = out  // Ranges are disjoint.
    runner.forEachRange(of: 0..<count, multiple: 16, least: MaskStreams.leastElements) { [self] range in
      widen(
        range.count, lanes + range.lowerBound * width.memoryByteCount, scale, start + range.lowerBound)
    }
  }
}
