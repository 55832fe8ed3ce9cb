import Observability
import Testing

@Suite("Instruments")
struct InstrumentTests {
  private static let threads = 8
  private static let steps = 20_000

  @Test("What many threads add is all there")
  func concurrency() async {
    let registry = MetricsRegistry()
    let counters = registry.counter("murmur_steps_total", "Steps.", labels: ["kind"])
    let gauge = registry.gauge("murmur_level", "Level.")()
    let histogram = registry.histogram("murmur_rows", "Rows.", buckets: .rows)()
    await withTaskGroup(of: Void.self) { group in
      for thread in 0..<Self.threads {
        group.addTask {
          let counter = counters("even")
          for step in 0..<Self.steps {
            counter.add(2)
            gauge.add(step % 2 == 0 ? 1.5 : -0.5)
            // Halves add up without rounding.
            histogram.observe(Double(thread) + 0.5)
          }
        }
      }
    }
    let all = Self.threads * Self.steps
    #expect(counters("even").total == UInt64(2 * all))
    #expect(gauge.current == Double(all) / 2)
    let found = histogram.distribution
    #expect(found.counts.reduce(0, +) == UInt64(all))
    #expect(found.sum == (0..<Self.threads).reduce(0.0) { $0 + (Double($1) + 0.5) * Double(Self.steps) })
  }

  @Test("A registry is read while threads count and make series")
  func readWhileWritten() async {
    let registry = MetricsRegistry()
    let counters = registry.counter("murmur_steps_total", "Steps.", labels: ["kind"])
    await withTaskGroup(of: Void.self) { group in
      for thread in 0..<4 { group.addTask { for i in 0..<500 { counters("\(thread)-\(i % 50)").add() } } }
      group.addTask { for _ in 0..<50 { _ = registry.render(.openMetrics) } }
    }
    let samples = registry.render(.text).split(separator: "\n").filter { $0.hasPrefix("murmur_steps_total{") }
    #expect(samples.count == 200)
    #expect(samples.allSatisfy { $0.hasSuffix(" 10") })
  }

  @Test(
    "An observation falls into the first bucket that holds it",
    arguments: [(0, 0), (1, 0), (1.5, 1), (2, 1), (256, 8), (257, 9), (.infinity, 9), (.nan, 9), (-3, 0)]
      as [(Double, Int)])
  func buckets(_ value: Double, _ bucket: Int) {
    let histogram = Histogram(.rows)
    histogram.observe(value)
    #expect(histogram.distribution.counts.firstIndex(of: 1) == bucket)
  }

  @Test("Durations are observed in seconds")
  func durations() {
    let histogram = Histogram(.seconds)
    histogram.observe(.milliseconds(1500))
    #expect(histogram.distribution.sum == 1.5)
  }

  @Test(
    "Buckets of a histogram never fall, and the last holds everything",
    arguments: [HistogramBuckets.seconds, .roundSeconds, .rows, .powersOfTen])
  func cumulative(_ buckets: HistogramBuckets) throws {
    let registry = MetricsRegistry()
    let histogram = registry.histogram("murmur_any", "Any.", buckets: buckets)()
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<1000 { histogram.observe(Double.random(in: 0...300, using: &generator)) }
    let samples = registry.render(.text).split(separator: "\n").filter { $0.hasPrefix("murmur_any_bucket") }
    let counts = try samples.map { try #require(Int($0.split(separator: " ")[1])) }
    #expect(counts.count == buckets.bounds.count + 1)
    #expect(counts == counts.sorted())
    #expect(counts.last == 1000)
  }

  @Test("A bucket keeps the trace of its newest sampled observation, and no other")
  func exemplars() {
    let histogram = Histogram(.rows)
    func trace(_ digit: String, sampled: Bool) -> TraceContext? {
      TraceContext(
        traceparent: "00-\(String(repeating: digit, count: 32))-00f067aa0ba902b7-0\(sampled ? 1 : 0)")
    }
    histogram.observe(1, trace: trace("a", sampled: true), at: 1)
    histogram.observe(1, trace: trace("b", sampled: true), at: 2)
    histogram.observe(1, trace: trace("c", sampled: false), at: 3)
    histogram.observe(1, trace: nil, at: 4)
    let found = histogram.distribution
    #expect(found.counts[0] == 4)
    #expect(
      found.exemplars[0] == Exemplar(traceID: String(repeating: "b", count: 32), value: 1, unixSeconds: 2))
    #expect(found.exemplars.dropFirst().allSatisfy { $0 == nil })
  }

  @Test("Bounds that do not rise end the program")
  func badBounds() async {
    await #expect(processExitsWith: .failure) { _ = HistogramBuckets([1, 1]) }
  }
}
