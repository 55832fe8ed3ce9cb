import Foundation
import Testing

/// The threat model names tests: they have to exist.
@Suite struct ThreatModelTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// The names of all tests, with what a line break inside them joins.
  private static func testNames() throws -> String {
    let tests = root.appending(path: "Tests")
    let files = FileManager.default.enumerator(atPath: tests.path)?.compactMap { $0 as? String } ?? []
    return try files.filter { $0.hasSuffix(".swift") }
      .map { try String(contentsOf: tests.appending(path: $0), encoding: .utf8) }.joined(separator: "\n")
  }

  @Test("Every test that the threat model names exists, and every guarantee names one")
  func testsExist() throws {
    let page = try String(contentsOf: Self.root.appending(path: "Protocols/threat-model.md"), encoding: .utf8)
      .replacing("\n", with: " ")
    let names = page.matches(of: /"([A-Z][^"]+)"/).map { String($0.1) }
    let all = try Self.testNames()
    #expect(names.count > 20)
    for name in names { #expect(all.contains("\"\(name)\""), "no test \"\(name)\"") }
    let guarantees = page.matches(of: /\| G[0-9]+ \|/).count
    #expect(guarantees == 18)
  }
}
