/// The updates of one round, in clear and in an order that does not depend on their arrival: sorted by worker.
///
/// They are many and large, so nobody holds all of them: whoever combines them reads a few elements of each at a time.
package protocol RoundUpdates {
  /// n.
  var count: Int { get }
  /// d.
  var elementCount: Int { get }
  /// `w_k` of each, in examples; at least 1.
  var weights: [UInt64] { get }
  /// - Parameter elements: within 0 ..< d.
  func read(_ update: Int, _ elements: Range<Int>) throws -> [Float]
}

extension RoundUpdates {
  /// Elements of all updates together that are in memory at once: 16 MiB.
  package static var elementsInMemoryMax: Int { 1 << 22 }
  private static var pieceElementsMax: Int { 65_536 }

  /// Hands on the same elements of every update, piece after piece, in order.
  func forEachPiece(_ body: (_ elements: Range<Int>, _ rows: [[Float]]) throws -> Void) throws {
    let length = max(1, min(Self.pieceElementsMax, Self.elementsInMemoryMax / max(1, count)))
    for start in stride(from: 0, to: elementCount, by: length) {
      let elements = start..<min(start + length, elementCount)
      try body(elements, try (0..<count).map { try read($0, elements) })
    }
  }

  /// `Σ β_k·Δ_k ÷ Σ β_k`, shape `[d]`, in binary64, over the updates with these indices.
  ///
  /// - Parameter observe: sees each piece of the result beside the pieces it was made of.
  func mean(
    of indices: [Int], weights: [Double],
    observe: (_ mean: ArraySlice<Double>, _ rows: [[Float]]) -> Void = { _, _ in }
  ) throws -> [Double] {
    let total = weights.reduce(0, +)
    var mean = [Double](repeating: 0, count: elementCount)
    try forEachPiece { elements, rows in
      for (index, weight) in zip(indices, weights) {
        let row = rows[index]
        for (place, e) in elements.enumerated() { mean[e] += weight * Double(row[place]) }
      }
      for e in elements { mean[e] /= total }
      observe(mean[elements], rows)
    }
    return mean
  }
}
