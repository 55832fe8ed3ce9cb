import Foundation

/// A large version from a serving node to a verified folder, by `murmur pull`, beside what the same bytes take over the same
/// sockets with nothing behind them.
struct PullFigures {
  let directory: String
  let turns: Int
  let isQuick: Bool

  /// 37 million parameters.
  private static let architecture = "mlp 784-6000-5000-400-10"

  func report(to report: inout Report) throws {
    let links = try LinkLimits(directory: directory, isQuick: isQuick)
    let home = try ServingHome(architecture: Self.architecture, versions: 1, in: directory)
    try home.configure("bind: {pull: \"tcp://127.0.0.1:*\"}\nhttp: {bind: \"127.0.0.1:8080\"}\n")
    let node = try home.startNode()
    guard let socket = node.endpoints["pull"], let web = node.endpoints["http"] else {
      throw BenchmarkFailure.refused("the node does not say where it listens")
    }
    try Self.awaitReadiness(web)
    let bytes = Double(home.fileByteCount)
    let section = "pull of \(Int(bytes / 1e6)) MB, whole command with its start, verification and durable writes"
    func add(_ name: String, from place: String, limit: Double) throws {
      let seconds: Double = try (0..<turns).map { _ in try pull(from: place, home) }.median
      report.add(
        Figure(
          section: section, name: name, value: bytes / seconds / 1e9, unit: "GB/s", limit: limit / 1e9,
          budget: .ratioAtLeast(0.8)))
    }
    try add("over ZeroMQ, loopback, beside CURVE alone", from: socket, limit: links.transfer)
    try add("over HTTP, loopback, beside curl", from: web, limit: try webLimit(web, home, bytes))
    for (name, place) in [("ZeroMQ", socket), ("HTTP", web)] {
      let link = try PacedLink(to: Self.port(of: place), bytesPerSecond: Self.gigabit)
      try add(
        "over \(name), a link of 1 Gbit/s", from: "\(name == "ZeroMQ" ? "tcp" : "http")://127.0.0.1:\(link.port)",
        limit: Self.gigabit)
    }
  }

  /// Bytes a second.
  private static let gigabit = 125e6

  private static func port(of place: String) throws -> UInt16 {
    guard let port = place.split(separator: ":").last.flatMap({ UInt16($0) }) else {
      throw BenchmarkFailure.refused("found no port in \(place)")
    }
    return port
  }

  /// The node reads and verifies what is in its folder first.
  private static func awaitReadiness(_ web: String) throws {
    let end = ContinuousClock.now + .seconds(30)
    while (try? LoadTool.run("curl", ["-sf", "--noproxy", "*", "\(web)/readyz"])) == nil {
      guard ContinuousClock.now < end else { throw BenchmarkFailure.refused("\(web): the node is not ready") }
      Thread.sleep(forTimeInterval: 0.1)
    }
  }

  /// - Returns: seconds.
  private func pull(from place: String, _ home: ServingHome) throws -> Double {
    let output = "\(home.root)/pulled"
    defer { try? FileManager.default.removeItem(atPath: output) }
    let started = wallSeconds()
    _ = try LoadTool.run(
      ChildProcess.program,
      ["pull", "\(ServingHome.model)", "--home", home.consumer, "--from", place, "--no-cache", "--output", output])
    return wallSeconds() - started
  }

  /// Bytes a second of the same file by curl.
  private func webLimit(_ web: String, _ home: ServingHome, _ bytes: Double) throws -> Double {
    let seconds: [Double] = try (0..<turns).map { _ in
      let started = wallSeconds()
      _ = try LoadTool.run(
        "curl",
        [
          "-sf", "--noproxy", "*", "-o", "\(home.root)/curled",
          "\(web)/v1/models/\(ServingHome.model)/0/model.safetensors",
        ])
      return wallSeconds() - started
    }
    return bytes / seconds.median
  }
}
