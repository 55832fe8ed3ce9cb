import Federation
import Testing
import Training

@Suite struct DataDivisionTests {
  private static func table(_ count: Int) throws -> Dataset {
    try Dataset(
      features: (0..<count).map { Float($0) }, labels: (0..<count).map { Int32($0 % 4) }, featureCount: 1, classCount: 4
    )
  }

  @Test("Every example is in one part or held out, once", arguments: [1, 3, 8])
  func isComplete(parts: Int) throws {
    let division = try DataDivision(
      Self.table(400), parts: parts, partition: .dirichlet(alpha: 0.3), heldOut: .fraction(0.2), seed: 5)
    #expect(division.heldOut.count == 80)
    let all = (division.parts + [division.heldOut]).flatMap(\.features).sorted()
    #expect(all == (0..<400).map { Float($0) })
    #expect(division.parts.allSatisfy { $0.count >= DataDivision.partCountMin })
  }

  @Test("A small table leaves every part something")
  func isSmall() throws {
    let division = try DataDivision(
      Self.table(10), parts: 4, partition: .dirichlet(alpha: 0.1), heldOut: .fraction(0.2), seed: 5)
    #expect(division.parts.allSatisfy { $0.count >= 1 })
  }

  @Test("With copies every example is dealt that often, and what is held out stays held out")
  func copies() throws {
    let division = try DataDivision(
      Self.table(40), parts: 50, partition: .dirichlet(alpha: 100), heldOut: .fraction(0.25), copies: 3, seed: 5)
    let held = Set(division.heldOut.features)
    #expect(held.count == 10)
    let dealt = division.parts.flatMap(\.features).sorted()
    let once = (0..<40).map { Float($0) }.filter { !held.contains($0) }
    #expect(dealt == once.flatMap { [$0, $0, $0] })
    #expect(division.parts.allSatisfy { $0.count >= 1 })
  }

  @Test("Another seed gives another division, the same one the same")
  func isSeeded() throws {
    let a = try DataDivision(
      Self.table(400), parts: 4, partition: .dirichlet(alpha: 0.5), heldOut: .fraction(0.2), seed: 1)
    #expect(
      try a
        == DataDivision(Self.table(400), parts: 4, partition: .dirichlet(alpha: 0.5), heldOut: .fraction(0.2), seed: 1))
    #expect(
      try a
        != DataDivision(Self.table(400), parts: 4, partition: .dirichlet(alpha: 0.5), heldOut: .fraction(0.2), seed: 2))
  }
}
