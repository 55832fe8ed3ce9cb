import Foundation
import Logging
import Observability
import Synchronization
import Testing

@Suite("Log lines for programs")
struct JSONLogTests {
  /// What a logger writes, line by line.
  private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])

    var logger: Logger {
      var logger = Logger(label: "serving") { label in
        LineLogHandler(.json, label: label, now: { LogTimestamp(milliseconds: 1_795_356_309_123) }) { line in
          self.lines.withLock { $0.append(line) }
        }
      }
      logger.logLevel = .trace
      return logger
    }

    var all: [String] { lines.withLock { $0 } }
  }

  private static func object(_ line: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
  }

  @Test("A line, byte by byte")
  func golden() {
    let lines = Lines()
    lines.logger.info("round", metadata: ["run": "digits", "reported": "\(8)", "trace_id": "\(Self.trace)"])
    #expect(
      lines.all == [
        "{\"ts\":\"2026-11-22T14:05:09.123Z\",\"level\":\"info\",\"process\":\"serving\",\"msg\":\"round\","
          + "\"trace_id\":\"\(Self.trace)\",\"fields\":{\"reported\":\"8\",\"run\":\"digits\"}}\n"
      ])
  }

  private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"

  @Test("Every line is one object with the members that are promised", arguments: Logger.Level.allCases)
  func schema(_ level: Logger.Level) throws {
    let lines = Lines()
    var logger = lines.logger
    logger[metadataKey: "epoch"] = "7"
    let nasty = "a\"b\\c\nd\u{0}e\u{2028}f\u{1F426}\u{85}"
    logger.log(
      level: level, "\(nasty)", metadata: ["\(nasty)": "\(nasty)", "list": [["inner": "1"], "2"], "ts": "never"])
    let line = try #require(lines.all.first)
    #expect(line.count { $0.isNewline } == 1)
    let object = try Self.object(line)
    #expect(Set(object.keys) == ["ts", "level", "process", "msg", "fields"])
    #expect(object["ts"] as? String == "2026-11-22T14:05:09.123Z")
    #expect(object["level"] as? String == level.rawValue)
    #expect(object["msg"] as? String == nasty)
    let fields = try #require(object["fields"] as? [String: Any])
    #expect(fields[nasty] as? String == nasty)
    #expect(fields["epoch"] as? String == "7")
    #expect(fields["ts"] as? String == "never")
    let list = try #require(fields["list"] as? [Any])
    #expect((list[0] as? [String: String]) == ["inner": "1"])
    #expect(list[1] as? String == "2")
  }

  @Test("Without metadata there is no member for it; a trace that is none is an ordinary value")
  func optionalMembers() throws {
    let lines = Lines()
    lines.logger.info("plain")
    lines.logger.info("bad", metadata: ["trace_id": "\"},{\""])
    #expect(Set(try Self.object(lines.all[0]).keys) == ["ts", "level", "process", "msg"])
    let bad = try Self.object(lines.all[1])
    #expect(bad["trace_id"] == nil)
    #expect((bad["fields"] as? [String: String]) == ["trace_id": "\"},{\""])
  }

  @Test(
    "What is secret by its name is not said, however deep it is",
    arguments: [
      "secret", "sharedSecret", "token", "access_token", "key", "api-key", "Authorization", "PASSWORD", "passphrase",
      "credentials",
    ])
  func secrets(_ name: String) throws {
    let lines = Lines()
    var logger = lines.logger
    logger[metadataKey: name] = "hunter2"
    logger.warning("seen", metadata: ["outer": [["\(name)": ["hunter2"]]], "user": "ada"])
    let line = try #require(lines.all.first)
    #expect(!line.contains("hunter2"))
    let fields = try #require(try Self.object(line)["fields"] as? [String: Any])
    #expect(fields[name] as? String == LogRedaction.mark)
    #expect(fields["user"] as? String == "ada")
  }

  @Test("A line has a bound, and says when something did not fit")
  func bounds() throws {
    let lines = Lines()
    let long = String(repeating: "ä", count: JSONLogLine.valueBytesMax)
    lines.logger.info("\(long)", metadata: ["value": "\(long)"])
    lines.logger.info(
      "many", metadata: Dictionary(uniqueKeysWithValues: (0..<200).map { ("m\($0)", "\($0)") }))
    lines.logger.info(
      "too much", metadata: Dictionary(uniqueKeysWithValues: (0..<20).map { ("m\($0)", "\(long)") }))
    lines.logger.info("deep", metadata: ["a": [[[[[["b": "c"]]]]]]])
    lines.logger.info("control", metadata: ["c": "\(String(repeating: "\u{1}", count: 5000))"])
    for line in lines.all {
      #expect(line.utf8.count <= JSONLogLine.lineBytesMax + 1)
      #expect(try Self.object(line)["truncated"] as? Bool == true)
    }
    let first = try Self.object(lines.all[0])
    #expect((first["msg"] as? String)?.utf8.count == JSONLogLine.valueBytesMax)
    #expect((try Self.object(lines.all[1])["fields"] as? [String: Any])?.count == JSONLogLine.membersMax)
    #expect(try Self.object(lines.all[2])["fields"] == nil)
  }

  @Test(
    "Moments are written in UTC",
    arguments: [
      (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
      (4_107_542_399_999, "2100-02-28T23:59:59.999Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
      (1_798_761_599_999, "2026-12-31T23:59:59.999Z"), (-1, "1969-12-31T23:59:59.999Z"),
      (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
    ] as [(Int64, String)])
  func timestamps(_ milliseconds: Int64, _ text: String) {
    #expect(LogTimestamp(milliseconds: milliseconds).description == text)
  }

  @Test("Moments agree with Foundation's calendar")
  func calendar() {
    let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    for step in 0..<2000 {
      let milliseconds = Int64(step) * 86_399_000 * 31 + 500
      let date = Date(timeIntervalSince1970: Double(milliseconds) / 1000)
      #expect(LogTimestamp(milliseconds: milliseconds).description == date.formatted(style))
    }
  }
}
