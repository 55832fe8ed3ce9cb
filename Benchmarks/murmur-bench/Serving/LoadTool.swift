import Foundation

/// Load on an HTTP endpoint, by tools that others wrote: `wrk` for as much as goes, `h2load` for a rate.
struct LoadTool {
  struct Result {
    let requestsPerSecond: Double
    /// Milliseconds.
    let p50: Double
    let p99: Double
    /// Requests that failed, or were answered with something else than 2xx.
    let errors: Int
  }

  let url: String
  let bodyPath: String
  let headers: [(String, String)]

  /// As many requests as go, on so many connections.
  func peak(connections: Int, seconds: Int, scratch: String) throws -> Result {
    let script = "\(scratch)/load.lua"
    try lua.write(toFile: script, atomically: true, encoding: .utf8)
    let output = try Self.run("wrk", ["-t1", "-c\(connections)", "-d\(seconds)s", "--latency", "-s", script, url])
    guard let line = output.split(separator: "\n").first(where: { $0.hasPrefix("RESULT ") }) else {
      throw BenchmarkFailure.refused("wrk printed: \(output)")
    }
    let values = line.split(separator: " ").dropFirst().compactMap { Double($0) }
    guard values.count == 4 else { throw BenchmarkFailure.refused("wrk printed: \(line)") }
    return Result(requestsPerSecond: values[0], p50: values[1] / 1_000, p99: values[2] / 1_000, errors: Int(values[3]))
  }

  private var lua: String {
    let fields = headers.map { "wrk.headers[\"\($0.0)\"]=\"\($0.1)\"\n" }.joined()
    return """
      wrk.method="POST"
      \(fields)wrk.body=io.open("\(bodyPath)","rb"):read("*a")
      done=function(s,l,r)
        io.write(string.format("RESULT %f %f %f %d\\n", s.requests/(s.duration/1e6), l:percentile(50), l:percentile(99),
          s.errors.connect+s.errors.read+s.errors.write+s.errors.timeout+s.errors.status))
      end
      """
  }

  /// So many requests a second, on so many connections.
  func steady(rate: Int, connections: Int, seconds: Int, scratch: String) throws -> Result {
    let log = "\(scratch)/h2load.log"
    try? FileManager.default.removeItem(atPath: log)
    let perConnection = max(1, rate / connections)
    let fields = headers.flatMap { ["-H", "\($0.0): \($0.1)"] }
    _ = try Self.run(
      "h2load",
      [
        "--h1", "-t1", "-c\(connections)", "--rps=\(perConnection)", "-D\(seconds)", "--warm-up-time=1s",
        "--log-file=\(log)", "-d", bodyPath,
      ] + fields + [url])
    var latencies: [Double] = [], errors = 0
    for line in try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n") {
      // Start in µs since 1970, status, µs.
      let parts = line.split(separator: "\t")
      guard parts.count == 3, let status = Int(parts[1]), let time = Double(parts[2]) else { continue }
      if (200..<300).contains(status) { latencies.append(time / 1_000) } else { errors += 1 }
    }
    guard latencies.count > 100 else { throw BenchmarkFailure.refused("h2load logged \(latencies.count) answers") }
    latencies.sort()
    return Result(
      requestsPerSecond: Double(latencies.count) / Double(seconds), p50: latencies[latencies.count / 2],
      p99: latencies[latencies.count * 99 / 100], errors: errors)
  }

  /// Whether both tools are there.
  static var missing: [String] {
    ["wrk", "h2load"].filter { (try? run("sh", ["-c", "command -v \($0)"])) == nil }
  }

  static func run(_ program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = String(decoding: (try? pipe.fileHandleForReading.readToEnd()) ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw BenchmarkFailure.refused("\(program) ended with \(process.terminationStatus): \(output.suffix(500))")
    }
    return output
  }
}
