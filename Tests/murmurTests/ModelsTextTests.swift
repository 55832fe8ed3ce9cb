import Federation
import ModelRegistry
import Testing
import Wire

@testable import murmur

/// What `murmur models` prints, from values.
@Suite struct ModelsTextTests {
  private static func digest(_ byte: UInt8) -> Digest { Digest(unchecked: [UInt8](repeating: byte, count: 32)) }

  private static func row(
    _ version: UInt8, from parent: UInt8?, aliases: [Alias] = [], accuracy: Double? = nil, retired: String? = nil
  ) -> VersionRow {
    let number = ModelVersion(UInt64(version))
    return VersionRow(
      model: ModelRow(name: "digits", version: number, digest: digest(version), aliases: aliases), run: "run",
      round: RoundNumber(UInt64(version)), createdAt: 0, parent: parent.map(digest),
      evaluation: accuracy.map { RoundRow.Evaluation(loss: 1 - $0, accuracy: $0) },
      retired: retired.map { RetiredVersion(model: "digits", version: number, digest: digest(version), reason: $0) },
      takenBack: nil)
  }

  /// 0 ◀── 1 ◀── 2 and 1 ◀── 3 ◀── 4.
  private static let family = [
    row(1, from: 0, accuracy: 0.5), row(0, from: nil), row(2, from: 1, retired: "poisoned"),
    row(3, from: 1, aliases: [.best]), row(4, from: 3, aliases: [.latest]),
  ]

  @Test("A lineage is a tree whose only children stay in their parent's column")
  func lineage() {
    #expect(
      LineageText.lines(Self.family, of: Self.digest(3)) == [
        "digits@0", "digits@1 accuracy 0.5000", "  digits@2, retired", "  digits@3 (best)  <-", "  digits@4 (latest)",
      ])
  }

  @Test("A lineage that begins behind version 0 begins where it does")
  func cut() {
    let rows = [Self.row(4, from: 3), Self.row(3, from: 2)]
    #expect(LineageText.lines(rows, of: Self.digest(4)) == ["digits@3", "digits@4  <-"])
  }

  @Test("The graph has a node a version and an edge from each parent")
  func graph() {
    let lines = LineageText.graph(Self.family).split(separator: "\n").map(String.init)
    #expect(lines.first == "digraph lineage {" && lines.last == "}")
    #expect(lines.contains("  \"020202020202\" [label=\"digits@2, retired\"];"))
    #expect(lines.filter { $0.contains("->") }.count == 4)
    #expect(lines.contains("  \"010101010101\" -> \"030303030303\";"))
  }

  @Test("A move of an alias says from where to where")
  func moves() {
    #expect(AliasMove(model: "digits", alias: .best, from: nil, to: 3).line == "digits@best: nowhere -> 3")
    #expect(AliasMove(model: "digits", alias: .best, from: 3, to: nil).line == "digits@best: 3 -> nowhere")
  }
}
