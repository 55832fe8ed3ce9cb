import Logging
import Observability
import Synchronization
import Testing

@Suite("Log lines for people")
struct TextLogTests {
  private static func line(_ message: Logger.Message, _ metadata: Logger.Metadata) -> String {
    let lines = LinesBox()
    let logger = Logger(label: "coordinator") { label in
      LineLogHandler(.text, label: label, now: { LogTimestamp(milliseconds: 1_795_356_309_123) }) { lines.add($0) }
    }
    logger.notice(message, metadata: metadata)
    return lines.text
  }

  private final class LinesBox: Sendable {
    private let lines = Mutex("")
    func add(_ line: String) { lines.withLock { $0 += line } }
    var text: String { lines.withLock { $0 } }
  }

  @Test("Metadata is sorted, and quoted where it is not one plain word")
  func golden() {
    #expect(
      Self.line("round", ["round": "3", "reason": "too few\nworkers", "empty": "", "sum": "a=b"])
        == "2026-11-22T14:05:09.123Z notice coordinator: round empty=\"\" reason=\"too few\\nworkers\" round=3 "
        + "sum=\"a=b\"\n")
  }

  @Test("What is secret by its name is not said")
  func secrets() {
    let line = Self.line(
      "seen", ["api-key": "hunter2", "outer": ["token": "hunter2"], "list": [["secret": "hunter2"]]])
    #expect(!line.contains("hunter2"))
    #expect(line.contains("api-key=[redacted]"))
  }
}
