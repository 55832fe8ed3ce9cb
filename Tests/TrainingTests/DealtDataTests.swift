import Federation
import Foundation
import Testing
import Training

/// From a plan to what each worker reads in its own folder.
@Suite struct DealtDataTests {
  private static func table(_ folder: DataFolder, rows: Int) throws -> String {
    try folder.file("t.csv", Array(("a,b,y\n" + (0..<rows).map { "\($0),1,\($0 % 2)\n" }.joined()).utf8))
  }

  private static func deal(
    _ plan: DataPlan, parts: Int, features: Int, classes: Int? = nil
  ) throws(DatasetError) -> DealtData {
    try DealtData(plan, parts: parts, features: features, classCount: classes, model: "mlp 9-9")
  }

  /// What workers and the consumer read of what was written into their folders.
  private static func readBack(_ dealt: DealtData, in folder: DataFolder, classes: Int?) throws -> [Dataset] {
    let workers = dealt.parts.indices.map { "\(folder.path)/worker-\($0 + 1)" }
    let consumer = folder.path + "/consumer"
    for path in workers + [consumer] {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    try dealt.write(to: workers, shared: consumer)
    return try (workers.map { ($0, dealt.partFile) } + [(consumer, dealt.heldOutFile)]).map { home, file in
      var file = file
      file.path = "\(home)/\(file.path)"
      file.vocabularyFile = file.vocabularyFile.map { "\(home)/\($0)" }
      return try DatasetFile.load(file, classCount: classes)
    }
  }

  @Test("The first rows are dealt, the last are held out, and those between go to nobody")
  func lastRows() throws {
    let folder = try DataFolder()
    let file = ExampleFile(path: try Self.table(folder, rows: 100), label: "y")
    func split(_ heldOut: HoldOut) throws(DatasetError) -> (dealt: [Float], heldOut: [Float]) {
      let dealt = try Self.deal(DataPlan(examples: file, heldOut: heldOut), parts: 3, features: 2)
      func first(_ dataset: Dataset) -> [Float] { (0..<dataset.count).map { dataset.features[2 * $0] } }
      return (dealt.parts.flatMap(first).sorted(), first(dealt.heldOut))
    }
    let both = try split(.last(20, training: 70))
    #expect(both.dealt == (0..<70).map(Float.init) && both.heldOut == (80..<100).map(Float.init))
    let rest = try split(.last(20, training: nil))
    #expect(rest.dealt == (0..<80).map(Float.init) && rest.heldOut == both.heldOut)
    #expect(try split(.last(0, training: nil)).heldOut == [])
    for (heldOut, needed) in [
      (HoldOut.last(31, training: 70), 101), (.last(100, training: nil), 101), (.last(.max, training: .max), .max),
    ] {
      #expect(
        throws: DatasetError.badFile(file: file.path, found: "100 examples", expected: "at least \(needed)")
      ) { try split(heldOut) }
    }
  }

  @Test("What a worker reads in its folder is its part", arguments: [DataPartition.iid, .shards(perPart: 2)])
  func tables(partition: DataPartition) throws {
    let folder = try DataFolder()
    let file = ExampleFile(path: try Self.table(folder, rows: 100), label: "y")
    let plan = DataPlan(
      examples: file, normalisation: .computed(.standard, .feature), heldOut: .last(20, training: nil),
      partition: partition)
    let dealt = try Self.deal(plan, parts: 3, features: 2, classes: 2)
    #expect(try Self.readBack(dealt, in: folder, classes: 2) == dealt.parts + [dealt.heldOut])
    let statistics = try Normalisation.load(path: folder.path + "/consumer/normalisation.json")
    #expect(statistics.offsets == [39.5, 1])
    // The same by the file.
    let again = try Self.deal(
      DataPlan(
        examples: file, normalisation: .file(folder.path + "/consumer/normalisation.json"),
        heldOut: .last(20, training: nil), partition: partition), parts: 3, features: 2, classes: 2)
    #expect(again.parts == dealt.parts && again.heldOut == dealt.heldOut)
  }

