import Synchronization

/// The metrics of one process: families are registered once, by their owners, and read whenever somebody asks.
package final class MetricsRegistry: Sendable {
  /// One reading of a family that is not kept here.
  package struct Reading: Sendable {
    package let description: MetricDescription
    package let values: [(labels: MetricLabels, value: MetricValue)]

    package init(_ description: MetricDescription, _ values: [(labels: MetricLabels, value: MetricValue)]) {
      self.description = description
      self.values = values
    }
  }

  private struct Contents {
    var descriptions: [String: MetricDescription] = [:]
    var readings: [@Sendable () -> [Reading]] = []
  }

  private let contents = Mutex(Contents())
  private let overflows: MetricFamily<Counter>

  package init() {
    let description = MetricDescription(
      "murmur_metric_series_overflows_total", .counter,
      "How often a series of a metric that has too many was asked for and counted as 'other'.", labels: ["metric"])
    let overflows = MetricFamily(description, overflows: nil) { Counter() }
    self.overflows = overflows
    add([description]) { [Reading(description, overflows.values)] }
  }

  package func counter(_ name: String, _ help: String, labels: [String] = []) -> MetricFamily<Counter> {
    register(MetricDescription(name, .counter, help, labels: labels)) { Counter() }
  }

  package func gauge(_ name: String, _ help: String, labels: [String] = []) -> MetricFamily<Gauge> {
    register(MetricDescription(name, .gauge, help, labels: labels)) { Gauge() }
  }

  /// A series of an info says 1 from when it is asked for until it is removed.
  package func info(_ name: String, _ help: String, labels: [String]) -> MetricFamily<Gauge> {
    register(MetricDescription(name, .info, help, labels: labels)) { Gauge(1) }
  }

  package func histogram(
    _ name: String, _ help: String, labels: [String] = [], buckets: HistogramBuckets
  ) -> MetricFamily<Histogram> {
    register(MetricDescription(name, .histogram, help, labels: labels)) { Histogram(buckets) }
  }

  /// Registers a family. A name that breaks the rules or is taken is a programmer's error.
  package func register<Instrument: MetricInstrument>(
    _ description: MetricDescription, make: @escaping @Sendable () -> Instrument
  ) -> MetricFamily<Instrument> {
    let family = MetricFamily(description, overflows: overflows, make: make)
    add([description]) { [Reading(family.description, family.values)] }
    return family
  }

  /// Registers families that are read from elsewhere, whenever somebody asks.
  package func register(_ descriptions: [MetricDescription], reading: @escaping @Sendable () -> [Reading]) {
    add(descriptions, reading)
  }

  private func add(_ descriptions: [MetricDescription], _ reading: @escaping @Sendable () -> [Reading]) {
    for description in descriptions {
      let violations = MetricRules.violations(of: description)
      precondition(violations.isEmpty, violations.joined(separator: "; "))
    }
    contents.withLock { contents in
      for description in descriptions {
        let known = contents.descriptions.updateValue(description, forKey: description.name)
        precondition(known == nil, "\(description.name): registered already")
      }
      contents.readings.append(reading)
    }
  }

  /// Everything that is registered, by name.
  package var descriptions: [MetricDescription] {
    contents.withLock { $0.descriptions.values.sorted { $0.name < $1.name } }
  }

  /// All that there is to say now. Families without a series are left out.
  package func render(_ exposition: Exposition) -> String {
    let readings = contents.withLock { $0.readings }.flatMap { $0() }
    var writer = ExpositionWriter(exposition)
    for reading in readings.sorted(by: { $0.description.name < $1.description.name }) where !reading.values.isEmpty {
      writer.write(reading)
    }
    return writer.finished()
  }
}
