import Logging

/// Log lines for people.
///
///     2026-11-22T14:05:09.123Z info coordinator: round committed round=3 reported=8
///
/// Metadata comes sorted by name, quoted where it is not one plain word. Values whose name says that they are secret are
/// replaced (``LogRedaction``).
package struct TextLogHandler: LogHandler {
  package var metadata: Logger.Metadata = [:]
  package var metadataProvider: Logger.MetadataProvider?
  package var logLevel: Logger.Level = .info
  private let label: String
  private let now: @Sendable () -> LogTimestamp
  private let write: @Sendable (String) -> Void

  /// - Parameters:
  ///   - label: names the process.
  ///   - now: the clock.
  ///   - write: takes each line with its line feed, once.
  package init(
    label: String, now: @escaping @Sendable () -> LogTimestamp, write: @escaping @Sendable (String) -> Void
  ) {
    self.label = label
    self.now = now
    self.write = write
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    let values = all(of: event).sorted { $0.key < $1.key }.map { name, value in
      let text = LogRedaction.isDenied(name) ? LogRedaction.mark : "\(LogRedaction.redacted(value))"
      return " \(name)=\(Self.isPlain(text) ? text : JSONText.quoted(text))"
    }
    write("\(now()) \(event.level) \(label): \(event.message)\(values.joined())\n")
  }

  private static func isPlain(_ value: String) -> Bool {
    !value.isEmpty && value.unicodeScalars.allSatisfy { $0.value > 0x20 && $0 != "\"" && $0 != "=" }
  }
}

extension LogHandler {
  /// The metadata of an event: its own before the logger's, the logger's before the provider's.
  func all(of event: LogEvent) -> Logger.Metadata {
    var all = metadataProvider?.get() ?? [:]
    all.merge(metadata) { _, new in new }
    if let own = event.metadata { all.merge(own) { _, new in new } }
    if let error = event.error { all["error"] = "\(error)" }
    return all
  }
}
