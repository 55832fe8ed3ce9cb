import Foundation

/// One row a request: as many requests as go, and how long they take at half of that.
struct LatencyFigures {
  let section: String
  let tool: LoadTool
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
    let half = try tool.steady(rate: Int(best / 2), seconds: seconds, scratch: scratch)
    report.add(
      Figure(section: section, name: "half of the peak, rate reached", value: half.requestsPerSecond, unit: "/s"))
    report.add(Figure(section: section, name: "half of the peak, p50", value: half.p50, unit: "ms"))
    report.add(
      Figure(section: section, name: "half of the peak, p99", value: half.p99, unit: "ms", budget: .atMost(1)))
    return best
  }
}
