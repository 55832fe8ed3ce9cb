/// A place in a distributed trace: the W3C header `traceparent`, version 00.
package struct TraceContext: Hashable, Sendable {
  /// 32 lower-case hexadecimal digits, not all zero.
  package let traceID: String
  /// 16 lower-case hexadecimal digits, not all zero.
  package let parentID: String
  package let flags: UInt8

  /// - Returns: nil for a header that is not one (W3C Trace Context §3.2).
  package init?(traceparent text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    func isHex(_ part: Substring, _ count: Int) -> Bool {
      part.utf8.count == count && part.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }
    guard parts.count >= 4, isHex(parts[0], 2), parts[0] != "ff", parts[0] != "00" || parts.count == 4,
      isHex(parts[1], 32), isHex(parts[2], 16), isHex(parts[3], 2), parts[1].contains(where: { $0 != "0" }),
      parts[2].contains(where: { $0 != "0" }), let flags = UInt8(parts[3], radix: 16)
    else { return nil }
    traceID = String(parts[1])
    parentID = String(parts[2])
    self.flags = flags
  }

  /// The header's text.
  package var traceparent: String {
    let flags = String(flags, radix: 16)
    return "00-\(traceID)-\(parentID)-\(flags.count == 1 ? "0" : "")\(flags)"
  }
}
