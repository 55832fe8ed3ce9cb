extension JSONScanner {
  /// Most digits of which any fit into 64 bits.
  private static let digitsMax = 19
  /// Larger exponents are as good as this one: no document has enough digits to bring the number back into range.
  private static let exponentMax = 1 << 40

  /// Reads a number (RFC 8259 §6).
  @inline(__always)
  mutating func number() throws(InferenceError) -> JSONNumber {
    skipBlanks()
    let start = position
    let isNegative = position < bytes.count && bytes[position] == UInt8(ascii: "-")
    if isNegative { position += 1 }
    let first = position
    guard let lead = digit() else { throw refusal("a value") }
    position += 1
    var significand = lead
    if digit() != nil {
      guard lead != 0 else { throw refusal("no digit behind a leading zero") }
      digits(into: &significand)
    }
    var digitCount = position - first
    var fractionCount = 0
    if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
      position += 1
      let fraction = position
      digits(into: &significand)
      fractionCount = position - fraction
      guard fractionCount > 0 else { throw refusal("a digit behind the point") }
      digitCount += fractionCount
    }
    let end = position
    var exponent = -fractionCount
    if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") { exponent += try explicitExponent() }
    var number = JSONNumber(
      significand: significand, exponent: exponent, isNegative: isNegative, isExact: true,
      characters: UnsafeRawBufferPointer(start: bytes.baseAddress?.advanced(by: start), count: position - start))
    if digitCount > Self.digitsMax { shorten(&number, digits: first..<end) }
    return number
  }

  @inline(__always)
  private func digit() -> UInt64? {
    guard position < bytes.count, case let value = bytes[position] &- UInt8(ascii: "0"), value < 10 else { return nil }
    return UInt64(value)
  }

  /// Appends all digits from here on, eight at a time and modulo 2^64.
  @inline(__always)
  private mutating func digits(into value: inout UInt64) {
    while position + 8 <= bytes.count {
      guard let base = bytes.baseAddress else { return }
      let count = Self.eightDigits(base + position, into: &value)
      position += count
      if count < 8 { return }
    }
    while let digit = digit() {
      value = value &* 10 &+ digit
      position += 1
    }
  }

  /// Appends the digits that lead these eight bytes, and returns how many; does not branch on their number.
  @inline(__always)
  static func eightDigits(_ start: UnsafeRawPointer, into value: inout UInt64) -> Int {
    let chunk = UInt64(littleEndian: start.loadUnaligned(as: UInt64.self)) ^ 0x3030_3030_3030_3030
    // The top bit of each byte that is no digit. A carry spoils only bytes behind one that is none.
    let others = (chunk &+ 0x7676_7676_7676_7676 | chunk) & 0x8080_8080_8080_8080
    let count = others.trailingZeroBitCount >> 3
    // Digits move to the end of the chunk, behind zeros; then pairs are joined, and all four of these.
    let single = chunk << UInt64(64 &- 8 &* count)
    let pairs = single &* 10 &+ single >> 8
    let mask: UInt64 = 0x0000_00FF_0000_00FF
    let firstAndThird = (pairs & mask) &* weightsOfFirstAndThird
    let secondAndLast = (pairs >> 16 & mask) &* weightsOfSecondAndLast
    value = value &* wholePowersOfTen[count] &+ (firstAndThird &+ secondAndLast) >> 32
    return count
  }

  /// 10^6 and 10^2, and 10^4 and 1, where a product leaves both pairs in its upper half.
  private static let weightsOfFirstAndThird: UInt64 = 1_000_000 << 32 + 100
  private static let weightsOfSecondAndLast: UInt64 = 10_000 << 32 + 1

  private static let wholePowersOfTen: [UInt64] = [
    1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000,
  ]

  private mutating func explicitExponent() throws(InferenceError) -> Int {
    position += 1
    let isNegative = position < bytes.count && bytes[position] == UInt8(ascii: "-")
    if isNegative || position < bytes.count && bytes[position] == UInt8(ascii: "+") { position += 1 }
    guard digit() != nil else { throw refusal("a digit of the exponent") }
    var value = 0
    while let digit = digit() {
      value = min(value * 10 + Int(digit), Self.exponentMax)
      position += 1
    }
    return isNegative ? -value : value
  }

  /// Counts the digits of a long number again, zeros in front left out, and drops those that do not fit into 64 bits.
  @inline(never)
  private func shorten(_ number: inout JSONNumber, digits: Range<Int>) {
    var value: UInt64 = 0
    var dropped = 0
    number.isExact = true
    for byte in bytes[digits] where byte != UInt8(ascii: ".") {
      let digit = UInt64(byte - UInt8(ascii: "0"))
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(digit)
      if dropped > 0 || overflow || carry {
        dropped += 1
        number.isExact = number.isExact && digit == 0
      } else {
        value = sum
      }
    }
    number.significand = value
    number.exponent += dropped
  }
}
