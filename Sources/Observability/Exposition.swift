/// The two text formats that Prometheus reads.
package enum Exposition: Hashable, Sendable, CaseIterable {
  /// Prometheus text format 0.0.4.
  case text
  /// OpenMetrics 1.0.
  case openMetrics

  package var contentType: String {
    switch self {
    case .text: "text/plain; version=0.0.4; charset=utf-8"
    case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
    }
  }

  /// Most media ranges of a header that are looked at.
  private static let rangesMax = 32

  /// The format to answer with. OpenMetrics has to be asked for by name, with a weight not below that of the text format;
  /// whoever accepts neither gets the text format all the same, as from every exporter.
  ///
  /// - Parameter accept: the header `Accept` (RFC 9110 §12.5.1); nil for none.
  package static func format(accept: String?) -> Exposition {
    let ranges = (accept ?? "").split(separator: ",", maxSplits: rangesMax).prefix(rangesMax).map { MediaRange($0) }
    func weight(_ suits: (MediaRange) -> Bool) -> Double { ranges.filter(suits).map(\.weight).max() ?? 0 }
    let openMetrics = weight { $0.type == "application/openmetrics-text" && ["", "1.0.0"].contains($0.version) }
    let text = weight { $0.type == "text/plain" && ["", "0.0.4"].contains($0.version) }
    return openMetrics > 0 && openMetrics >= text ? .openMetrics : .text
  }
}

/// One alternative of an `Accept` header.
private struct MediaRange {
  let type: String
  var version = ""
  var weight = 1.0

  init(_ text: Substring) {
    let parts = text.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
    type = parts.first ?? ""
    for parameter in parts.dropFirst() {
      if parameter.hasPrefix("version=") { version = parameter.dropFirst("version=".count).filter { $0 != "\"" } }
      if parameter.hasPrefix("q=") { weight = Double(parameter.dropFirst("q=".count)) ?? 0 }
    }
  }
}
