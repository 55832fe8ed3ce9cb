import Foundation

/// The address of a node's HTTP interface: scheme, host, port, and the path that everything below it begins with.
package struct WebAddress: Hashable, Sendable, CustomStringConvertible {
  /// Longest text that is read, in bytes.
  package static let byteCountMax = 2_048

  /// Without a slash at its end.
  package let text: String
  package let isEncrypted: Bool
  /// Whether what is sent stays on this machine.
  package let isLoopback: Bool

  /// Reads `https://HOST[:PORT][/PATH]` or `http://…`; nil for anything else: another scheme, no host, a user or a
  /// password, a query or a fragment.
  package init?(_ text: String) {
    guard text.utf8.count <= Self.byteCountMax, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
      let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(), let host = parts.host,
      !host.isEmpty, scheme == "https" || scheme == "http", parts.user == nil, parts.password == nil,
      parts.query == nil, parts.fragment == nil
    else { return nil }
    self.text = text.hasSuffix("/") ? String(text.dropLast()) : text
    isEncrypted = scheme == "https"
    isLoopback = Self.isLoopback(host)
  }

  /// Whether the text is meant to be such an address, right or wrong.
  package static func isMeant(_ text: String) -> Bool {
    text.lowercased().hasPrefix("http://") || text.lowercased().hasPrefix("https://")
  }

  private static func isLoopback(_ host: String) -> Bool {
    let name = host.lowercased()
    if name == "localhost" || name == "::1" || name == "[::1]" { return true }
    let numbers = name.split(separator: ".", omittingEmptySubsequences: false)
    return numbers.count == 4 && numbers[0] == "127" && numbers.allSatisfy { UInt8($0) != nil }
  }

  /// The address of what lies below, each part percent-encoded as a path's segment (RFC 3986, 3.3).
  package func appending(_ parts: String...) -> String { text + parts.map { Self.path($0) }.joined() }

  /// Parts of a path, each with a slash in front.
  package static func path(_ parts: String...) -> String { parts.map { "/" + encoded($0) }.joined() }

  private static func encoded(_ part: String) -> String {
    var out = ""
    for byte in part.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"), UInt8(ascii: ":"), UInt8(ascii: "@"):
        out.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        out += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
    return out
  }

  package var description: String { text }
}
