import ArgumentParser
import Foundation
import Wire

/// What a serving node answers in a second, and how soon.
struct ServingBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serving",
    abstract: "Predictions of one serving node: JSON and binary over HTTP, batches of events over ZeroMQ.",
    discussion: """
      Runs 'murmur serve' beside this program (variable MURMUR_PROGRAM for another) with 784-200-200-10, one row a \
      request, and loads it with wrk and h2load on the same cores (apt-get install wrk nghttp2-client). Give what \
      another server did in the same hour as --reference to have the ratio.
      """)

  enum Part: String, CaseIterable, ExpressibleByArgument {
    case json, binary, events
  }

  @OptionGroup var measuring: MeasuringOptions

  @Option(help: ArgumentHelp("Requests a second of the server to compare with.", valueName: "rate"))
  var reference: Double?

  @Option(help: ArgumentHelp("Only these: json, binary, events.", valueName: "part"))
  var part: [Part] = []

  private var seconds: Int { measuring.quick ? 2 : 4 }
  private var turns: Int { measuring.quick ? 1 : 3 }

  func run() throws {
    let missing = LoadTool.missing
    guard missing.isEmpty else {
      throw BenchmarkFailure.refused(
        "found no \(missing.joined(separator: ", ")); type: apt-get install wrk nghttp2-client")
    }
    var report = Report(isJSON: measuring.json)
    let parts = part.isEmpty ? Part.allCases : part
    if parts.contains(.json) || parts.contains(.binary) { try overHTTP(parts, &report) }
    if parts.contains(.events) { try events(&report) }
    try report.finish()
  }

  // MARK: HTTP

  private func overHTTP(_ parts: [Part], _ report: inout Report) throws {
    let home = try ServingHome(architecture: "mlp 784-200-200-10", versions: 1, in: NSTemporaryDirectory())
    try home.configure("http: {bind: \"127.0.0.1:8080\"}\n")
    let node = try ServingNodeProcess(home)
    guard let base = node.endpoints["http"] else { throw BenchmarkFailure.refused("the node has no HTTP") }
    let url = "\(base)/v2/models/\(ServingHome.model)/infer"
    for part in parts where part != .events {
      let tool = try loadTool(part, url: url, home: home)
      try measure(part == .json ? "REST, JSON" : "REST, binary tensors", tool, home, &report)
    }
  }

  /// 784 numbers of four decimals, as the scripts that measure other servers send them.
  private func loadTool(_ part: Part, url: String, home: ServingHome) throws -> LoadTool {
    let numbers = (0..<784).map { ($0 * 7_919) % 97 }
    let path = "\(home.root)/body"
    guard part == .binary else {
      let data = numbers.map { String(format: "%.4f", Double($0) / 97) }.joined(separator: ", ")
      let text =
        "{\"inputs\": [{\"name\": \"features\", \"shape\": [1, 784], \"datatype\": \"FP32\", \"data\": [\(data)]}]}"
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      return LoadTool(url: url, bodyPath: path, headers: [("Content-Type", "application/json")])
    }
    let json =
      "{\"inputs\":[{\"name\":\"features\",\"shape\":[1,784],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":3136}}],"
      + "\"parameters\":{\"binary_data_output\":true}}"
    var body = Data(json.utf8)
    for number in numbers { withUnsafeBytes(of: Float(number) / 97) { body.append(contentsOf: $0) } }
    try body.write(to: URL(filePath: path))
    return LoadTool(
      url: url, bodyPath: path,
      headers: [
        ("Content-Type", "application/octet-stream"), ("Inference-Header-Content-Length", "\(json.utf8.count)"),
      ])
  }

  private func measure(_ section: String, _ tool: LoadTool, _ home: ServingHome, _ report: inout Report) throws {
    var best = 0.0
    for connections in [1, 16, 64] {
      let results = try (0..<turns).map { _ in
        try tool.peak(connections: connections, seconds: seconds, scratch: home.root)
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
    let half = try tool.steady(rate: Int(best / 2), connections: 8, seconds: seconds, scratch: home.root)
    report.add(
      Figure(section: section, name: "half of the peak, rate reached", value: half.requestsPerSecond, unit: "/s"))
    report.add(Figure(section: section, name: "half of the peak, p50", value: half.p50, unit: "ms"))
    report.add(
      Figure(section: section, name: "half of the peak, p99", value: half.p99, unit: "ms", budget: .atMost(1)))
  }

  // MARK: Events

  private func events(_ report: inout Report) throws {
    let home = try ServingHome(architecture: "mlp 64-128-10", versions: 1, in: NSTemporaryDirectory())
    try home.configure("bind: {events: \"tcp://127.0.0.1:*\"}\n")
    let node = try ServingNodeProcess(home)
    guard let endpoint = node.endpoints["events"] else { throw BenchmarkFailure.refused("the node has no events") }
    for (name, element) in [("pixels as bytes", EventBatch.Element.uint8), ("pixels as floats", .float32)] {
      for rows in [64, 256, 1_024] {
        let load = EventLoad(consumer: home.consumer, endpoint: endpoint, rows: rows, columns: 64, element: element)
        for window in [1, 4] {
          let result = try load.run(seconds: Double(seconds), window: window)
          let section = "Events over ZeroMQ with CURVE, mlp 64-128-10, \(name)"
          report.add(
            Figure(
              section: section, name: "\(rows) rows, \(window) in flight", value: result.rowsPerSecond, unit: "/s",
              limit: 1_000_000))
          report.add(
            Figure(section: section, name: "\(rows) rows, \(window) in flight, p99", value: result.p99, unit: "ms"))
        }
      }
    }
  }
}
