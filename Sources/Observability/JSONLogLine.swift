import Logging

/// Log lines for programs: one JSON object each, on one line.
///
///     {"ts":"2026-11-22T14:05:09.123Z","level":"info","process":"coordinator","msg":"round","fields":{"reported":"8"}}
///
/// | member | value |
/// | --- | --- |
/// | `ts` | RFC 3339, UTC, milliseconds |
/// | `level` | trace, debug, info, notice, warning, error or critical |
/// | `process` | the logger's label |
/// | `msg` | constant text: what happened |
/// | `trace_id` | 32 hexadecimal digits; only where the metadata has them under this name |
/// | `fields` | the metadata: strings, and arrays and objects of them; only where there is any |
/// | `truncated` | true where something did not fit; only then |
///
/// Metadata stands in an object of its own, so that no name in it can stand for one of the others. Values whose name says
/// that they are secret are replaced (``LogRedaction``).
package enum JSONLogLine {
  /// Longest line without its end, in bytes.
  package static let lineBytesMax = 16 << 10
  /// Of the message and of each value.
  package static let valueBytesMax = 2 << 10
  /// Most members of one object or array in the metadata, and how deep they nest.
  package static let membersMax = 64
  package static let depthMax = 4

  static func text(of event: LogEvent, _ all: Logger.Metadata, label: String, at time: LogTimestamp) -> String {
    var metadata = all
    var writer = JSONLogWriter()
    var head = "{\"ts\":\"\(time)\",\"level\":\"\(event.level)\",\"process\":\(writer.text(label))"
    head += ",\"msg\":\(writer.text("\(event.message)"))"
    if let value = metadata["trace_id"], isTraceID("\(value)") {
      metadata["trace_id"] = nil
      head += ",\"trace_id\":\"\(value)\""
    }
    let fields = metadata.isEmpty ? "" : ",\"fields\":" + writer.object(metadata, depth: 1)
    // All or nothing: half an object is none.
    let isTooLong = head.utf8.count + fields.utf8.count + JSONLogWriter.truncation.utf8.count + 1 > lineBytesMax
    return head + (isTooLong ? "" : fields) + (isTooLong || writer.isTruncated ? JSONLogWriter.truncation : "") + "}"
  }

  private static func isTraceID(_ text: String) -> Bool {
    text.utf8.count == 32 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
  }
}

/// Writes metadata as JSON, within the limits of a line.
private struct JSONLogWriter {
  static let truncation = ",\"truncated\":true"

  private(set) var isTruncated = false

  mutating func text(_ value: String) -> String {
    guard value.utf8.count > JSONLogLine.valueBytesMax else { return JSONText.quoted(value) }
    isTruncated = true
    // A character that is cut in two is left out.
    var end = value.utf8.index(value.startIndex, offsetBy: JSONLogLine.valueBytesMax)
    while end.samePosition(in: value.unicodeScalars) == nil { value.utf8.formIndex(before: &end) }
    return JSONText.quoted(value[..<end])
  }

  mutating func object(_ metadata: Logger.Metadata, depth: Int) -> String {
    var members: [String] = []
    for (name, value) in bounded(metadata.sorted { $0.key < $1.key }) {
      let text = LogRedaction.isDenied(name) ? JSONText.quoted(LogRedaction.mark) : self.value(value, depth: depth)
      members.append("\(self.text(name)):\(text)")
    }
    return "{" + members.joined(separator: ",") + "}"
  }

  private mutating func value(_ value: Logger.Metadata.Value, depth: Int) -> String {
    switch value {
    case .string(let string): return text(string)
    case .stringConvertible(let value): return text(value.description)
    case .dictionary(let metadata): return depth < JSONLogLine.depthMax ? object(metadata, depth: depth + 1) : cut()
    case .array(let values):
      guard depth < JSONLogLine.depthMax else { return cut() }
      return "[" + bounded(values).map { self.value($0, depth: depth + 1) }.joined(separator: ",") + "]"
    }
  }

  private mutating func cut() -> String {
    isTruncated = true
    return "null"
  }

  private mutating func bounded<Element>(_ elements: [Element]) -> [Element] {
    if elements.count > JSONLogLine.membersMax { isTruncated = true }
    return Array(elements.prefix(JSONLogLine.membersMax))
  }
}
