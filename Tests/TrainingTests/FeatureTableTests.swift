import Testing

@testable import Training

@Suite("Rows of features to predict from")
struct FeatureTableTests {
  private static func table(_ csv: String, label: String? = nil) throws(DatasetError) -> FeatureTable {
    try FeatureTable(csv: FileBytes(Array(csv.utf8)), file: "x.csv", label: label)
  }

  @Test(
    "A CSV file has a line of names or none, and the label's column is no feature",
    arguments: [
      ("1,2\n3,4\n", nil, [1, 2, 3, 4], nil), ("a,b\n1,2\n3,4\n", nil, [1, 2, 3, 4], nil),
      ("a,digit,b\n1,7,2\n3,8,4", "digit", [1, 2, 3, 4], [7, 8]),
      ("1.5,-2e3\r\n0,0\n\n\n", nil, [1.5, -2000, 0, 0], nil),
    ] as [(String, String?, [Float], [Float]?)])
  func reads(csv: String, label: String?, features: [Float], labels: [Float]?) throws {
    let table = try Self.table(csv, label: label)
    #expect(table == FeatureTable(features: features, featureCount: 2, labels: labels))
    #expect(table.count == 2)
  }

  @Test(
    "What is wrong with a CSV file is said with its place",
    arguments: [
      ("a,b\n1,x\n", nil, ["x.csv:2", "column b", "'x'"]), ("1,2\n3\n", nil, ["x.csv:2", "1 cells", "2 cells"]),
      ("1,2\n3,nan\n", nil, ["x.csv:2", "column 2", "finite"]), ("a,b\n1,2\n\n3,4\n", nil, ["x.csv:3", "blank"]),
      ("a,b\n1,2\n", "digit", ["columns a,b", "digit"]), ("1,2\n3,4\n", "digit", ["only numbers", "digit"]),
      ("digit\n1\n", "digit", ["a feature"]), ("a,b\n", nil, ["x.csv"]), ("", nil, ["x.csv"]),
    ] as [(String, String?, [String])])
  func refuses(csv: String, label: String?, pieces: [String]) {
    #expect {
      try Self.table(csv, label: label)
    } throws: { error in
      pieces.allSatisfy { "\(error)".contains($0) }
    }
  }
}
