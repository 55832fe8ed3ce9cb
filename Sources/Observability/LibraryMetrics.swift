import Metrics
import Synchronization

/// What libraries measure through swift-metrics, in a registry beside our own.
///
/// Labels become names with the prefix `murmur_library_`, the suffix of their kind and, for timers, seconds. Dimensions
/// become labels, except those that would tell parties or requests apart, which are left out. Libraries choose names while
/// the process runs: at most ``familiesMax`` are kept, and a counter tells how often one was refused.
package final class LibraryMetrics: MetricsFactory {
  package static let familiesMax = 256
  private static let sampleSuffixes = ["_total", "_info", "_count", "_sum", "_bucket", "_created"]

  private struct Family {
    let kind: MetricDescription.Kind
    var series: [MetricLabels: any MetricInstrument] = [:]
  }

  private let families = Mutex<[String: Family]>([:])
  private let refused: Counter

  package init(_ registry: MetricsRegistry) {
    refused = registry.counter(
      "murmur_library_metrics_refused_total",
      "How often a library asked for a metric that there is no room for, or of another kind than before.")()
    registry.register([]) { [weak self] in self?.readings ?? [] }
  }

  private var readings: [MetricsRegistry.Reading] {
    families.withLock { $0 }.map { name, family in
      let values = family.series.sorted { $0.key < $1.key }.map { (labels: $0.key, value: $0.value.value) }
      let description = MetricDescription(name, family.kind, "Measured by a library through swift-metrics.")
      return MetricsRegistry.Reading(description, values)
    }
  }

  // MARK: MetricsFactory

  package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    LibraryCounter(instrument(label, "_total", .counter, dimensions) { Counter() })
  }

  package func makeRecorder(
    label: String, dimensions: [(String, String)], aggregate: Bool
  ) -> any RecorderHandler {
    aggregate
      ? LibraryRecorder(instrument(label, "_distribution", .histogram, dimensions) { Histogram(.powersOfTen) })
      : LibraryMeter(instrument(label, "", .gauge, dimensions) { Gauge() })
  }

  package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    LibraryMeter(instrument(label, "", .gauge, dimensions) { Gauge() })
  }

  package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    LibraryTimer(instrument(label, "_seconds", .histogram, dimensions) { Histogram(.seconds) })
  }

  // A series stays when its last user is gone: another one of the same name goes on where it was.
  package func destroyCounter(_ handler: any CounterHandler) {}
  package func destroyMeter(_ handler: any MeterHandler) {}
  package func destroyRecorder(_ handler: any RecorderHandler) {}
  package func destroyTimer(_ handler: any TimerHandler) {}

  // MARK: Series

  private func instrument<Instrument: MetricInstrument>(
    _ label: String, _ suffix: String, _ kind: MetricDescription.Kind, _ dimensions: [(String, String)],
    make: () -> Instrument
  ) -> Instrument {
    let name = Self.name(label, suffix), labels = Self.labels(dimensions)
    let kept: Instrument? = families.withLock { families in
      guard families[name] != nil || families.count < Self.familiesMax else { return nil }
      var family = families[name] ?? Family(kind: kind)
      guard family.kind == kind else { return nil }
      if let known = family.series[labels] as? Instrument { return known }
      guard family.series.count < MetricFamilyLimits.seriesMax else { return nil }
      let instrument = make()
      family.series[labels] = instrument
      families[name] = family
      return instrument
    }
    guard let kept else {
      refused.add()
      return make()  // Counts where nobody looks: a library must not fail because of its metrics.
    }
    return kept
  }

  /// `NIO.Connections-Open` and `_total` give `murmur_library_nio_connections_open_total`.
  package static func name(_ label: String, _ suffix: String) -> String {
    var words = MetricRules.sanitised(label).split(separator: "_").joined(separator: "_")
    while let found = sampleSuffixes.first(where: words.hasSuffix) { words.removeLast(found.count) }
    let isSaid = !suffix.isEmpty && words.hasSuffix(suffix)
    return MetricRules.libraryPrefix + (words.isEmpty ? "unnamed" : words) + (isSaid ? "" : suffix)
  }

  static func labels(_ dimensions: [(String, String)]) -> MetricLabels {
    var pairs: [String: String] = [:]
    for (key, value) in dimensions {
      let label = MetricRules.sanitised(key)
      let isUsable = !label.isEmpty && !label.hasPrefix("_") && label != "le"
      if isUsable, !MetricRules.isPrivate(label) { pairs[label] = value }
    }
    return MetricLabels(pairs.sorted { $0.key < $1.key })
  }
}

private final class LibraryCounter: CounterHandler {
  private let counter: Counter

  init(_ counter: Counter) { self.counter = counter }

  func increment(by amount: Int64) { counter.add(UInt64(max(0, amount))) }

  /// A counter that goes back is a process that began anew, which it is not.
  func reset() {}
}

private final class LibraryRecorder: RecorderHandler {
  private let histogram: Histogram

  init(_ histogram: Histogram) { self.histogram = histogram }

  func record(_ value: Int64) { histogram.observe(Double(value)) }
  func record(_ value: Double) { histogram.observe(value) }
}

private final class LibraryMeter: MeterHandler, RecorderHandler {
  private let gauge: Gauge

  init(_ gauge: Gauge) { self.gauge = gauge }

  func set(_ value: Int64) { gauge.set(value) }
  func set(_ value: Double) { gauge.set(value) }
  func increment(by amount: Double) { gauge.add(amount) }
  func decrement(by amount: Double) { gauge.add(-amount) }
  func record(_ value: Int64) { gauge.set(value) }
  func record(_ value: Double) { gauge.set(value) }
}

private final class LibraryTimer: TimerHandler {
  private let histogram: Histogram

  init(_ histogram: Histogram) { self.histogram = histogram }

  func recordNanoseconds(_ duration: Int64) { histogram.observe(Double(duration) * 1e-9) }
}
