import CKernels

/// ‖x‖² of a vector that comes piece by piece.
///
/// Element e is squared, which is exact in binary64, and added in lane e modulo 16; a fixed tree adds up the lanes. So the
/// bits depend neither on how the vector is cut nor on the machine, and no addition waits for the one before it.
package struct SquaredNorm: Sendable {
  private var lanes = SIMD16<Double>.zero
  private var count = 0

  package init() {}

  package init(_ values: [Float]) { values.withUnsafeBufferPointer { add($0) } }

  /// Not finite if any element was not: squares of Float32 cannot overflow in any real length.
  package var value: Double {
    let eight = lanes.lowHalf + lanes.highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two[0] + two[1]
  }

  /// Adds the elements behind those that were added before.
  package mutating func add(_ values: UnsafeBufferPointer<Float>) {
    var place = 0
    func addOne() {
      let value = Double(values[place])
      lanes[count % 16] += value * value
      count += 1
      place += 1
    }
    while count % 16 != 0, place < values.count { addOne() }
    let whole = (values.count - place) / 16 * 16
    if whole > 0, let start = values.baseAddress {
      withUnsafeMutableBytes(of: &lanes) { lanes in
        KernelTable.best.pointee.add_squares(
          whole, start + place, lanes.assumingMemoryBound(to: Double.self).baseAddress)
      }
      place += whole
      count += whole
    }
    while place < values.count { addOne() }
  }
}
