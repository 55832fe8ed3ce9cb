/// Arithmetic modulo p = 2^61 − 1 on values below p, without branches or table look-ups that depend on them.
package enum PrimeField {
  package static let p: UInt64 = (1 << 61) - 1

  /// x mod p for x < 2^62, by one fold and one conditional subtraction.
  @inline(__always)
  package static func reduce(_ x: UInt64) -> UInt64 {
    let folded = (x & p) &+ (x >> 61)
    let less = folded &- p
    let borrow = 0 &- (less >> 63)  // All ones if folded < p.
    return less &+ (p & borrow)
  }

  @inline(__always)
  package static func add(_ a: UInt64, _ b: UInt64) -> UInt64 { reduce(a &+ b) }

  @inline(__always)
  package static func subtract(_ a: UInt64, _ b: UInt64) -> UInt64 { reduce(a &+ (p &- b)) }

  /// The 122-bit product is lo₆₁ + 2^61·hi₆₁, and 2^61 ≡ 1.
  @inline(__always)
  package static func multiply(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return reduce((product.low & p) &+ (product.high << 3 | product.low >> 61))
  }

  /// a^(p−2): the inverse of a ≠ 0, and 0 for 0.
  package static func inverse(_ a: UInt64) -> UInt64 {
    // p − 2 = 2^61 − 3: sixty ones with a zero at bit 1.
    var result: UInt64 = 1
    for bit in stride(from: 60, through: 0, by: -1) {
      result = multiply(result, result)
      if bit != 1 { result = multiply(result, a) }
    }
    return result
  }
}
