import Observability
import Testing

@Suite("Families of metrics")
struct MetricFamilyTests {
  @Test("A family has so many series, then one for all others, and says how often")
  func bound() {
    let registry = MetricsRegistry()
    let family = registry.counter("murmur_seen_total", "Seen.", labels: ["model", "version"])
    for i in 0..<MetricFamilyLimits.seriesMax + 10 { family("digits", "\(i)").add() }
    family("digits", "0").add()
    let lines = registry.render(.text).split(separator: "\n")
    #expect(lines.count { $0.hasPrefix("murmur_seen_total{") } == MetricFamilyLimits.seriesMax + 1)
    #expect(lines.contains("murmur_seen_total{model=\"digits\",version=\"0\"} 2"))
    #expect(lines.contains("murmur_seen_total{model=\"other\",version=\"other\"} 10"))
    #expect(lines.contains("murmur_metric_series_overflows_total{metric=\"murmur_seen_total\"} 10"))
  }

  @Test("The same label values give the same handle")
  func identity() {
    let family = MetricsRegistry().counter("murmur_seen_total", "Seen.", labels: ["model"])
    #expect(family("a") === family("a"))
    #expect(family("a") !== family("b"))
  }

  @Test("A series that was removed is shown no more, and begins at 0 if it returns")
  func removal() {
    let registry = MetricsRegistry()
    let family = registry.counter("murmur_seen_total", "Seen.", labels: ["model", "version"])
    for (model, version) in [("a", "1"), ("a", "2"), ("a", "11"), ("aa", "1"), ("b\",version=\"1", "3")] {
      family(model, version).add()
    }
    family.removeAll(whereAll: [("model", "a"), ("version", "1")])
    family.remove("a", "2")
    let text = registry.render(.text)
    #expect(!text.contains("{model=\"a\",version=\"1\"}"))
    #expect(!text.contains("{model=\"a\",version=\"2\"}"))
    #expect(text.contains("{model=\"a\",version=\"11\"} 1"))
    #expect(text.contains("{model=\"aa\",version=\"1\"} 1"))
    #expect(text.contains("{model=\"b\\\",version=\\\"1\",version=\"3\"} 1"))
    #expect(family("a", "1").total == 0)
  }

  @Test("Too few label values end the program")
  func arity() async {
    await #expect(processExitsWith: .failure) {
      _ = MetricsRegistry().counter("murmur_seen_total", "Seen.", labels: ["model"])()
    }
  }

  @Test("A name that is taken ends the program")
  func taken() async {
    await #expect(processExitsWith: .failure) {
      let registry = MetricsRegistry()
      _ = registry.counter("murmur_seen_total", "Seen.")
      _ = registry.counter("murmur_seen_total", "Seen.")
    }
  }

  @Test("A name that breaks the rules ends the program")
  func forbidden() async {
    await #expect(processExitsWith: .failure) { _ = MetricsRegistry().gauge("seen", "Seen.") }
  }
}