  @Test("Values to predict reach the worker's folder")
  func values() throws {
    let folder = try DataFolder()
    let file = ExampleFile(path: try Self.table(folder, rows: 40), targets: ["y", "a"])
    let dealt = try Self.deal(DataPlan(examples: file, partition: .iid), parts: 2, features: 1)
    #expect(dealt.parts[0].targetNames == ["y", "a"])
    #expect(try Self.readBack(dealt, in: folder, classes: nil) == dealt.parts + [dealt.heldOut])
  }

  private static let scenes = (0..<60).map { "Role \($0 % 6):\nline \($0)\n\n" }.joined()

  @Test(
    "Speaking roles are workers, who number characters alike", arguments: [DataPartition.column("role"), .iid])
  func texts(partition: DataPartition) throws {
    let folder = try DataFolder()
    let path = try folder.file("play.txt", Array(Self.scenes.utf8))
    let plan = DataPlan(
      examples: ExampleFile(path: path, sequenceLength: 5), heldOut: .fraction(0.1), partition: partition)
    let dealt = try Self.deal(plan, parts: 6, features: 5, classes: 20)
    #expect(dealt.parts.allSatisfy { $0.vocabulary == dealt.parts[0].vocabulary && $0.count > 10 })
    #expect(try Self.readBack(dealt, in: folder, classes: nil) == dealt.parts + [dealt.heldOut])
    if partition.groupColumn != nil {
      #expect(dealt.parts.map { $0.groups?.names ?? [] } == (0..<6).map { ["Role \($0)"] })
      #expect(dealt.heldOut.groups?.names.count == 6)
    }
  }

  @Test("What a plan asks of other data is refused by name")
  func refusals() throws {
    let folder = try DataFolder()
    let play = try folder.file("play.txt", Array(Self.scenes.utf8))
    let table = try Self.table(folder, rows: 20)
    let narrow = try folder.file("v.json", Array(#"{"version": 1, "characters": "ab"}"#.utf8))
    func text(_ length: Int? = 5, vocabulary: String? = nil) -> ExampleFile {
      ExampleFile(path: play, sequenceLength: length, vocabularyFile: vocabulary)
    }
    let plans: [(DataPlan, Int, Int?, String)] = [
      (DataPlan(examples: ExampleFile(path: table, label: "y")), 9, nil, "found 2 features, expected 9 for 'mlp 9-9'"),
      (
        DataPlan(examples: ExampleFile(path: table, targets: ["y"])), 2, nil,
        "t.csv: found examples without one class each, expected a partition at random, by quantity or by column"
      ),
      (
        DataPlan(examples: ExampleFile(path: table, label: "y"), partition: .column("b")), 1, nil,
        "t.csv: found 1 groups in column b, expected at least 6, one a part"
      ),
      (DataPlan(examples: text(), partition: .iid), 9, nil, "found 5 features, expected 9 for 'mlp 9-9'"),
      (DataPlan(examples: text(nil), partition: .iid), 5, nil, "or a length of sequences"),
      (DataPlan(examples: text(), partition: .iid), 5, 10, "expected at most 10, the classes of the run"),
      (DataPlan(examples: text(vocabulary: narrow), partition: .iid), 5, nil, "play.txt:1: column 1: found 'R'"),
      (DataPlan(examples: text(), heldOut: .last(1, training: nil), partition: .iid), 5, nil, "expected a table"),
      (DataPlan(examples: text(), copies: 2, partition: .iid), 5, nil, "expected a table"),
      (DataPlan(examples: text(), partition: .shards(perPart: 1)), 5, nil, "whose passages have no classes"),
      (DataPlan(examples: text(400), partition: .column("role")), 400, nil, "play.txt: part 1: found"),
      (DataPlan(examples: ExampleFile(path: table, sequenceLength: 5)), 5, nil, "expected a text"),
    ]
    for (plan, features, classes, complaint) in plans {
      let error = #expect(throws: DatasetError.self) {
        try Self.deal(plan, parts: 6, features: features, classes: classes)
      }
      #expect(error?.description.contains(complaint) == true, "\(String(describing: error)), \(complaint)")
    }
  }
}
