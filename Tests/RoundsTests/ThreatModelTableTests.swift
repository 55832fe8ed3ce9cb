import Foundation
import Federation
import Rounds
import SecureAggregation
import Testing

struct ThreatModelTableTests {
  @Test("The table of the threat model is what the code computes")
  func table() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = try String(contentsOf: root.appending(path: "Protocols/threat-model.md"), encoding: .utf8)
    let rows = page.split(separator: "\n").map {
      $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    .filter { $0.count == 6 && Int($0[0]) != nil }
    #expect(rows.count >= 15)
    for row in rows {
      let n = try #require(Int(row[0]))
      let organisations = (0..<n).map { OrganisationID(unchecked: "o\($0)") }
      let bound = Thresholds.corruptionBound(organisations)
      let threshold = Thresholds.threshold(rosterCount: n, corruptionBound: bound, mode: .malicious)
      var expected = ["\(n)", "\(bound)", "\(threshold)"]
      if let found = try? Thresholds.compute(organisations: organisations, mode: .malicious, policy: CohortPolicy()) {
        expected += [
          "\(found.smallestSurvivorSet)", "\(found.toleratedDropouts)", "\(found.smallestSurvivorSet - bound)",
        ]
      } else {
        expected += ["refused", "–", "–"]
      }
      #expect(row == expected)
    }
  }
}
