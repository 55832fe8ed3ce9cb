import Federation
import Testing
import Training

/// What every way to deal examples out promises, over seeds; and what each of them is for.
@Suite struct PartitionerTests {
  /// Example i has feature i; `classes` classes in turn, and wards of 1, 2, 3 … examples.
  private static func table(_ count: Int, classes: Int = 5) throws -> Dataset {
    var text = "ward,x,y\n"
    var (ward, left) = (1, 1)
    for i in 0..<count {
      if left == 0 { (ward, left) = (ward + 1, ward + 1) }
      left -= 1
      text += "w\(ward),\(i),\(i % classes)\n"
    }
    return try CSVDataset.parse(Array(text.utf8), file: "f.csv", labelColumn: "y", groupColumn: "ward")
  }

  private static let all: [DataPartition] = [
    .iid, .dirichlet(alpha: 0.1), .dirichlet(alpha: 10), .shards(perPart: 1), .shards(perPart: 2),
    .quantity(alpha: 0.1), .quantity(alpha: 10), .column("ward"),
  ]

  @Test(
    "Every example is in exactly one part, in order; each part has its minimum; a seed gives one deal",
    arguments: all, [1, 2, 7])
  func promises(partition: DataPartition, parts: Int) throws {
    let table = try Self.table(153)
    for seed in UInt64(0)..<20 {
      let minimum = partition.groupColumn == nil ? Int(seed) % 22 : 1
      let dealt = try table.partition(partition, parts: parts, minimum: minimum, seed: seed)
      #expect(dealt.count == parts)
      #expect(dealt.flatMap(\.features).sorted() == table.features)
      #expect(dealt.allSatisfy { $0.count >= minimum })
      #expect(dealt.allSatisfy { $0.features == $0.features.sorted() })
      #expect(dealt.allSatisfy { zip($0.features, $0.labels).allSatisfy { Int32($0) % 5 == $1 } })
      #expect(try table.partition(partition, parts: parts, minimum: minimum, seed: seed) == dealt)
    }
  }

  @Test("Another seed gives another deal", arguments: all.dropLast())
  func seeds(partition: DataPartition) throws {
    let table = try Self.table(153)
    #expect(
      try table.partition(partition, parts: 4, seed: 1) != table.partition(partition, parts: 4, seed: 2))
  }

  @Test("Parts at random have sizes that differ by at most one", arguments: 1...60)
  func evenSizes(parts: Int) throws {
    let sizes = try Self.table(153).partition(.iid, parts: parts, seed: 3).map(\.count)
    #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
  }

  @Test("Parts at random have the labels of the whole")
  func iid() throws {
    let table = try Self.table(1_003)
    let dealt = try table.partition(.iid, parts: 4, seed: 3)
    #expect(dealt.allSatisfy { (250...251).contains($0.count) })
    #expect(dealt.allSatisfy { $0.labelSkew(against: table.classCounts) < 0.1 })
  }

  @Test("Two shards a part are at most four classes, and as many examples as everybody's", arguments: 0..<10)
  func shards(seed: UInt64) throws {
    let table = try Self.table(1_000, classes: 10)
    let dealt = try table.partition(.shards(perPart: 2), parts: 10, seed: seed)
    #expect(dealt.allSatisfy { $0.count == 100 })
    // 20 shards of 50 out of classes of 100: no shard has two classes.
    #expect(dealt.allSatisfy { $0.classCounts.count { $0 > 0 } <= 2 })
  }

  @Test("Quantity skew changes sizes and not labels")
  func quantity() throws {
    let table = try Self.table(20_000)
    let skewed = try table.partition(.quantity(alpha: 0.3), parts: 10, seed: 4).map(\.count)
    let even = try table.partition(.quantity(alpha: 1e4), parts: 10, seed: 4).map(\.count)
    #expect((skewed.max() ?? 0) > 5 * (skewed.min() ?? 0))
    #expect(even.allSatisfy { (1_800...2_200).contains($0) })
    let large = try table.partition(.quantity(alpha: 0.3), parts: 10, seed: 4).filter { $0.count > 1_000 }
    #expect(large.allSatisfy { $0.labelSkew(against: table.classCounts) < 0.1 })
  }

  @Test("Parts by a column have whole groups, balanced, in the order of their names")
  func natural() throws {
    let table = try Self.table(153)  // Wards 1 to 17.
    let dealt = try table.partition(.column("ward"), parts: 5, seed: 1)
    let groups = dealt.map { Set($0.groups?.indices ?? []) }
    #expect(groups.map(\.count).reduce(0, +) == 17)
    #expect(groups.dropFirst().reduce(groups[0]) { $0.union($1) }.count == 17)
    #expect(dealt.allSatisfy { (28...34).contains($0.count) })
    let firsts = groups.map { $0.min() ?? .max }
    #expect(firsts == firsts.sorted())
    let one = try table.partition(.column("ward"), parts: 17, seed: 1)
    let names = one.map { part in part.groups.map { $0.names[Int($0.indices[0])] } }
    #expect(names == (1...17).map { "w\($0)" }.sorted())
  }

  @Test("What cannot be dealt is refused by name")
  func refusals() throws {
    let table = try Self.table(153)
    func refusal(_ partition: DataPartition, _ parts: Int, _ minimum: Int) -> DatasetError? {
      do throws(DatasetError) {
        _ = try table.partition(partition, parts: parts, minimum: minimum, seed: 1)
        return nil
      } catch {
        return error
      }
    }
    for partition in Self.all.dropLast() {
      #expect(refusal(partition, 8, 20) == .tooFewRows(found: 153, needed: 160))
      #expect(refusal(partition, .max, 2) == .tooFewRows(found: 153, needed: .max))
    }
    #expect(refusal(.shards(perPart: 8), 20, 0) == .tooFewRows(found: 153, needed: 160))
    #expect(refusal(.column("ward"), 18, 1) == .tooFewGroups(column: "ward", found: 17, needed: 18))
    #expect(refusal(.column("ward"), 17, 2) == .smallPart(part: 1, found: 1, needed: 2))
    #expect(refusal(.column("town"), 2, 1) == .noGroups(column: "town"))
  }

  @Test("Tiny parameters, whose shares all round to nothing, still deal everything out")
  func underflow() throws {
    let table = try Self.table(100)
    for partition in [DataPartition.dirichlet(alpha: 1e-300), .quantity(alpha: 1e-300)] {
      let dealt = try table.partition(partition, parts: 3, minimum: 5, seed: 1)
      #expect(dealt.map(\.count).reduce(0, +) == 100)
      #expect(dealt.allSatisfy { $0.count >= 5 })
    }
  }

  @Test("Skew is 0 for the same shares, 1 for no class in common, and between them otherwise")
  func skew() throws {
    let table = try Dataset(features: [0, 0, 0, 0], labels: [0, 0, 1, 1], featureCount: 1, classCount: 3)
    #expect(table.labelSkew(against: [5, 5, 0]) == 0)
    #expect(table.labelSkew(against: [0, 0, 9]) == 1)
    #expect(table.labelSkew(against: [4, 0, 0]) == 0.5)
    #expect(table.subset([]).labelSkew(against: [1, 1, 1]) == 0)
  }
}
