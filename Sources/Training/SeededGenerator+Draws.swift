import Federation

/// What choices are drawn by. The same on every machine and with every compiler: only whole numbers, IEEE operations and
/// `PortableMath`, none of the standard library's own ways to draw.
extension SeededGenerator {
  /// Uniform in `0 ..< bound`, without bias (Lemire 2019).
  ///
  /// - Precondition: `bound ≥ 1`.
  package mutating func index(below bound: Int) -> Int {
    precondition(bound >= 1, "there is nothing to choose from")
    let range = UInt64(bound)
    var product = next().multipliedFullWidth(by: range)
    let rejected = (0 &- range) % range
    while product.low < rejected { product = next().multipliedFullWidth(by: range) }
    return Int(product.high)
  }

  /// Uniform in [0, 1), a multiple of 2⁻⁵³.
  package mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Standard normal (Marsaglia's polar method).
  package mutating func normal() -> Double {
    while true {
      let u = 2 * unit() - 1
      let v = 2 * unit() - 1
      let square = u * u + v * v
      if square > 0 && square < 1 { return u * (-2 * PortableMath.log(square) / square).squareRoot() }
    }
  }

  /// Gamma with this shape and scale 1 (Marsaglia, Tsang 2000; shapes below 1 by their boost).
  ///
  /// - Precondition: `shape > 0`.
  package mutating func gamma(shape: Double) -> Double {
    precondition(shape > 0 && shape.isFinite, "a gamma shape is positive")
    if shape < 1 {
      let boost = PortableMath.exp(PortableMath.log(1 - unit()) / shape)
      return gamma(shape: shape + 1) * boost
    }
    let d = shape - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = normal()
      let root = 1 + c * x
      guard root > 0 else { continue }
      let v = root * root * root
      if PortableMath.log(1 - unit()) < 0.5 * x * x + d - d * v + d * PortableMath.log(v) { return d * v }
    }
  }

  /// A random order of the elements, every order as likely (Fisher, Yates).
  package mutating func shuffle<Element>(_ elements: inout [Element]) {
    for i in stride(from: elements.count - 1, to: 0, by: -1) { elements.swapAt(i, index(below: i + 1)) }
  }
}
