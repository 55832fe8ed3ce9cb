import Testing

@testable import Reports

@Suite("Comparisons and sweeps")
struct ComparisonTests {
  private static let runs = [
    (label: "fast", history: sampleHistory()),
    (label: "slow", history: sampleHistory(name: "slow", accuracies: [0.1, 0.3, 0.5, 0.85])),
  ]

  @Test("The table says what the target cost each run, and who never reached it")
  func costs() {
    let report = ComparisonReport(Self.runs, target: 0.9)
    #expect(
      report.table.rows[0] == ["fast", "7", "0.9375", "0.1100", "3", "5", "10.00", "20000", "2", "6.00", "12000"])
    #expect(report.table.rows[1].suffix(3) == ["never", "never", "never"])
    #expect(report.table.columns.last?.title == "bytes to 0.9")
  }

  @Test("Without a target, it is the best that all reach")
  func commonTarget() {
    let report = ComparisonReport(Self.runs, target: nil)
    #expect(report.table.columns.last?.title == "bytes to 0.85")
    #expect(report.table.rows.map { $0[8] } == ["2", "3"])
  }

  @Test("Every picture has a line for each run, named")
  func pictures() throws {
    let files = ComparisonReport(Self.runs, target: nil).files
    let pictures = files.filter { $0.name.hasSuffix(".svg") }
    #expect(pictures.count == 9)
    for picture in pictures {
      let parsed = try #require(ParsedMarkup(picture.text), "\(picture.name) is not XML")
      #expect(parsed.texts.contains("fast") && parsed.texts.contains("slow"), "\(picture.name)")
      #expect(parsed.count("polyline") == 2, "\(picture.name)")
    }
    let page = try #require(ParsedMarkup(files.text(of: "index.html") ?? ""))
    #expect(page.texts.contains("murmur simulate sample.yaml --seed 7"))
  }

  private static func cell(_ values: [String], _ seed: UInt64, _ accuracy: Double) -> SweepReport.Cell {
    .init(
      values: values, seed: seed, accuracy: accuracy, loss: 1 - accuracy, rounds: 3, seconds: 2, bytes: 100,
      isAsExpected: accuracy > 0.5)
  }

  @Test("A row is mean and deviation over seeds, and the best row comes first")
  func sweepRows() {
    let report = SweepReport(
      scenario: "s", keys: ["lr"],
      cells: [
        Self.cell(["0.01"], 1, 0.4), Self.cell(["0.01"], 2, 0.6), Self.cell(["0.1"], 1, 0.9),
        Self.cell(["0.1"], 2, 0.9),
      ])
    #expect(report.rows.map(\.values) == [["0.1"], ["0.01"]])
    #expect(
      report.rows[1].accuracy.map { abs($0.mean - 0.5) < 1e-12 && abs($0.deviation - 0.141421356) < 1e-8 } == true)
    #expect(report.rows.map(\.asExpected) == [2, 1])
    #expect(report.lines[2][2] == "0.5000 ± 0.1414")
  }

  @Test("A ranking shows the best, and says of how many it leaves out the rest")
  func longRanking() throws {
    let cells = (1...90).map { Self.cell(["x\($0)"], 1, Double($0) / 100) }
    let picture = try #require(ParsedMarkup(SweepReport(scenario: "s", keys: ["name"], cells: cells).plot.file))
    #expect(picture.texts.contains("Accuracy of the last version, the best 60"))
    #expect(picture.texts.contains("name x90") && !picture.texts.contains("name x30"))
  }

  @Test(
    "One key of numbers is a curve, two keys are a heat map, anything else a ranking",
    arguments: [
      (["lr"], [["0.01"], ["1"]], "lr (logarithmic)", "polyline"),
      (["lr", "cohort"], [["0.1", "5"], ["0.1", "10"]], "cohort", "rect"),
      (["a.strategy"], [["fedavg"], ["krum"]], "strategy krum", "rect"),
      (["a", "b", "c"], [["1", "2", "3"], ["1", "2", "4"]], "a 1, b 2, c 4", "rect"),
    ] as [([String], [[String]], String, String)])
  func sweepPictures(keys: [String], values: [[String]], label: String, element: String) throws {
    let cells = values.enumerated().map { Self.cell($0.element, 1, 0.5 + 0.1 * Double($0.offset)) }
    let report = SweepReport(scenario: "s", keys: keys, cells: cells)
    let picture = try #require(ParsedMarkup(report.plot.file))
    #expect(picture.texts.contains(label), "\(picture.texts)")
    #expect(picture.count(element) >= 1)
    #expect(ParsedMarkup(report.files.text(of: "index.html") ?? "") != nil)
  }
}
