import Observability
import Testing

@Suite("Exposition")
struct ExpositionTests {
  /// A registry with one family of each kind, and values that need escaping.
  private static func example() -> MetricsRegistry {
    let registry = MetricsRegistry()
    let pulls = registry.counter("murmur_pulls_total", "Pulls of a \"model\",\nby name: a\\b.", labels: ["model"])
    pulls("di\"gi\\ts\n").add(3)
    pulls("cnn").add()
    registry.gauge("murmur_temperature_ratio", "A part of one.")().set(0.25)
    _ = registry.info("murmur_model_version_info", "What is served.", labels: ["model", "version"])("digits", "7")
    let seconds = registry.histogram(
      "murmur_wait_seconds", "How long.", labels: ["phase"], buckets: HistogramBuckets([0.5, 1, 2.5]))("closing")
    for value in [0.25, 0.5, 0.75, 8] { seconds.observe(value) }
    let trace = TraceContext(traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    seconds.observe(2, trace: trace, at: 1_520_879_607.5)
    return registry
  }

  @Test("The text format, byte by byte")
  func text() {
    #expect(
      Self.example().render(.text) == #"""
        # HELP murmur_model_version_info What is served.
        # TYPE murmur_model_version_info gauge
        murmur_model_version_info{model="digits",version="7"} 1.0
        # HELP murmur_pulls_total Pulls of a "model",\nby name: a\\b.
        # TYPE murmur_pulls_total counter
        murmur_pulls_total{model="cnn"} 1
        murmur_pulls_total{model="di\"gi\\ts\n"} 3
        # HELP murmur_temperature_ratio A part of one.
        # TYPE murmur_temperature_ratio gauge
        murmur_temperature_ratio 0.25
        # HELP murmur_wait_seconds How long.
        # TYPE murmur_wait_seconds histogram
        murmur_wait_seconds_bucket{phase="closing",le="0.5"} 2
        murmur_wait_seconds_bucket{phase="closing",le="1.0"} 3
        murmur_wait_seconds_bucket{phase="closing",le="2.5"} 4
        murmur_wait_seconds_bucket{phase="closing",le="+Inf"} 5
        murmur_wait_seconds_sum{phase="closing"} 11.5
        murmur_wait_seconds_count{phase="closing"} 5

        """#)
  }

  @Test("OpenMetrics, byte by byte")
  func openMetrics() {
    #expect(
      Self.example().render(.openMetrics) == #"""
        # TYPE murmur_model_version info
        # HELP murmur_model_version What is served.
        murmur_model_version_info{model="digits",version="7"} 1.0
        # TYPE murmur_pulls counter
        # HELP murmur_pulls Pulls of a \"model\",\nby name: a\\b.
        murmur_pulls_total{model="cnn"} 1
        murmur_pulls_total{model="di\"gi\\ts\n"} 3
        # TYPE murmur_temperature_ratio gauge
        # UNIT murmur_temperature_ratio ratio
        # HELP murmur_temperature_ratio A part of one.
        murmur_temperature_ratio 0.25
        # TYPE murmur_wait_seconds histogram
        # UNIT murmur_wait_seconds seconds
        # HELP murmur_wait_seconds How long.
        murmur_wait_seconds_bucket{phase="closing",le="0.5"} 2
        murmur_wait_seconds_bucket{phase="closing",le="1.0"} 3
        murmur_wait_seconds_bucket{phase="closing",le="2.5"} 4 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 2.0 1520879607.5
        murmur_wait_seconds_bucket{phase="closing",le="+Inf"} 5
        murmur_wait_seconds_sum{phase="closing"} 11.5
        murmur_wait_seconds_count{phase="closing"} 5
        # EOF

        """#)
  }

  @Test(
    "Numbers that are none are written as Prometheus reads them",
    arguments: [
      (Double.nan, "NaN"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (0.000_05, "5e-05"), (-2, "-2.0"),
      (1e21, "1e+21"),
    ])
  func numbers(_ value: Double, _ text: String) {
    let registry = MetricsRegistry()
    registry.gauge("murmur_number", "Any.")().set(value)
    #expect(registry.render(.text).hasSuffix("\nmurmur_number \(text)\n"))
  }

  @Test("A family without a series is left out, one without labels says 0 at once")
  func empty() {
    let registry = MetricsRegistry()
    _ = registry.counter("murmur_nothing_total", "Nothing.", labels: ["model"])
    _ = registry.counter("murmur_zero_total", "Zero.")
    #expect(
      registry.render(.text)
        == "# HELP murmur_zero_total Zero.\n# TYPE murmur_zero_total counter\nmurmur_zero_total 0\n")
  }

  @Test("The formats name themselves")
  func contentTypes() {
    #expect(Exposition.text.contentType == "text/plain; version=0.0.4; charset=utf-8")
    #expect(Exposition.openMetrics.contentType == "application/openmetrics-text; version=1.0.0; charset=utf-8")
  }

  @Test(
    "OpenMetrics goes to who asks for it, the text format to everybody else",
    arguments: [
      (nil, .text), ("", .text), ("*/*", .text), ("text/html", .text), ("text/plain", .text),
      ("application/openmetrics-text", .openMetrics), ("Application/OpenMetrics-Text; Version=\"1.0.0\"", .openMetrics),
      ("application/openmetrics-text;version=0.0.1", .text),
      ("application/openmetrics-text;version=1.0.0;q=0", .text),
      ("application/openmetrics-text;q=nonsense", .text),
      ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.5", .text),
      // Prometheus 2.42.
      (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
          + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openMetrics
      ),
      (String(repeating: "a/b,", count: 100) + "application/openmetrics-text", .text),
    ] as [(String?, Exposition)])
  func negotiation(_ accept: String?, _ format: Exposition) { #expect(Exposition.format(accept: accept) == format) }
}
