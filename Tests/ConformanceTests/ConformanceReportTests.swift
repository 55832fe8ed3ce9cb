import Conformance
import Foundation
import Testing

enum CommittedVectors {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../Protocols/vectors").standardized
  static let names = [
    "sa1-vectors", "sa1-messages", "sa1-encoder", "sa1-thresholds", "sa1-graph", "sa1-refused",
  ]

  static func path(_ name: String) -> String { folder.appending(path: name + ".json").path }

  /// Runs `body` on the path of a file with this content, and removes it.
  static func withFile<R>(_ content: Data, _ body: (String) throws -> R) throws -> R {
    let path = FileManager.default.temporaryDirectory.appending(path: "conformance-\(UUID().uuidString).json")
    try content.write(to: path)
    defer { try? FileManager.default.removeItem(at: path) }
    return try body(path.path)
  }
}

@Suite("Conformance with the committed vectors")
struct ConformanceReportTests {
  @Test(
    "Every value of every committed file agrees",
    arguments: zip(CommittedVectors.names, [7, 4, 21, 269, 2, 122]))
  func agrees(_ name: String, _ caseCount: Int) throws {
    let report = try ConformanceReport.check(file: CommittedVectors.path(name))
    #expect(report.failures == [])
    #expect(report.caseCount == caseCount)
    #expect(report.passed >= caseCount)
  }

  /// Fields that are compared, one of each kind of file, and what a flipped digit in the first of them must cause.
  @Test(
    "A file with one changed digit is reported as failing",
    arguments: [
      ("sa1-vectors", "\"rosterDigest\": \""), ("sa1-vectors", "\"selfMaskKey\": \""),
      ("sa1-vectors", "\"masked\": [\n    "), ("sa1-messages", "\"bundleBody\":\""),
      ("sa1-messages", "\"agree\":{\"signed\":\""), ("sa1-messages", "\"auxiliarySum\":["),
      ("sa1-encoder", "\"quantised\":["), ("sa1-encoder", "\"roundingKey\":\""), ("sa1-thresholds", "\"quorum\":"),
      ("sa1-graph", "\"permutationDigest\":\""), ("sa1-refused", "\"signature\":\""),
    ])
  func noticesChange(_ name: String, _ marker: String) throws {
    var text = try String(contentsOfFile: CommittedVectors.path(name), encoding: .utf8)
    let marked = try #require(text.range(of: marker))
    let digits = text[marked.upperBound...]
    let position = try #require(digits.firstIndex { $0.isHexDigit })
    let digit = text[position]
    text.replaceSubrange(position...position, with: digit == "7" ? "6" : "7")
    let report = try CommittedVectors.withFile(Data(text.utf8)) { try ConformanceReport.check(file: $0) }
    #expect(report.failed > 0)
    #expect(report.passed > 0)
  }

  @Test("One case alone, without the list around it, is read too")
  func singleCase() throws {
    let data = try Data(contentsOf: URL(filePath: CommittedVectors.path("sa1-vectors")))
    let root = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let first = try #require((root["cases"] as? [Any])?.first)
    let report = try CommittedVectors.withFile(JSONSerialization.data(withJSONObject: first)) {
      try ConformanceReport.check(file: $0)
    }
    #expect(report.caseCount == 1)
    #expect(report.failures == [])
  }

  @Test(
    "A file that is no vector file is an error that names it and the reason",
    arguments: [
      ("{", "is not JSON"), ("", "is not JSON"), ("[1, 2]", "expected an object, found a list"),
      ("{\"cases\": []}", "holds no cases"), ("{\"cases\": [{\"name\": \"x\"}]}", "of no known kind"),
      ("{\"protocol\": \"other\", \"cases\": [{}]}", "expected murmuration/sa1, found other"),
      ("{\"cases\": [{\"vectorID\": 0, \"n\": -1}]}", "cases[0].n: expected 1…10000, found -1"),
      ("{\"cases\": [{\"lambda2\": 0}]}", "cases[0]: has no field n"),
      ("{\"cases\": [{\"refuse\": null, \"kind\": \"new\"}]}", "cases[0].kind: new is no check of this specification"),
    ])
  func malformed(_ content: String, _ reason: String) throws {
    try CommittedVectors.withFile(Data(content.utf8)) { path in
      do throws(ConformanceError) {
        let report = try ConformanceReport.check(file: path)
        Issue.record("accepted: \(report.passed) passed")
      } catch {
        #expect(error.description.contains(path))
        #expect(error.description.contains(reason), "\(error)")
      }
    }
  }

  @Test("Inputs of a salt that was not given are counted as unchecked, and nothing else differs")
  func otherSalt() throws {
    let path = CommittedVectors.path("sa1-encoder")
    let other = try ConformanceReport.check(file: path, salt: "other/")
    #expect(other.failures == [] && other.unchecked > 50)
    #expect(try ConformanceReport.check(file: path).unchecked == 0)
  }

  @Test("A case that names its own salt is checked with that one")
  func ownSalt() throws {
    let text = try String(contentsOfFile: CommittedVectors.path("sa1-encoder"), encoding: .utf8)
      .replacing("{\"length\":", with: "{\"salt\":\"\",\"length\":")
    let report = try CommittedVectors.withFile(Data(text.utf8)) {
      try ConformanceReport.check(file: $0, salt: "other/")
    }
    #expect(report.failures == [] && report.unchecked == 0)
  }

  @Test("A file that is not there is an error that names it")
  func absent() {
    #expect {
      try ConformanceReport.check(file: "/nonexistent/sa1.json")
    } throws: { error in
      "\(error)".contains("/nonexistent/sa1.json: cannot be read")
    }
  }
}
