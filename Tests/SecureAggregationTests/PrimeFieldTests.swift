import Federation
import SecureAggregation
import Testing

@Suite("Arithmetic modulo 2^61 − 1")
struct PrimeFieldTests {
  private static let edges: [UInt64] = [
    0, 1, 2, 3, (1 << 31) + 1, (1 << 56) - 1, 1 << 56, 1 << 60, (1 << 60) - 1, PrimeField.p - 2, PrimeField.p - 1,
  ]

  /// The product by long division, with no folding.
  private func product(_ a: UInt64, _ b: UInt64) -> UInt64 {
    PrimeField.p.dividingFullWidth(a.multipliedFullWidth(by: b)).remainder
  }

  @Test("Sums, differences and products of edge values are those of long division", arguments: edges)
  func edgeValues(_ a: UInt64) {
    for b in Self.edges {
      #expect(PrimeField.add(a, b) == (a + b) % PrimeField.p)
      #expect(PrimeField.subtract(a, b) == (a + PrimeField.p - b) % PrimeField.p)
      #expect(PrimeField.multiply(a, b) == product(a, b))
    }
  }

  @Test("Products of random values are those of long division")
  func randomValues() {
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<10_000 {
      let a = UInt64.random(in: 0..<PrimeField.p, using: &generator)
      let b = UInt64.random(in: 0..<PrimeField.p, using: &generator)
      #expect(PrimeField.multiply(a, b) == product(a, b))
    }
  }

  @Test("A value times its inverse is one", arguments: edges.filter { $0 > 0 })
  func inverse(_ a: UInt64) {
    #expect(PrimeField.multiply(a, PrimeField.inverse(a)) == 1)
  }
}
