import Foundation
import Observability
import Testing

/// What `Cluster/observability` asks Prometheus, against the catalogue.
@Suite("Queries of dashboards and alerts")
struct DeployedQueriesTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Cluster/observability")

  static let files = [
    "alerts.yml", "alerts_test.yml", "grafana/dashboards/federation.json", "grafana/dashboards/serving.json",
  ]

  private static let catalogue: [MetricDescription] = {
    let serving = MetricsRegistry(), coordinator = MetricsRegistry()
    _ = ServingMetrics(in: serving)
    _ = LinkMetrics(in: serving)
    _ = LibraryMetrics(serving)
    ProcessMetrics.register(in: serving) { nil }
    _ = CoordinatorMetrics(in: coordinator)
    return serving.descriptions + coordinator.descriptions
  }()

  /// Names that a query may use: samples of histograms have their own.
  private static let known = Set(
    catalogue.flatMap { description in
      description.kind == .histogram
        ? ["_bucket", "_sum", "_count"].map { description.name + $0 } : [description.name]
    })

  private static func names(in file: String) throws -> Set<String> {
    let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
    return Set(text.matches(of: /\b(?:murmur|process)_[a-z0-9_]+/).map { String($0.output) })
  }

  @Test("They use metrics of the catalogue and no others", arguments: files)
  func useCatalogue(_ file: String) throws {
    let names = try Self.names(in: file)
    #expect(names.count >= 10)
    #expect(names.subtracting(Self.known).sorted() == [])
  }

  @Test("Every metric of ours is on a dashboard or in an alert, or has a reason not to be")
  func coverCatalogue() throws {
    let used = try Self.files.reduce(into: Set<String>()) { $0.formUnion(try Self.names(in: $1)) }
    let unused = Self.known.filter { !used.contains($0) }
    // Means and quantiles need two samples of three; the process' others are for people who look closer.
    let excused: Set<String> = [
      "murmur_library_metrics_refused_total", "process_open_fds", "process_start_time_seconds",
    ]
    let isSampled = unused.filter { name in !["_sum", "_count", "_bucket"].contains { name.hasSuffix($0) } }
    #expect(isSampled.subtracting(excused).sorted() == [])
  }

  @Test("The page beside them describes every metric as it describes itself")
  func documented() throws {
    let page = try String(contentsOf: Self.folder.appending(path: "README.md"), encoding: .utf8)
    let lines = Set(page.split(separator: "\n").map(String.init))
    let missing = Self.catalogue.map { description in
      let labels = description.labels.isEmpty ? "" : " " + description.labels.joined(separator: ", ")
      return "| `\(description.name)` | \(description.kind) |\(labels) | \(description.help) |"
    }.filter { !lines.contains($0) }
    #expect(missing == [])
  }

  @Test("The page names what is not written into logs")
  func redaction() throws {
    let page = try String(contentsOf: Self.folder.appending(path: "README.md"), encoding: .utf8)
    for part in LogRedaction.deniedParts { #expect(page.contains("*\(part)*")) }
  }
}
