/// JSON (RFC 8259) as log lines need it.
enum JSONText {
  /// A string with its quotes: control characters are escaped, so that what a peer sent stays on one line.
  static func quoted(_ text: some StringProtocol) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || isLineEnd(scalar):
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }

  /// LINE SEPARATOR and PARAGRAPH SEPARATOR, which some readers take for the end of a line.
  private static func isLineEnd(_ scalar: Unicode.Scalar) -> Bool { scalar == "\u{2028}" || scalar == "\u{2029}" }
}
