/// A number of a JSON document as it is written: `significand × 10^exponent`, and the digits that did not fit dropped.
///
/// Conversions are correctly rounded for every length: what `Float(_: String)` and `Double(_: String)` give.
struct JSONNumber {
  /// The leading significant digits, at least 19 of them where there are more.
  var significand: UInt64
  var exponent: Int
  var isNegative: Bool
  /// Whether no digit but zeros was dropped.
  var isExact: Bool
  /// All of its characters, for the slow way.
  let characters: UnsafeRawBufferPointer

  /// The largest power of ten that a Double holds exactly is 10^22, because 5^22 < 2^53.
  static let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
  ]
  private static let exponentMax = 22
  /// The Doubles nearest to 10^0, 10^−1, …: a product with one costs a third of a quotient.
  static let inversePowersOfTen: [Double] = [
    1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15, 1e-16, 1e-17,
    1e-18,
  ]

  /// `significand × 10^exponent` by at most two roundings, one of them of the significand above 2^53; nil where a power
  /// of ten is not exact.
  @inline(__always)
  private var approximation: Double? {
    guard exponent.magnitude <= UInt(Self.exponentMax) else { return nil }
    let power = Self.powersOfTen[Int(exponent.magnitude)]
    let value = Double(significand)
    return exponent < 0 ? value / power : value * power
  }

  /// The nearest Float, ties to even; nil beyond the largest.
  func float() -> Float? {
    guard let approximation, let value = Self.float(nearest: approximation) else { return slowFloat() }
    return isNegative ? -value : value
  }

  /// The Float nearest to the number behind an approximation; nil where the approximation does not tell, and beyond the
  /// largest Float.
  ///
  /// Three roundings of 2^−53 each (of the significand, the power of ten and the product) and dropped digits (below 10^−18
  /// of the value) leave an approximation within 3.1 units of its last place. Rounding it to Float gives another Float than
  /// rounding the number itself only if a middle between two Floats lies in between. Such a middle ends in 1 and 28 zeros
  /// in the 29 bits that a Float lacks: what is within four units of one is not told. No Float met here is subnormal: the
  /// least approximation other than 0 is 10^−22.
  @inline(__always)
  static func float(nearest approximation: Double) -> Float? {
    let distance = approximation.bitPattern & 0x1FFF_FFFF &- (0x1000_0000 - 4)
    let value = Float(approximation)
    return distance > 8 && value.isFinite ? value : nil
  }

  @inline(never)
  private func slowFloat() -> Float? {
    guard let value = Float(String(decoding: characters, as: UTF8.self)), value.isFinite else { return nil }
    return value
  }

  /// The nearest Double, ties to even; nil beyond the largest.
  ///
  /// Exact factors and one rounding where the significand is at most 2^53 (Clinger 1990), otherwise the slow way.
  func double() -> Double? {
    if isExact, significand <= 1 << 53, let approximation { return isNegative ? -approximation : approximation }
    guard let value = Double(String(decoding: characters, as: UTF8.self)), value.isFinite else { return nil }
    return value
  }

  /// The number, if it is whole, however it is written (`1e2`, `5.0`), and the type has it.
  func integer<I: FixedWidthInteger>(as type: I.Type) -> I? {
    guard let magnitude = wholeMagnitude else { return nil }
    return isNegative ? I(exactly: -Int128(magnitude)) : I(exactly: magnitude)
  }

  private var wholeMagnitude: UInt64? {
    guard isExact else { return nil }
    var value = significand
    var exponent = value == 0 ? 0 : exponent
    while exponent < 0 {
      let (quotient, remainder) = value.quotientAndRemainder(dividingBy: 10)
      guard remainder == 0 else { return nil }
      (value, exponent) = (quotient, exponent + 1)
    }
    while exponent > 0 {
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      guard !overflow else { return nil }
      (value, exponent) = (product, exponent - 1)
    }
    return value
  }
}
