import Tensors
import Testing

@Suite("Squared norms")
struct SquaredNormTests {
  @Test("do not depend on how a vector is cut")
  func pieces() {
    let values = (0..<1_003).map { Float($0 % 37 - 18) * 0.371 }
    let whole = SquaredNorm(values).value
    let plain = values.reduce(0.0) { $0 + Double($1) * Double($1) }
    #expect(abs(whole - plain) < 1e-12 * plain)
    for length in [1, 3, 15, 16, 17, 64, 500] {
      var norm = SquaredNorm()
      for first in stride(from: 0, to: values.count, by: length) {
        Array(values[first..<min(first + length, values.count)]).withUnsafeBufferPointer { norm.add($0) }
      }
      #expect(norm.value == whole, "pieces of \(length)")
    }
    #expect(SquaredNorm([]).value == 0)
  }

  @Test("are not finite where an element is not", arguments: [Float.nan, .infinity, -.infinity])
  func notFinite(bad: Float) {
    for place in [0, 8, 16, 20] {
      var values = [Float](repeating: 1, count: 21)
      values[place] = bad
      #expect(!SquaredNorm(values).value.isFinite)
    }
  }
}
