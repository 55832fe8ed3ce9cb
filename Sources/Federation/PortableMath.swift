/// Logarithm and exponential from IEEE operations alone. The C library's differ in the last bit between CPUs, and one
/// bit is enough to give a partition or a model of a seed another value on another machine.
package enum PortableMath {
  private static let ln2High = 0x1.62e42fefa0000p-1
  private static let ln2Low = 0x1.cf79abc9e3b3ap-40

  /// ln x; −∞ for 0. Error below 4 units in the last place.
  ///
  /// - Precondition: `x ≥ 0` and finite.
  package static func log(_ x: Double) -> Double {
    precondition(x >= 0 && x.isFinite, "the logarithm of a finite number that is not negative")
    guard x > 0 else { return -.infinity }
    var exponent = Double(x.exponent)
    var m = x.significand  // in [1, 2)
    if m > 1.4142135623730951 {
      m *= 0.5
      exponent += 1
    }
    // 2 artanh(z) with |z| < 0.172: the first term left out is below 2⁻⁶³.
    let z = (m - 1) / (m + 1)
    let square = z * z
    var series = 0.0
    for n in stride(from: 25, through: 3, by: -2) { series = (series + 1 / Double(n)) * square }
    return exponent * ln2High + (2 * z + (2 * z * series + exponent * ln2Low))
  }

  /// cos x with an absolute error below 2⁻⁵⁰.
  ///
  /// - Precondition: x is from 0 to π.
  package static func cos(_ x: Double) -> Double {
    precondition(x >= 0 && x <= .pi, "an angle from 0 to π")
    // cos x = −cos(π − x) and 2 cos²(x/2) − 1 bring the argument below π/4.
    guard x <= .pi / 2 else { return -cos(.pi - x) }
    let half = x / 2, square = half * half
    var sum = 1.0
    for k in stride(from: 20, through: 2, by: -2) { sum = 1 - sum * square / Double(k * (k - 1)) }
    return 2 * sum * sum - 1
  }

  /// xⁿ by repeated squaring.
  package static func power(_ x: Double, _ n: UInt64) -> Double {
    var result = 1.0
    var factor = x
    var left = n
    while left > 0 {
      if left & 1 == 1 { result *= factor }
      factor *= factor
      left >>= 1
    }
    return result
  }

  /// eˣ; 0 below −745 and +∞ above 709.
  package static func exp(_ x: Double) -> Double {
    guard x > -745 else { return 0 }
    guard x < 709 else { return .infinity }
    let n = (x * 1.4426950408889634).rounded()
    let r = (x - n * ln2High) - n * ln2Low  // |r| ≤ ln 2 / 2
    var sum = 1.0
    for k in stride(from: 14, through: 1, by: -1) { sum = 1 + sum * r / Double(k) }
    return Double(sign: .plus, exponent: Int(n), significand: sum)
  }
}
