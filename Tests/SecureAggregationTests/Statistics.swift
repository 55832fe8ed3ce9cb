import Foundation

/// Statistics of seeded samples. Each returns a standard normal deviate, or a value with the same tails; a test compares
/// it with `unlikely`. Seeds are fixed: a test that passes passes always, and one that fails found a bias, or that the
/// code changed to another sample, which happens to one in 10^5.
enum Statistics {
  /// A standard normal deviate is farther out, to one side, with probability 3.4·10^-6.
  static let unlikely = 4.5

  /// χ² of counts that should be equal, as a normal deviate (Wilson and Hilferty 1931).
  static func uniformity(of counts: [Int]) -> Double {
    let expected = Double(counts.reduce(0, +)) / Double(counts.count)
    var chiSquared = 0.0
    for count in counts {
      let difference = Double(count) - expected
      chiSquared += difference * difference / expected
    }
    return deviate(chiSquared, freedom: counts.count - 1)
  }

  /// χ² of two samples of equal size over the same classes; classes that neither has do not count.
  static func difference(_ a: [Int], _ b: [Int]) -> Double {
    var chiSquared = 0.0
    var classes = 0
    for (x, y) in zip(a, b) where x + y > 0 {
      chiSquared += Double((x - y) * (x - y)) / Double(x + y)
      classes += 1
    }
    return deviate(chiSquared, freedom: max(classes - 1, 1))
  }

  private static func deviate(_ chiSquared: Double, freedom: Int) -> Double {
    let spread = 2 / (9 * Double(freedom))
    return (pow(chiSquared / Double(freedom), 1.0 / 3) - (1 - spread)) / spread.squareRoot()
  }

  /// How far the share of ones is from one half (NIST SP 800-22, 2.1), in standard deviations.
  static func monobit(_ bytes: [UInt8]) -> Double {
    let bits = 8 * bytes.count
    let ones = bytes.reduce(0) { $0 + $1.nonzeroBitCount }
    return abs(Double(2 * ones - bits)) / Double(bits).squareRoot()
  }

  /// Kolmogorov and Smirnov against the uniform distribution on [0, 1): √n·D, above 2.5 with probability 7·10^-6.
  static func kolmogorovSmirnov(_ sample: [Double]) -> Double {
    let sorted = sample.sorted()
    let n = Double(sorted.count)
    var largest = 0.0
    for (i, x) in sorted.enumerated() {
      largest = max(largest, abs(Double(i + 1) / n - x), abs(x - Double(i) / n))
    }
    return largest * n.squareRoot()
  }

  /// Pearson's correlation times √n: a normal deviate for independent samples.
  static func correlation(_ a: [Double], _ b: [Double]) -> Double {
    let n = Double(a.count)
    let means = [a, b].map { $0.reduce(0, +) / n }
    var products = (ab: 0.0, aa: 0.0, bb: 0.0)
    for (x, y) in zip(a, b) {
      products.ab += (x - means[0]) * (y - means[1])
      products.aa += (x - means[0]) * (x - means[0])
      products.bb += (y - means[1]) * (y - means[1])
    }
    return products.ab / (products.aa * products.bb).squareRoot() * n.squareRoot()
  }

  /// How often each value stands at place `position` of units of `unit` bytes.
  static func counts(_ bytes: [UInt8], unit: Int, position: Int) -> [Int] {
    var counts = [Int](repeating: 0, count: 256)
    for index in stride(from: position, to: bytes.count, by: unit) { counts[Int(bytes[index])] += 1 }
    return counts
  }

  /// Lanes as fractions of the ring.
  static func fractions(_ bytes: [UInt8], unit: Int) -> [Double] {
    stride(from: 0, to: bytes.count, by: unit).map { start in
      bytes[start..<start + unit].reversed().reduce(0.0) { $0 * 256 + Double($1) } / pow(256, Double(unit))
    }
  }
}
