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
}
