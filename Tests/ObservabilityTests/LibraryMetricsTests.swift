import Metrics
import Observability
import Testing

@Suite("Metrics of libraries")
struct LibraryMetricsTests {
  @Test(
    "Labels of libraries become names of ours",
    arguments: [
      ("NIO.Connections-Open", "_total", "murmur_library_nio_connections_open_total"),
      ("requests_total", "_total", "murmur_library_requests_total"),
      ("wait_seconds", "_seconds", "murmur_library_wait_seconds"), ("a..b", "", "murmur_library_a_b"),
      ("rows_count", "", "murmur_library_rows"), ("", "", "murmur_library_unnamed"),
      ("ärger", "", "murmur_library_rger"), ("404", "", "murmur_library_404"),
    ])
  func names(_ label: String, _ suffix: String, _ name: String) {
    #expect(LibraryMetrics.name(label, suffix) == name)
  }

  @Test("Each kind shows as what it is")
  func kinds() {
    let registry = MetricsRegistry()
    let factory = LibraryMetrics(registry)
    Metrics.Counter(label: "http.requests", dimensions: [("code", "200")], factory: factory).increment(by: 2)
    Metrics.Gauge(label: "pool.size", factory: factory).record(3.5)
    Metrics.Meter(label: "pool.free", factory: factory).set(2)
    Metrics.Timer(label: "pool.wait", factory: factory).recordMilliseconds(20)
    Metrics.Recorder(label: "pool.batch", factory: factory).record(12.5)
    Metrics.FloatingPointCounter(label: "pool.work", factory: factory).increment(by: 2.5)
    let lines = registry.render(.text).split(separator: "\n")
    for line in [
      "# TYPE murmur_library_http_requests_total counter", "murmur_library_http_requests_total{code=\"200\"} 2",
      "murmur_library_pool_size 3.5", "murmur_library_pool_free 2.0",
      "murmur_library_pool_wait_seconds_bucket{le=\"0.025\"} 1", "murmur_library_pool_wait_seconds_sum 0.02",
      "murmur_library_pool_batch_distribution_bucket{le=\"100.0\"} 1", "murmur_library_pool_work_total 2",
    ] { #expect(lines.contains(Substring(line))) }
  }

  @Test("Dimensions that name parties, and those that are no labels, are left out")
  func dimensions() {
    let registry = MetricsRegistry()
    let factory = LibraryMetrics(registry)
    let dimensions = [("peer.address", "10.0.0.7"), ("Code", "200"), ("le", "1"), ("__name__", "x"), ("user", "ada")]
    Metrics.Counter(label: "calls", dimensions: dimensions, factory: factory).increment()
    let text = registry.render(.text)
    #expect(text.contains("murmur_library_calls_total{code=\"200\"} 1\n"))
    #expect(!text.contains("10.0.0.7"))
    #expect(!text.contains("ada"))
  }

  @Test("Two handlers of one label count together; one of another kind counts nowhere, and that is counted")
  func conflicts() {
    let registry = MetricsRegistry()
    let factory = LibraryMetrics(registry)
    for _ in 0..<2 { Metrics.Counter(label: "calls", factory: factory).increment() }
    Metrics.Gauge(label: "wait_seconds", factory: factory).record(1)
    Metrics.Timer(label: "wait_seconds", factory: factory).recordSeconds(1)
    let lines = registry.render(.text).split(separator: "\n")
    #expect(lines.contains("murmur_library_calls_total 2"))
    #expect(lines.contains("murmur_library_wait_seconds 1.0"))
    #expect(lines.contains("murmur_library_metrics_refused_total 1"))
    #expect(lines.count { $0 == "# TYPE murmur_library_wait_seconds gauge" } == 1)
  }

  @Test("Libraries have a bound, too")
  func bound() {
    let registry = MetricsRegistry()
    let factory = LibraryMetrics(registry)
    for i in 0..<LibraryMetrics.familiesMax + 5 { Metrics.Counter(label: "c\(i)", factory: factory).increment() }
    for i in 0..<MetricFamilyLimits.seriesMax + 7 {
      Metrics.Counter(label: "c0", dimensions: [("n", "\(i)")], factory: factory).increment()
    }
    let lines = registry.render(.text).split(separator: "\n")
    #expect(lines.count { $0.hasPrefix("# TYPE murmur_library_c") } == LibraryMetrics.familiesMax)
    // One series of c0 was there already.
    #expect(lines.contains("murmur_library_metrics_refused_total \(5 + 8)"))
  }
}
