import ArgumentParser
import Foundation
import GradientKernel
import Wire

/// What a serving node answers in a second, and how soon.
struct ServingBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serving",
    abstract: "One serving node: predictions over HTTP, gRPC and ZeroMQ, changes of versions under load, pulls.",
    discussion: """
      Runs 'murmur serve' beside this program (variable MURMUR_PROGRAM for another) with 784-200-200-10, one row a \
      request, and loads it with wrk and h2load on the same cores (apt-get install wrk nghttp2-client). Give what \
      another server did in the same hour as --reference to have the ratio.
      """)

  enum Part: String, CaseIterable, ExpressibleByArgument {
    case json, binary, grpc, events, swaps, pull

    var request: PredictionRequest? { PredictionRequest(rawValue: rawValue) }
  }

  @OptionGroup var measuring: MeasuringOptions

  @Option(help: ArgumentHelp("Requests a second of the server to compare with.", valueName: "rate"))
  var reference: Double?

  @Option(
    help: ArgumentHelp(
      "Only these: json, binary, grpc (of a program with the trait), events, swaps, pull. All but grpc without it.",
      valueName: "part"))
  var part: [Part] = []

  @Option(
    help: ArgumentHelp(
      "Threads of the node that answer HTTP. Without it as many as there are cores, which the load shares.",
      valueName: "N"))
  var nodeThreads: Int?

  private var threads: Int { nodeThreads ?? ThreadPool.coreCount }
  private var seconds: Int { measuring.quick ? 2 : 4 }
  private var turns: Int { measuring.quick ? 1 : 3 }
  /// Leaves the disk out.
  private static var memory: String {
    FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
  }

  func run() throws {
    let missing = LoadTool.missing
    guard missing.isEmpty else {
      throw BenchmarkFailure.refused(
        "found no \(missing.joined(separator: ", ")); type: apt-get install wrk nghttp2-client")
    }
    var report = Report(isJSON: measuring.json)
    let parts = part.isEmpty ? Part.allCases.filter { $0 != .grpc } : part
    if parts.contains(where: { $0.request != nil }) { try overHTTP(parts, &report) }
    if parts.contains(.events) { try events(&report) }
    if parts.contains(.swaps) {
      try SwapFigures(directory: Self.memory, threads: threads, seconds: seconds, turns: turns).report(to: &report)
    }
    if parts.contains(.pull) {
      try PullFigures(directory: Self.memory, turns: turns, isQuick: measuring.quick).report(to: &report)
    }
    try report.finish()
  }

  // MARK: One row a request

  private func overHTTP(_ parts: [Part], _ report: inout Report) throws {
    let home = try ServingHome(architecture: "mlp 784-200-200-10", versions: 1, in: NSTemporaryDirectory())
    let grpc = parts.contains(.grpc) ? "grpc: {bind: \"127.0.0.1:8001\"}\n" : ""
    try home.configure("http: {bind: \"127.0.0.1:8080\", threads: \(threads)}\n" + grpc)
    let node = try home.startNode()
    guard let base = node.endpoints["http"] else { throw BenchmarkFailure.refused("the node has no HTTP") }
    for part in parts {
      guard let request = part.request else { continue }
      let place = request == .grpc ? "http://\(node.endpoints["grpc"] ?? "")" : base
      let section = request == .json ? "REST, JSON" : request == .binary ? "REST, binary tensors" : "gRPC"
      try LatencyFigures(
        section: section,
        tool: request.loadTool(for: "\(ServingHome.model)", at: place, writing: "\(home.root)/body"),
        floorTool: request == .grpc ? nil : LoadTool(url: "\(base)/healthz", bodyPath: nil, headers: []),
        scratch: home.root, seconds: seconds, turns: turns, reference: reference
      ).report(to: &report)
    }
    try expectNoFailures(at: base)
  }

  /// gRPC says in trailers, which h2load does not look at, whether a call went well; the node has counted.
  private func expectNoFailures(at base: String) throws {
    let text = try LoadTool.run("curl", ["-sf", "--noproxy", "*", "\(base)/v2/models/stats"])
    struct Statistics: Decodable {
      struct Model: Decodable {
        struct Counts: Decodable {
          struct Total: Decodable { let count: UInt64 }
          let success: Total
          let fail: Total
        }
        let inference_stats: Counts
      }
      let model_stats: [Model]
    }
    let models = try JSONDecoder().decode(Statistics.self, from: Data(text.utf8)).model_stats
    guard models.contains(where: { $0.inference_stats.success.count > 1_000 }),
      models.allSatisfy({ $0.inference_stats.fail.count == 0 })
    else { throw BenchmarkFailure.refused("the node counts other answers than good ones: \(text)") }
  }

  // MARK: Events

  private func events(_ report: inout Report) throws {
    let home = try ServingHome(architecture: "mlp 64-128-10", versions: 1, in: NSTemporaryDirectory())
    try home.configure("bind: {events: \"tcp://127.0.0.1:*\"}\n")
    let node = try home.startNode()
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
