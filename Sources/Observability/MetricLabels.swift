/// The labels of one series as both formats write them, `model="digits",version="3"`; also what the series is found by.
package struct MetricLabels: Hashable, Comparable, Sendable {
  package let text: String

  /// - Parameter pairs: in the order of the family's label names.
  package init(_ pairs: some Sequence<(String, String)>) {
    var text = ""
    for (name, value) in pairs {
      if !text.isEmpty { text += "," }
      text += name
      text += "=\""
      text += Self.escaped(value)
      text += "\""
    }
    self.text = text
  }

  package static let none = MetricLabels(EmptyCollection())

  package static func < (a: MetricLabels, b: MetricLabels) -> Bool { a.text < b.text }

  /// Backslash and line feed are escaped, and the quote in text between quotes; everything else stands for itself.
  static func escaped(_ value: String, quotes: Bool = true) -> String {
    // Nearly always there is nothing to escape.
    guard
      value.utf8.contains(where: { $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\"") })
    else { return value }
    var out = ""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\"" where quotes: out += "\\\""
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
