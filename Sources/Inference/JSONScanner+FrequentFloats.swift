extension JSONScanner {
  /// Most digits here, those in front of the point counted: their number is below 2^63, whose conversion is one instruction.
  private static let frequentDigitsMax = 18
  /// Bytes that one element may touch: a blank, a sign, eight digits, a point, 24 digits, a comma.
  private static let frequentBytesMax = 36

  /// Reads elements of FP32 as most programs write them, and stops in front of the first that is written otherwise:
  /// at most one blank, a sign or none, up to 18 digits with or without a point, and a comma directly behind.
  ///
  /// A fast way around `number()` and `JSONNumber.float()`, which read the rest and give the same Floats.
  ///
  /// - Parameter out: room for at least `countMax` elements, without alignment.
  /// - Returns: how many were read, with their commas; at most `countMax`.
  @inline(never)
  mutating func frequentFloats(into out: UnsafeMutableRawPointer?, countMax: Int) -> Int {
    guard let out, let base = bytes.baseAddress else { return 0 }
    return JSONNumber.inversePowersOfTen.withUnsafeBufferPointer { powers in
      guard bytes.count >= Self.frequentBytesMax else { return 0 }
      let last = base + (bytes.count - Self.frequentBytesMax)
      var at = base + position
      var count = 0
      while count < countMax, at <= last, let (value, end) = Self.frequentFloat(at, powers) {
        out.storeBytes(of: value, toByteOffset: count &* 4, as: Float.self)
        at = end
        count &+= 1
      }
      position = at - base
      return count
    }
  }

  /// - Returns: the element and where its comma ends; nil for what is written otherwise.
  @inline(__always)
  private static func frequentFloat(
    _ start: UnsafeRawPointer, _ powers: UnsafeBufferPointer<Double>
  ) -> (value: Float, end: UnsafeRawPointer)? {
    var at = start
    var isNegative = false
    // Guessed from the element before, where adding up what is there would make each element wait for the last.
    if byte(at) &- UInt8(ascii: "0") > 9 {
      if byte(at) == UInt8(ascii: " ") { at += 1 }
      isNegative = byte(at) == UInt8(ascii: "-")
      if isNegative { at += 1 }
    }
    let first = at
    var significand = UInt64(byte(at) &- UInt8(ascii: "0"))
    guard significand < 10 else { return nil }
    at += 1
    if byte(at) &- UInt8(ascii: "0") < 10 {
      let count = eightDigits(at, into: &significand)
      guard byte(first) != UInt8(ascii: "0"), count < 8 else { return nil }
      at += count
    }
    var digits = at - first
    var fraction = 0
    if byte(at) == UInt8(ascii: ".") {
      at += 1
      fraction = fractionDigits(at, into: &significand)
      guard fraction > 0 else { return nil }
      at += fraction
      digits &+= fraction
    }
    guard byte(at) == UInt8(ascii: ","), digits <= frequentDigitsMax else { return nil }
    let approximation = Double(Int64(bitPattern: significand)) * powers[fraction]
    guard let value = JSONNumber.float(nearest: approximation) else { return nil }
    return (isNegative ? -value : value, at + 1)
  }

  @inline(__always)
  private static func byte(_ at: UnsafeRawPointer) -> UInt8 { at.load(as: UInt8.self) }

  /// Appends at most 24 digits, and returns how many there were.
  @inline(__always)
  private static func fractionDigits(_ at: UnsafeRawPointer, into value: inout UInt64) -> Int {
    var count = eightDigits(at, into: &value)
    guard count == 8 else { return count }
    count &+= eightDigits(at + 8, into: &value)
    guard count == 16 else { return count }
    return count &+ eightDigits(at + 16, into: &value)
  }
}
