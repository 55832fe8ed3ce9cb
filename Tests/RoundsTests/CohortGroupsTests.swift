import Federation
import Rounds
import Testing

@Suite("Groups of a cohort")
struct CohortGroupsTests {
  private static func organisations(_ sizes: [Int]) -> [OrganisationID] {
    sizes.enumerated().flatMap { index, size in
      Array(repeating: OrganisationID(unchecked: "org-\(index)"), count: size)
    }
  }

  private static func groups(_ sizes: [Int], into count: Int, seed: UInt64 = 1) -> [[Int]] {
    var choices = SeededGenerator(seed: seed, stream: "test")
    return CohortGroups.divide(organisations(sizes), into: count, using: &choices)
  }

  @Test("Every worker is in one group, sizes are within one of each other, and so are the parts of every organisation")
  func partition() {
    var choices = SeededGenerator(seed: 5, stream: "cohorts")
    for seed in 0..<200 {
      let sizes = (0..<Int.random(in: 1...40, using: &choices)).map { _ in Int.random(in: 1...5, using: &choices) }
      let count = Int.random(in: 3...12, using: &choices)
      let groups = Self.groups(sizes, into: count, seed: UInt64(seed)), organisations = Self.organisations(sizes)
      #expect(groups.count == count)
      #expect(groups.flatMap { $0 }.sorted() == Array(organisations.indices))
      #expect(groups.allSatisfy { $0 == $0.sorted() })
      let counts = groups.map(\.count)
      #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1)
      for organisation in Set(organisations) {
        let parts = groups.map { group in group.count { organisations[$0] == organisation } }
        #expect((parts.max() ?? 0) - (parts.min() ?? 0) <= 1)
      }
    }
  }

  @Test("A seed draws the same groups again, another seed others, and no worker is bound to one of them")
  func seeded() {
    let sizes = Array(repeating: 1, count: 20)
    #expect(Self.groups(sizes, into: 5, seed: 3) == Self.groups(sizes, into: 5, seed: 3))
    let drawn = (0..<200).map { Self.groups(sizes, into: 5, seed: $0) }
    #expect(Set(drawn).count == 200)
    let meetings = drawn.count { groups in groups.contains { $0.contains(0) && $0.contains(1) } }
    // Two of 20 are in one of five groups of four with a chance of 3/19: about 32 of 200.
    #expect((15...55).contains(meetings))
  }

  @Test("Fewer workers than groups leave groups empty")
  func few() {
    #expect(Self.groups([1, 1], into: 4).map(\.count).sorted() == [0, 0, 1, 1])
  }

  @Test("The weakest group is one of the smallest, and of these the one with the largest share of an organisation")
  func weakest() {
    #expect(CohortGroups.weakest(of: Self.organisations(Array(repeating: 1, count: 17)), into: 3).count == 5)
    let shared = CohortGroups.weakest(of: Self.organisations([4, 1, 1, 1, 1, 1]), into: 3)
    #expect(shared.count == 3)
    #expect(shared.count { $0 == OrganisationID(unchecked: "org-0") } == 2)
  }
}
