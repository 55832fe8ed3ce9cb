import Federation
import Foundation
import Testing
import Training

/// The digits that the repository holds; pixels in 0…1.
func digits() throws -> Dataset {
  let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Simulations/Data/optdigits.csv").path
  return try CSVDataset.load(path: path, labelColumn: "digit", classCount: 10, divisor: 16)
}

@Suite("Data sets")
struct DatasetTests {
  private static func parse(_ text: String, label: String? = nil, classes: Int? = nil) throws(DatasetError) -> Dataset {
    try CSVDataset.parse(Array(text.utf8), file: "f.csv", labelColumn: label, classCount: classes)
  }

  @Test("The optical digits are 1,797 rows of 64 features in ten classes")
  func opticalDigits() throws {
    let dataset = try digits()
    #expect(dataset.count == 1_797)
    #expect(dataset.featureCount == 64)
    #expect(dataset.labelName == "digit")
    #expect(dataset.classCounts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    #expect(dataset.features.max() == 1)
  }

  @Test("Columns, line ends, blanks and the byte-order mark are read as people write them")
  func variants() throws {
    let expected = try Dataset(
      features: [1, -2.5, 3, 1e-3], labels: [1, 0], featureCount: 2, classCount: 2, featureNames: ["a", "b"],
      labelName: "y")
    #expect(try Self.parse("a,b,y\n1,-2.5,1\n3,1e-3,0\n") == expected)
    #expect(try Self.parse("\u{FEFF}a, b ,y\r\n1,-2.5,1\r\n +3 ,0.001,0\r\n\r\n\n") == expected)
    #expect(try Self.parse("y,a,b\n1,1,-2.5\n0,3,0.001", label: "y") == expected)
    #expect(try Self.parse("a,y\n1,1", classes: 5).classCount == 5)
  }

