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
    let bytes = Double(home.fileByteCount)
    let section = "pull of \(Int(bytes / 1e6)) MB, whole command with its start, verification and durable writes"
    for (name, place, limit) in [
      ("over ZeroMQ with CURVE", socket, links.transfer), ("over HTTP", web, try webLimit(web, home, bytes)),
    ] {
      let seconds: Double = try (0..<turns).map { _ in try pull(from: place, home) }.median
      report.add(
        Figure(
          section: section, name: name, value: bytes / seconds / 1e9, unit: "GB/s", limit: limit / 1e9,
          budget: .ratioAtLeast(0.8)))
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
