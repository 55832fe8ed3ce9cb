import Synchronization

/// The series of one metric, one for each set of label values.
///
/// Code asks for a series once and keeps the handle. A family has at most ``seriesMax`` series; whatever comes then is
/// counted together in one whose labels all say `other`, and a counter of the registry tells how often that was.
package final class MetricFamily<Instrument: MetricInstrument>: Sendable {
  package let description: MetricDescription
  private let make: @Sendable () -> Instrument
  private let overflows: MetricFamily<Counter>?
  private let series = Mutex<[MetricLabels: Instrument]>([:])

  init(_ description: MetricDescription, overflows: MetricFamily<Counter>?, make: @escaping @Sendable () -> Instrument)
  {
    self.description = description
    self.overflows = overflows
    self.make = make
    // What has no labels is there from the beginning, as 0.
    if description.labels.isEmpty { _ = series(of: .none) }
  }

  /// The series of these label values, made if there is none.
  ///
  /// - Parameter values: as many as the family has labels, in their order.
  package func callAsFunction(_ values: String...) -> Instrument { series(of: labels(values)) }

  /// Takes a series out: it is not shown any more. Handles to it still work, and what they count is seen by nobody.
  package func remove(_ values: String...) {
    let labels = labels(values)
    series.withLock { _ = $0.removeValue(forKey: labels) }
  }

  /// Takes out every series whose label has this value.
  package func removeAll(where label: String, is value: String) {
    removeAll(whereAll: [(label, value)])
  }

  /// Takes out every series that has all of these labels.
  package func removeAll(whereAll pairs: [(String, String)]) {
    let parts = pairs.map { MetricLabels([$0]).text }
    series.withLock { series in series = series.filter { entry in !parts.allSatisfy(entry.key.contains) } }
  }

  private func labels(_ values: [String]) -> MetricLabels {
    precondition(
      values.count == description.labels.count,
      "\(description.name): found \(values.count) label values, expected \(description.labels.count)")
    return MetricLabels(zip(description.labels, values))
  }

  func series(of labels: MetricLabels) -> Instrument {
    series.withLock { series in
      if let known = series[labels] { return known }
      if series.count < MetricFamilyLimits.seriesMax { return insert(labels, into: &series) }
      overflows?(description.name).add()
      let other = MetricLabels(description.labels.map { ($0, "other") })
      return series[other] ?? insert(other, into: &series)
    }
  }

  private func insert(_ labels: MetricLabels, into series: inout [MetricLabels: Instrument]) -> Instrument {
    let instrument = make()
    series[labels] = instrument
    return instrument
  }

  /// All series, by their labels.
  var values: [(labels: MetricLabels, value: MetricValue)] {
    series.withLock { $0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value.value) }
  }
}

package enum MetricFamilyLimits {
  /// Series of one family, beside `other`.
  package static let seriesMax = 512
}

extension MetricLabels {
  /// Whether a whole pair is among the labels: inside quotes there is no bare quote, so a comma behind one ends a pair.
  func contains(_ pair: String) -> Bool {
    text == pair || text.hasPrefix(pair + ",") || text.hasSuffix("," + pair) || text.contains("," + pair + ",")
  }
}
