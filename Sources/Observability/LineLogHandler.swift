import Logging

/// Writes each event of a log as one line, for programs or for people.
package struct LineLogHandler: LogHandler {
  package enum Form: Hashable, Sendable {
    case json
    case text
  }

  package var metadata: Logger.Metadata = [:]
  package var metadataProvider: Logger.MetadataProvider?
  package var logLevel: Logger.Level = .info
  private let form: Form
  private let label: String
  private let now: @Sendable () -> LogTimestamp
  private let write: @Sendable (String) -> Void

  /// - Parameters:
  ///   - label: names the process.
  ///   - now: the clock.
  ///   - write: takes each line with its line feed, once.
  package init(
    _ form: Form, label: String, now: @escaping @Sendable () -> LogTimestamp,
    write: @escaping @Sendable (String) -> Void
  ) {
    self.form = form
    self.label = label
    self.now = now
    self.write = write
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    let all = all(of: event)
    let line =
      switch form {
      case .json: JSONLogLine.text(of: event, all, label: label, at: now())
      case .text: TextLogLine.text(of: event, all, label: label, at: now())
      }
    write(line + "\n")
  }

  /// The metadata of an event: its own before the logger's, the logger's before the provider's.
  private func all(of event: LogEvent) -> Logger.Metadata {
    var all = metadataProvider?.get() ?? [:]
    all.merge(metadata) { _, new in new }
    if let own = event.metadata { all.merge(own) { _, new in new } }
    if let error = event.error { all["error"] = "\(error)" }
    return all
  }
}
