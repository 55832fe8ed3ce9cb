import Logging

/// Log lines for people.
///
///     2026-11-22T14:05:09.123Z info coordinator: round committed round=3 reported=8
///
/// Metadata comes sorted by name, quoted where it is not one plain word. Values whose name says that they are secret are
/// replaced (``LogRedaction``).
enum TextLogLine {
  static func text(of event: LogEvent, _ all: Logger.Metadata, label: String, at time: LogTimestamp) -> String {
    let values = all.sorted { $0.key < $1.key }.map { name, value in
      let text = LogRedaction.isDenied(name) ? LogRedaction.mark : "\(LogRedaction.redacted(value))"
      return " \(name)=\(isPlain(text) ? text : JSONText.quoted(text))"
    }
    return "\(time) \(event.level) \(label): \(event.message)\(values.joined())"
  }

  private static func isPlain(_ value: String) -> Bool {
    !value.isEmpty && value.unicodeScalars.allSatisfy { $0.value > 0x20 && $0 != "\"" && $0 != "=" }
  }
}
