import Foundation

/// One row a request: as many requests as go, and how long they take at half of that.
struct LatencyFigures {
  let section: String
  let tool: LoadTool
  /// On something that costs nothing; nil for another transport.
  let floorTool: LoadTool?
  let scratch: String
  let seconds: Int
  let turns: Int
  /// Requests a second of another server.
  let reference: Double?

  /// - Returns: the most requests a second.
  @discardableResult
  func report(to report: inout Report) throws -> Double {
    var best = 0.0
    for connections in [1, 16, 64] {
      let results = try (0..<turns).map { _ in
        try tool.peak(connections: connections, seconds: seconds, scratch: scratch)
      }.sorted { $0.requestsPerSecond < $1.requestsPerSecond }
      let median = results[results.count / 2]
      guard results.allSatisfy({ $0.errors == 0 }) else {
        throw BenchmarkFailure.refused("\(section): \(results.map(\.errors)) requests failed")
      }
      best = max(best, median.requestsPerSecond)
      report.add(
        Figure(
          section: section, name: "\(connections) connections", value: median.requestsPerSecond, unit: "/s",
          limit: reference, budget: reference.map { _ in .ratioAtLeast(connections == 1 ? 1 : 10) }))
      report.add(Figure(section: section, name: "\(connections) connections, p99", value: median.p99, unit: "ms"))
    }
    let (connections, half) = try tool.atLeast(best / 2, seconds: seconds, scratch: scratch)
    let name = "half of the peak: \(connections) connection\(connections == 1 ? "" : "s")"
    report.add(Figure(section: section, name: name, value: half.requestsPerSecond, unit: "/s"))
    report.add(Figure(section: section, name: "\(name), p50", value: half.p50, unit: "ms"))
    report.add(Figure(section: section, name: "\(name), p99", value: half.p99, unit: "ms", budget: .atMost(1)))
    try open(rate: Int(best / 2), to: &report)
    return best
  }

  /// The same rate from callers that do not wait for each other, beside what a question without an answer to compute takes
  /// them: the tool's own bursts.
  private func open(rate: Int, to report: inout Report) throws {
    let own = try tool.steady(rate: rate, seconds: seconds, scratch: scratch)
    let floor = try floorTool?.steady(rate: rate, seconds: seconds, scratch: scratch)
    for (quantile, value, least) in [("p50", own.p50, floor?.p50), ("p99", own.p99, floor?.p99)] {
      report.add(
        Figure(
          section: section, name: "\(Int(own.requestsPerSecond))/s by h2load beside /healthz, \(quantile)",
          value: value,
          unit: "ms", limit: least))
    }
  }
}