  @Test(
    "A file without a usable header is refused",
    arguments: [
      ("", nil, "an empty file", "a line of column names"),
      ("a\n1\n", nil, "one column", "at least one feature and a label"),
      ("1,2,3\n4,5,6\n", nil, "only numbers", "a line of column names"),
      ("a,a,b\n", nil, "two columns named a", "different names"),
      ("a,,b\n", nil, "column name ''", "a name"),
      ("\na,b\n", nil, "column name ''", "a name"),
      ("a,b\"c\n", nil, "a quote within 'b\"c'", "quotes around the whole cell"),
      ("a,\"b\nc\n", nil, "a quoted cell without an end", "a closing quote"),
      ("a,b\n1,2\n", "digit", "columns a,b", "a label column named digit"),
    ] as [(String, String?, String, String)])
  func badHeader(text: String, label: String?, found: String, expected: String) {
    #expect(throws: DatasetError.badHeader(file: "f.csv", found: found, expected: expected)) {
      try Self.parse(text, label: label)
    }
  }

  @Test(
    "A wrong row is named by line, column, what was found and what was expected",
    arguments: [
      ("a,y\n1,0\n1\n", 3, nil, "1 cells", "2 cells"),
      ("a,y\n1,0,\n", 2, nil, "3 cells", "2 cells"),
      ("a,y\nx,0\n", 2, "a", "'x'", "a finite number"),
      ("a,y\n,0\n", 2, "a", "''", "a finite number"),
      ("a,y\nnan,0\n", 2, "a", "'nan'", "a finite number"),
      ("a,y\n1e99,0\n", 2, "a", "'1e99'", "a finite number"),
      ("a,y\n0x10,0\n", 2, "a", "'0x10'", "a finite number"),
      ("a,y\n1,3\n", 2, "y", "'3'", "a class from 0 to 2"),
      ("a,y\n1,-1\n", 2, "y", "'-1'", "a class from 0 to 2"),
      ("a,y\n1,1.5\n", 2, "y", "'1.5'", "a class from 0 to 2"),
      ("a,y\n1,0\n\n1,0\n", 3, nil, "a blank line", "2 cells"),
      (
        "a,y\n" + String(repeating: "z", count: 50) + ",0\n", 2, "a", "'" + String(repeating: "z", count: 40) + "…'",
        "a finite number"
      ),
    ] as [(String, Int, String?, String, String)])
  func badRow(text: String, line: Int, column: String?, found: String, expected: String) {
    let problem = DatasetError.RowProblem(line: line, column: column, found: found, expected: expected)
    #expect(throws: DatasetError.badRows(file: "f.csv", problems: [problem], total: 1)) {
      try Self.parse(text, classes: 3)
    }
  }

  @Test("All wrong cells are counted, the first twenty are listed")
  func manyProblems() {
    let error = #expect(throws: DatasetError.self) {
      try Self.parse("a,b,y\n" + String(repeating: "x,y,0\n", count: 15))
    }
    guard case .badRows(_, let problems, let total) = error else {
      Issue.record("expected wrong rows")
      return
    }
    #expect(problems.count == 20 && total == 30)
    #expect(
      error?.description.hasSuffix("f.csv:11: column b: found 'y', expected a finite number\n… and 10 more") == true)
  }

  @Test("A missing file and one without examples are refused by name")
  func unreadable() {
    #expect(throws: DatasetError.unreadable(file: "/nowhere/x.csv", reason: "No such file or directory")) {
      try CSVDataset.load(path: "/nowhere/x.csv")
    }
    #expect(throws: DatasetError.noRows(file: "f.csv")) { try Self.parse("a,y\n") }
  }

  @Test("What is written is read back as the same examples")
  func writing() throws {
    let dataset = try Dataset(
      features: [1, -0.1, .leastNonzeroMagnitude, 16_777_216, 3e38, 0], labels: [2, 0, 1], featureCount: 2,
      classCount: 3)
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).csv").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try CSVDataset.write(dataset, to: path)
    #expect(try CSVDataset.load(path: path) == dataset)
    let text = String(decoding: CSVDataset.encode(dataset), as: UTF8.self)
    #expect(text.hasPrefix("x0,x1,label\n1,-0.1,2\n"))
    #expect(throws: DatasetError.unwritable(file: "/nowhere/x.csv", reason: "No such file or directory")) {
      try CSVDataset.write(dataset, to: "/nowhere/x.csv")
    }
  }

  @Test("Examples that do not belong together are refused")
  func inconsistent() {
    #expect(throws: DatasetError.self) { try Dataset(features: [1], labels: [0], featureCount: 2, classCount: 1) }
    #expect(throws: DatasetError.self) { try Dataset(features: [1], labels: [1], featureCount: 1, classCount: 1) }
    for targets in [
      Dataset.Targets.values([1, 2, 3], width: 2), .values([.nan, 0], width: 1), .values([], width: 0),
      .classes([0, 1, 0], classCount: 2, perExample: 2), .classes([0, 1, 0, 2], classCount: 2, perExample: 2),
    ] {
      #expect(throws: DatasetError.self) { try Dataset(features: [1, 2], targets: targets, featureCount: 1) }
    }
    #expect(throws: DatasetError.self) {
      try Dataset(features: [1], targets: .values([1, 2], width: 2), featureCount: 1, targetNames: ["a"])
    }
    #expect(throws: DatasetError.self) { try Dataset(features: [.nan], labels: [0], featureCount: 1, classCount: 1) }
  }

  @Test("A split keeps every example once, in order, and a seed gives one split")
  func split() throws {
    let dataset = try digits()
    let (training, holdOut) = try dataset.split(holdOut: 0.2, seed: 4)
    #expect(holdOut.count == 359 && training.count == 1_438)
    #expect(zip(training.classCounts, holdOut.classCounts).map(+) == dataset.classCounts)
    #expect(try dataset.split(holdOut: 0.2, seed: 4).training == training)
    #expect(try dataset.split(holdOut: 0.2, seed: 5).training != training)
    #expect(try dataset.split(holdOut: 0, seed: 4).training == dataset)
    #expect(throws: DatasetError.badFraction(1)) { try dataset.split(holdOut: 1, seed: 4) }
    #expect(throws: DatasetError.tooFewRows(found: 1, needed: 2)) {
      try dataset.subset([0]).split(holdOut: 0.9, seed: 4)
    }
  }

  @Test(
    "A Dirichlet partition deals out every example once and gives each part its minimum",
    arguments: [1, 5, 8, 40], [1e-3, 0.5, 1e3])
  func partition(parts: Int, alpha: Double) throws {
    let dataset = try digits()
    let minimum = 20
    let dealt = try dataset.partition(.dirichlet(alpha: alpha), parts: parts, minimum: minimum, seed: 9)
    #expect(dealt.count == parts)
    #expect(dealt.allSatisfy { $0.count >= minimum })
    // Each example by its bytes: as many of each as in the whole.
    func rows(_ d: Dataset) -> [[Float]] {
      (0..<d.count).map { Array(d.features[$0 * 64..<$0 * 64 + 64]) + [Float(d.labels[$0])] }
    }
    let all = dealt.flatMap(rows).sorted { $0.lexicographicallyPrecedes($1) }
    #expect(all == rows(dataset).sorted { $0.lexicographicallyPrecedes($1) })
    #expect(try dataset.partition(.dirichlet(alpha: alpha), parts: parts, minimum: minimum, seed: 9) == dealt)
  }

  @Test("Small α skews labels, large α does not, and the parts of a seed are fixed for ever")
  func skew() throws {
    let dataset = try digits()
    let even = try dataset.partition(.dirichlet(alpha: 1e4), parts: 4, seed: 1)
    #expect(even.allSatisfy { $0.classCounts.allSatisfy { (38...52).contains($0) } })
    let skewed = try dataset.partition(.dirichlet(alpha: 0.5), parts: 8, minimum: 30, seed: 1)
    #expect(skewed.contains { $0.classCounts.contains { $0 <= 2 } })
    #expect(skewed.map(\.count) == Self.recordedCounts)
    #expect(throws: DatasetError.tooFewRows(found: 1_797, needed: 1_800)) {
      try dataset.partition(.dirichlet(alpha: 1), parts: 18, minimum: 100, seed: 1)
    }
  }

  /// Of 8 parts, α 0.5, minimum 30, seed 1: machines must agree on who has which examples.
  static let recordedCounts = [237, 320, 263, 260, 134, 90, 176, 317]
}
