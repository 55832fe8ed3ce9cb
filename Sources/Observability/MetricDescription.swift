/// What a family of time series is, as its first lines say: name, kind, meaning and the names of its labels.
package struct MetricDescription: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// Only ever grows, from 0 at the start of the process.
    case counter
    case gauge
    /// Always 1: what is worth knowing is in the labels.
    case info
    case histogram
  }

  /// With its unit and suffix: `murmur_pulls_total`, `murmur_load_duration_seconds`.
  package let name: String
  package let kind: Kind
  /// One sentence for people.
  package let help: String
  package let labels: [String]

  package init(_ name: String, _ kind: Kind, _ help: String, labels: [String] = []) {
    self.name = name
    self.kind = kind
    self.help = help
    self.labels = labels
  }

  /// The name of the family where a suffix belongs to its samples alone (OpenMetrics 1.0, "MetricFamily").
  package var familyName: String {
    switch kind {
    case .counter: name.droppingSuffix("_total")
    case .info: name.droppingSuffix("_info")
    case .gauge, .histogram: name
    }
  }

  /// The base unit that ends the family's name; nil for what is counted in pieces.
  package var unit: String? { MetricRules.baseUnits.first { familyName.hasSuffix("_" + $0) } }
}

extension String {
  fileprivate func droppingSuffix(_ suffix: String) -> String {
    hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
  }
}
