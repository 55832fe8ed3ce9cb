import Federation
import Testing
import Training

/// CSV as RFC 4180 has it; `DatasetTests` has what holds for cells without quotes.
@Suite struct CSVTests {
  private static func parse(_ text: String, group: String? = nil) throws(DatasetError) -> Dataset {
    try CSVDataset.parse(Array(text.utf8), file: "f.csv", labelColumn: "y", groupColumn: group)
  }

  @Test(
    "Quotes around cells do not count",
    arguments: [
      "a,\"b, c\",y\n1,2,0\n3,4,1\n", "a,\"b, c\",y\r\n\"1\",\"2\",\"0\"\r\n3,4,\"1\"",
      "\"a\", \"b, c\" ,y\n1,2,0\n 3 , \"4\" ,1\n",
    ])
  func quotes(text: String) throws {
    let dataset = try Self.parse(text)
    #expect(dataset.featureNames == ["a", "b, c"])
    #expect(dataset.features == [1, 2, 3, 4])
    #expect(dataset.labels == [0, 1])
  }

  @Test("Commas, doubled quotes and line ends belong to a quoted cell")
  func embedded() throws {
    let dataset = try Self.parse(
      "ward,x,y\n\"A, \"\"north\"\"\",1,0\n\"B\nwest\",2,1\n\"B\nwest\",3,1\n", group: "ward")
    #expect(dataset.groups?.names == ["A, \"north\"", "B\nwest"])
    #expect(dataset.groups?.indices == [0, 1, 1])
    #expect(dataset.featureNames == ["x"])
    #expect(dataset.features == [1, 2, 3])
  }

  @Test(
    "A wrong cell is on the line where it begins, whatever line ends stand in cells before it",
    arguments: [
      ("ward,x,y\n\"a\nb\",1,0\nc,two,0\n", 4, "x", "'two'", "a finite number"),
      ("ward,x,y\n\"a\nb\",two,0\n", 3, "x", "'two'", "a finite number"),
      ("ward,x,y\r\n\"a\r\nb\",1,0\r\nc,1\r\n", 4, nil, "2 cells", "3 cells"),
      ("ward,x,y\n\"a\",1,0\n\"c\"d,1,0\n", 3, nil, "text behind a closing quote", "a comma or the end of the line"),
      ("ward,x,y\na\"b,1,0\n", 2, nil, "a quote within 'a\"b'", "quotes around the whole cell"),
      ("ward,x,y\na,1,0\n\"c,1,0\n", 3, nil, "a quoted cell without an end", "a closing quote"),
      ("ward,x,y\n,1,0\n", 2, "ward", "''", "the name of a group"),
    ] as [(String, Int, String?, String, String)])
  func wrongPlaces(text: String, line: Int, column: String?, found: String, expected: String) {
    let problem = DatasetError.RowProblem(line: line, column: column, found: found, expected: expected)
    #expect(throws: DatasetError.badRows(file: "f.csv", problems: [problem], total: 1)) {
      try Self.parse(text, group: "ward")
    }
  }

  @Test("Columns that are missing, taken twice or the only ones are refused")
  func wrongColumns() {
    #expect(
      throws: DatasetError.badHeader(
        file: "f.csv", found: "columns a,y", expected: "a group column named ward")
    ) { try Self.parse("a,y\n", group: "ward") }
    #expect(
      throws: DatasetError.badHeader(
        file: "f.csv", found: "column y as label and as group", expected: "different columns")
    ) { try Self.parse("a,y\n", group: "y") }
    #expect(
      throws: DatasetError.badHeader(
        file: "f.csv", found: "no feature", expected: "at least one beside label and group")
    ) { try Self.parse("a,y\n", group: "a") }
  }

  @Test("Names with commas and quotes are written so that they read back")
  func names() throws {
    let dataset = try Dataset(
      features: [1, 2, 3], labels: [0], featureCount: 3, classCount: 1, featureNames: ["a,b", "say \"c\"", "d\ne"],
      labelName: "y")
    let bytes = CSVDataset.encode(dataset)
    #expect(try CSVDataset.parse(bytes, file: "f.csv") == dataset)
  }

  private static func regression(_ text: String, _ targets: [String]) throws(DatasetError) -> Dataset {
    try CSVDataset.parse(Array(text.utf8), file: "f.csv", targetColumns: targets, groupColumn: nil)
  }

  @Test("Columns of values to predict are read in the order in which they are named, beside features and groups")
  func targets() throws {
    let text = "price,a,ward,rent,b\n-1.5,1,n,2,3\n4,5,s,1e-3,6\n"
    let dataset = try CSVDataset.parse(
      Array(text.utf8), file: "f.csv", targetColumns: ["rent", "price"], groupColumn: "ward", divisor: 2)
    #expect(dataset.targets == .values([2, -1.5, 1e-3, 4], width: 2))
    #expect(dataset.targetNames == ["rent", "price"] && dataset.featureNames == ["a", "b"])
    #expect(dataset.features == [0.5, 1.5, 2.5, 3])
    #expect(dataset.groups?.names == ["n", "s"])
    #expect(dataset.labels.isEmpty && dataset.classCount == 0 && dataset.count == 2)
    let last = dataset.subset([1])
    #expect(last.targets == .values([1e-3, 4], width: 2) && last.features == [2.5, 3])
  }

  @Test("Values to predict are written so that they read back")
  func targetsWritten() throws {
    let dataset = try Dataset(
      features: [1, 2, 3, 4], targets: .values([0.1, -7, .leastNonzeroMagnitude, 3e38], width: 2), featureCount: 2,
      targetNames: ["u", "v"])
    #expect(try CSVDataset.parse(CSVDataset.encode(dataset), file: "f", targetColumns: ["u", "v"]) == dataset)
  }

  @Test("Wrong values and columns to predict are refused by name")
  func wrongTargets() {
    let problem = DatasetError.RowProblem(line: 3, column: "v", found: "'x'", expected: "a finite number")
    #expect(throws: DatasetError.badRows(file: "f.csv", problems: [problem], total: 1)) {
      try Self.regression("a,v\n1,2\n1,x\n", ["v"])
    }
    for (targets, found, expected) in [
      (["w"], "columns a,v", "a target column named w"), (["a", "v"], "no feature", "at least one beside"),
      (["v", "v"], "column v as target and as target", "different columns"), ([""], "columns a,v", "a target column"),
    ] {
      let error = #expect(throws: DatasetError.self) { try Self.regression("a,v\n1,2\n", targets) }
      #expect(
        error?.description.contains("found \(found), expected \(expected)") == true, "\(String(describing: error))")
    }
    #expect(throws: DatasetError.noRows(file: "f.csv")) { try Self.regression("a,v\n", ["v"]) }
  }

  @Test("Values are dealt at random or by groups, not by class, and held out at random")
  func targetsDealt() throws {
    let text = "a,v\n" + (0..<40).map { "\($0),\($0)\n" }.joined()
    let dataset = try Self.regression(text, ["v"])
    #expect(throws: DatasetError.noClasses) { try dataset.partition(.standard, parts: 2, seed: 1) }
    let division = try DataDivision(dataset, parts: 3, partition: .iid, heldOut: .fraction(0.25), seed: 1)
    #expect(division.heldOut.count == 10)
    for part in division.parts + [division.heldOut] { #expect(part.targets == .values(part.features, width: 1)) }
    #expect(division.heldOut.features != (30..<40).map(Float.init))
  }
}
