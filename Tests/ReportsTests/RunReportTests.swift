import Foundation
import Testing

@testable import Reports

@Suite("Reports of one run")
struct RunReportTests {
  private let files = RunReport(sampleHistory()).files

  private static let pictures = [
    "accuracy-by-round", "loss-by-round", "accuracy-by-time", "loss-by-time", "participation", "bytes", "phases",
    "organisations", "timeline",
  ]

  @Test("A report is a page, a picture for each question, and tables")
  func isComplete() {
    let expected =
      ["index.html"] + Self.pictures.map { "\($0).svg" } + ["rounds.csv", "organisations.csv", "outages.csv"]
    #expect(Set(files.map(\.name)) == Set(expected))
    #expect(files.count == expected.count)
  }

  @Test("The same history gives the same bytes")
  func isDeterministic() { #expect(RunReport(sampleHistory()).files == files) }

  @Test("Every picture is well-formed, names its axes and is in the page too", arguments: pictures)
  func isWellFormed(picture: String) throws {
    let text = try #require(files.text(of: "\(picture).svg"))
    let parsed = try #require(ParsedMarkup(text), "\(picture) is not XML")
    #expect(parsed.elements.first?.name == "svg")
    let labels = [
      "accuracy-by-round": ["model version (rounds committed)", "accuracy", "workers’ hold-outs", "1.0"],
      "loss-by-round": ["model version (rounds committed)", "loss", "0.8"],
      "accuracy-by-time": ["virtual time (s)", "accuracy", "10"], "loss-by-time": ["virtual time (s)", "loss"],
      "participation": ["round", "workers", "reported", "dropped out", "in abandoned attempts"],
      "bytes": ["round", "KiB", "up, to the coordinator", "down, to the workers"],
      "phases": ["round", "virtual time (s)", "selecting", "setup", "training, reporting", "unmasking"],
      "organisations": ["north", "south", "updates asked for, all attempts", "reported", "not reported"],
      "timeline": ["attempts", "coordinator", "worker-4", "worker-2", "process gone", "out of reach", "abandoned"],
    ]
    for label in try #require(labels[picture]) { #expect(parsed.texts.contains(label), "\(picture) lacks '\(label)'") }
    let page = try #require(files.text(of: "index.html"))
    #expect(page.contains("id=\"\(picture)\""))
  }

  @Test("The page is well-formed, needs nothing from elsewhere, and says what a reader of the run wants to know")
  func page() throws {
    let text = try #require(files.text(of: "index.html"))
    let page = try #require(ParsedMarkup(text), "the page is not XML")
    #expect(page.count("svg") == Self.pictures.count)
    #expect(page.count("script") + page.count("link") + page.count("img") == 0)
    #expect(page.attributes("src", of: "svg").isEmpty && !text.contains("url(") && !text.contains("@import"))
    for fact in [
      "Four <workers> & \"one\" fault.", "murmur simulate sample.yaml --seed 7", "sha256:00ff", "met",
      "at least 3 rounds commit", "0.9375", "abandoned: too few <left> & gone", "completed with version 3",
    ] {
      #expect(page.texts.contains(fact), "the page lacks '\(fact)'")
    }
  }

  @Test("A broken claim and an unmet expectation are told, and that the run is as expected is not")
  func failures() throws {
    var history = sampleHistory()
    history.expectations[0].isMet = false
    history.violations = ["both shares of worker-1"]
    let page = try #require(ParsedMarkup(RunReport(history).files.text(of: "index.html") ?? ""))
    #expect(page.texts.contains("Not as expected."))
    #expect(page.texts.contains("Broken: both shares of worker-1"))
    #expect(page.texts.contains("not met"))
    #expect(!page.texts.contains { $0.hasPrefix("All expectations are met") })
  }

  @Test("A version is there when the attempt that made it ended, whatever was abandoned before")
  func versionTimes() {
    let measured = sampleHistory().measured
    #expect(measured.map(\.version) == [0, 1, 2, 3])
    #expect(measured.map(\.seconds) == [0, 2, 6, 8])
    #expect(measured.map(\.bytes) == [0, 4000, 12_000, 16_000])
    #expect(sampleHistory().reaching(accuracy: 0.9)?.version == 2)
    #expect(sampleHistory().reaching(accuracy: 0.96) == nil)
  }

  @Test("A round counts what its abandoned attempts cost")
  func rounds() throws {
    let second = try #require(sampleHistory().rounds.first { $0.round == 2 })
    #expect(second.abandoned == 4)
    #expect(second.last.reported == 3)
    #expect(sampleHistory().rounds.map(\.round) == [1, 2, 3])
    let csv = try #require(files.text(of: "rounds.csv")).split(separator: "\n")
    #expect(csv.count == 6)
    #expect(csv[0].hasPrefix("round,attempt,outcome,cohort,reported,dropped,base version,loss,accuracy"))
    #expect(csv[2].hasPrefix("2,0,abandoned,4,2,2,1,,,"))
  }

  @Test("A run without what a picture needs has no such picture, and the page says so")
  func missing() throws {
    var history = sampleHistory()
    history.organisations = []
    for index in history.attempts.indices {
      history.attempts[index].phases = nil
      history.attempts[index].participation = []
      history.attempts[index].evaluation = nil
    }
    history.heldOut = nil
    let files = RunReport(history).files
    #expect(
      files.filter { $0.name.hasSuffix(".svg") }.map(\.name) == ["participation.svg", "bytes.svg", "timeline.svg"])
    let page = try #require(ParsedMarkup(files.text(of: "index.html") ?? ""))
    #expect(page.texts.contains("How long each phase took was not recorded."))
    #expect(page.texts.contains("No version was measured."))
  }

