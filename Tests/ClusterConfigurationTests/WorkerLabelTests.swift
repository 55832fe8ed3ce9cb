import ClusterConfiguration
import Federation
import Testing

@Suite("Labels of workers, and runs that ask for them")
struct WorkerLabelTests {
  private static let worker = "data: {file: data.csv, label: digit}\n"

  @Test("A worker's labels and a run's are read alike; without the keys there are none, and a run weighs 1")
  func reads() throws {
    let labels = "{site: north, gpu: \"yes\"}"
    let expected = try #require(WorkerLabels([.init("gpu", "yes"), .init("site", "north")]))
    #expect(try WorkerConfiguration.read(file(Self.worker + "labels: \(labels)", named: "w.yaml")).labels == expected)
    let asking = shortRun + "\n  labels: \(labels)\n  minimum-threads: 2\nweight: 5"
    let run = try RunConfiguration.read(file(asking))
    #expect(run.cohort.labels == expected)
    #expect(run.cohort.minimumThreads == 2 && run.weight == 5)
    let plain = try RunConfiguration.read(file(shortRun))
    #expect(plain.cohort.labels.isEmpty && plain.cohort.minimumThreads == 0 && plain.weight == 1)
    #expect(try WorkerConfiguration.read(file(Self.worker, named: "w.yaml")).labels.isEmpty)
  }

  @Test(
    "Labels that are no short texts, or too many, are refused with their key",
    arguments: [
      ("north", "found \"north\""), ("{gpu: true}", "found \"gpu\": true"), ("{rack: 7}", "found \"rack\": 7"),
      ("{site: \"\"}", "found \"site\""), ("{site: \(String(repeating: "x", count: 65))}", "found \"site\""),
      ("{\((1...17).map { "k\($0): v" }.joined(separator: ", "))}", "found 17 labels"),
    ])
  func refuses(_ text: String, _ found: String) throws {
    let error = try #require(throws: ConfigurationError.self) {
      try WorkerConfiguration.read(file(Self.worker + "labels: \(text)", named: "w.yaml"))
    }
    #expect(error.description.hasPrefix("w.yaml:2: key 'labels': \(found)"), "\(error)")
  }

  @Test("A run's labels are among a worker's, or the worker does not suit it")
  func contains() throws {
    let worker = try #require(WorkerLabels([.init("gpu", "yes"), .init("site", "north")]))
    #expect(worker.contains(WorkerLabels()))
    #expect(worker.contains(try #require(WorkerLabels([.init("site", "north")]))))
    #expect(!worker.contains(try #require(WorkerLabels([.init("site", "south")]))))
    #expect(!WorkerLabels().contains(worker))
    #expect(WorkerLabels([.init("a", "1"), .init("a", "2")]) == nil)
    #expect(WorkerLabels([.init("a", "line\nfeed")]) == nil)
  }
}
