import Foundation

/// Load on an HTTP endpoint, by tools that others wrote: `wrk` for as much as goes over HTTP/1.1, `h2load` over HTTP/2, and for
/// a rate.
struct LoadTool {
  enum Transport {
    case http1
    /// Without TLS, by prior knowledge (RFC 9113 §3.3), as gRPC is spoken.
    case http2
  }

  struct Result {
    let requestsPerSecond: Double
    /// Milliseconds.
    let p50: Double
    let p99: Double
    /// Requests that failed, or were answered with something else than 2xx.
    let errors: Int
  }

  let url: String
  /// Nil for GET.
  let bodyPath: String?
  let headers: [(String, String)]
  var transport = Transport.http1

  // MARK: As many as go

  /// As many requests as go, on so many connections, one in flight on each.
  func peak(connections: Int, seconds: Int, scratch: String) throws -> Result {
    switch transport {
    case .http1: try wrk(connections: connections, seconds: seconds, scratch: scratch)
    case .http2: try h2load(connections: connections, seconds: seconds, scratch: scratch)
    }
  }

  private func wrk(connections: Int, seconds: Int, scratch: String) throws -> Result {
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
    let body = bodyPath.map { "wrk.method=\"POST\"\nwrk.body=io.open(\"\($0)\",\"rb\"):read(\"*a\")\n" } ?? ""
    return """
      \(fields)\(body)
      done=function(s,l,r)
        io.write(string.format("RESULT %f %f %f %d\\n", s.requests/(s.duration/1e6), l:percentile(50), l:percentile(99),
          s.errors.connect+s.errors.read+s.errors.write+s.errors.timeout+s.errors.status))
      end
      """
  }

  private func h2load(connections: Int, seconds: Int, scratch: String) throws -> Result {
    let answers = try h2load(["-c\(connections)", "-m1", "-D\(seconds)", "--warm-up-time=1s"], scratch: scratch)
    return try Self.result(answers[...], seconds: Double(seconds))
  }

  /// The load of the fewest connections that bring so many requests a second: as busy as that, and no busier.
  func atLeast(
    _ rate: Double, seconds: Int, scratch: String
  ) throws -> (connections: Int, result: Result) {
    for connections in 1...16 {
      let result = try peak(connections: connections, seconds: seconds, scratch: scratch)
      if result.requestsPerSecond >= rate { return (connections, result) }
    }
    throw BenchmarkFailure.refused("\(url): 16 connections do not bring \(Int(rate)) requests a second")
  }

  // MARK: A rate

  /// Most requests a second of one connection: h2load lets each connection send what is due every 10 ms, so that more of
  /// them would come in bursts, and wait for each other. Its clock ticks every millisecond: what is due within one is sent
  /// at once all the same.
  private static let connectionRateMax = 100
  /// Between one connection's beginning and the next one's: their moments to send are spread over those 10 ms.
  private static let spacingMilliseconds = 7

  /// So many requests a second, each at its own time whatever became of those before, as from many callers.
  ///
  /// Connections begin one after another; what is measured begins when the last one has.
  func steady(rate: Int, seconds: Int, scratch: String) throws -> Result {
    let connections = max(1, (rate + Self.connectionRateMax - 1) / Self.connectionRateMax)
    let each = max(1, rate / connections)
    let lead = Double(connections * Self.spacingMilliseconds) / 1_000 + 0.5
    let answers = try h2load(
      [
        "-c\(connections)", "-m1", "--rps=\(each)", "-r1", "--rate-period=\(Self.spacingMilliseconds)ms",
        "-n\(Int(Double(each) * (Double(seconds) + lead)) * connections)",
      ], scratch: scratch)
    guard let first = answers.first?.start else { throw BenchmarkFailure.refused("h2load logged no answers") }
    let from = first + lead
    return try Self.result(
      answers.filter { $0.start >= from && $0.start < from + Double(seconds) }[...], seconds: Double(seconds))
  }

  // MARK: h2load

  private struct Answer {
    /// Seconds since 1970.
    let start: Double
    let status: Int
    let milliseconds: Double
  }

  /// - Returns: in the order of their start.
  private func h2load(_ options: [String], scratch: String) throws -> [Answer] {
    let log = "\(scratch)/h2load.log"
    try? FileManager.default.removeItem(atPath: log)
    let fields = headers.flatMap { ["-H", "\($0.0): \($0.1)"] }
    let version = transport == .http1 ? ["--h1"] : []
    _ = try Self.run(
      "h2load",
      version + ["-t1"] + options + ["--log-file=\(log)"] + (bodyPath.map { ["-d", $0] } ?? []) + fields + [url])
    return try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").compactMap { line in
      // Start in µs since 1970, status, µs.
      let parts = line.split(separator: "\t")
      guard parts.count == 3, let start = Double(parts[0]), let status = Int(parts[1]), let time = Double(parts[2])
      else {
        return nil
      }
      return Answer(start: start / 1e6, status: status, milliseconds: time / 1_000)
    }.sorted { $0.start < $1.start }
  }

  private static func result(_ answers: ArraySlice<Answer>, seconds: Double) throws -> Result {
    let good = answers.filter { (200..<300).contains($0.status) }.map(\.milliseconds)
    guard good.count > 100 else { throw BenchmarkFailure.refused("h2load logged \(good.count) good answers") }
    return Result(
      requestsPerSecond: Double(good.count) / seconds, p50: good.quantile(0.5), p99: good.quantile(0.99),
      errors: answers.count - good.count)
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