  @Test("A history of many rounds, parties and organisations stays a small report")
  func large() throws {
    var history = sampleHistory()
    history.organisations = (0..<5000).map { "organisation-\($0)" }
    history.attempts = (1...5000).map { round in
      var attempt = sampleHistory().attempts[0]
      (attempt.round, attempt.baseVersion, attempt.version) = (round, round - 1, round)
      (attempt.start, attempt.end) = (Double(round), Double(round) + 0.5)
      attempt.participation = [.init(organisation: round % 5000, selected: 1, reported: 1)]
      return attempt
    }
    (history.modelVersion, history.seconds) = (5000, 5001)
    history.outages = (0..<5000).map { .init(party: "worker-\($0)", kind: .crash, from: Double($0), to: nil) }
    let files = RunReport(history).files
    let participation = try #require(ParsedMarkup(files.text(of: "participation.svg") ?? ""))
    #expect(participation.texts.contains("round, means of 32"))
    #expect(participation.count("rect") < 200)
    let organisations = try #require(ParsedMarkup(files.text(of: "organisations.svg") ?? ""))
    #expect(organisations.texts.contains("Organisations by the number of their updates"))
    #expect(try #require(files.text(of: "index.html")).utf8.count < 2_000_000)
  }

  @Test("A history survives its JSON")
  func survivesJSON() throws {
    let history = sampleHistory()
    #expect(try JSONDecoder().decode(RunHistory.self, from: JSONEncoder().encode(history)) == history)
  }

  @Test("A table's cells with commas, quotes and line ends are quoted")
  func csv() {
    var table = DataTable("t", [.init(title: "a"), .init(title: "b")])
    table.append(["1,5", "say \"so\"\nnow"])
    #expect(table.csv == "a,b\n\"1,5\",\"say \"\"so\"\"\nnow\"\n")
  }

  @Test("Names at the ends of lines do not lie upon each other")
  func labelsApart() throws {
    let runs = (1...5).map { (label: "run \($0)", history: sampleHistory()) }
    let plot = try #require(ComparisonPlots(runs).quality(.accuracy, along: .round))
    let picture = try #require(ParsedMarkup(plot.file))
    let heights = picture.elements.filter { $0.name == "text" && $0.attributes["text-anchor"] == "start" }
      .compactMap { $0.attributes["y"].flatMap(Double.init) }.dropFirst().sorted()
    #expect(heights.count == 5)
    #expect(zip(heights, heights.dropFirst()).allSatisfy { $1 - $0 >= 12.9 })
  }
}
