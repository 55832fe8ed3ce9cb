/// Writes families in one of the formats.
///
/// Numbers look the same in both (`1.0`, `+Inf`), so that a series keeps its name when its reader changes the format.
struct ExpositionWriter {
  private let exposition: Exposition
  private var out = ""

  init(_ exposition: Exposition) { self.exposition = exposition }

  mutating func write(_ reading: MetricsRegistry.Reading) {
    writeHead(reading.description)
    for (labels, value) in reading.values { write(value, reading.description, labels.text) }
  }

  consuming func finished() -> String {
    switch exposition {
    case .text: out
    case .openMetrics: out + "# EOF\n"
    }
  }

  private mutating func writeHead(_ description: MetricDescription) {
    switch exposition {
    case .text:
      let kind =
        switch description.kind {
        case .counter: "counter"
        case .gauge, .info: "gauge"
        case .histogram: "histogram"
        }
      out += "# HELP \(description.name) \(MetricLabels.escaped(description.help, quotes: false))\n"
      out += "# TYPE \(description.name) \(kind)\n"
    case .openMetrics:
      let kind =
        switch description.kind {
        case .counter: "counter"
        case .gauge: "gauge"
        case .info: "info"
        case .histogram: "histogram"
        }
      out += "# TYPE \(description.familyName) \(kind)\n"
      if let unit = description.unit { out += "# UNIT \(description.familyName) \(unit)\n" }
      out += "# HELP \(description.familyName) \(MetricLabels.escaped(description.help))\n"
    }
  }

  private mutating func write(_ value: MetricValue, _ description: MetricDescription, _ labels: String) {
    switch value {
    case .count(let count): writeSample(description.name, labels, "\(count)")
    case .number(let number): writeSample(description.name, labels, Self.text(of: number))
    case .distribution(let distribution): write(distribution, description.name, labels)
    }
  }

  private mutating func write(_ distribution: Distribution, _ name: String, _ labels: String) {
    var cumulative: UInt64 = 0
    for (i, count) in distribution.counts.enumerated() {
      cumulative += count
      let bound = i < distribution.bounds.count ? distribution.bounds[i] : .infinity
      let le = (labels.isEmpty ? "" : labels + ",") + "le=\"\(Self.text(of: bound))\""
      writeSample(name + "_bucket", le, "\(cumulative)", exemplar: distribution.exemplars[i])
    }
    writeSample(name + "_sum", labels, Self.text(of: distribution.sum))
    writeSample(name + "_count", labels, "\(cumulative)")
  }

  private mutating func writeSample(_ name: String, _ labels: String, _ value: String, exemplar: Exemplar? = nil) {
    out += labels.isEmpty ? "\(name) \(value)" : "\(name){\(labels)} \(value)"
    if let exemplar, exposition == .openMetrics {
      out += " # {trace_id=\"\(exemplar.traceID)\"} \(Self.text(of: exemplar.value))"
      out += " \(Self.text(of: exemplar.unixSeconds))"
    }
    out += "\n"
  }

  private static func text(of number: Double) -> String {
    if number.isNaN { return "NaN" }
    if number.isInfinite { return number > 0 ? "+Inf" : "-Inf" }
    return "\(number)"
  }
}
