import HTTPProbe
import Testing

@testable import Gateway

@Suite("Connections keep to their limits")
struct ConnectionTests {
  private static let body = Array(
    #"{"inputs":[{"name":"features","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#.utf8)
  private static let path = "/v2/models/m/infer"

  private func limits(_ change: (inout HTTPLimits) -> Void) -> HTTPLimits {
    var limits = HTTPLimits()
    change(&limits)
    return limits
  }

  @Test("Requests that are sent at once are answered in their order")
  func pipelining() async throws {
    let probe = try await TestGateway().probe()
    var bytes: [UInt8] = []
    for _ in 0..<20 {
      bytes += "POST \(Self.path) HTTP/1.1\r\nhost: t\r\ncontent-length: \(Self.body.count)\r\n\r\n".utf8
      bytes += Self.body
      bytes += "GET /v2/health/live HTTP/1.1\r\nhost: t\r\n\r\n".utf8
    }
    try probe.send(bytes)
    for _ in 0..<20 {
      #expect(try probe.receive().text.contains("model_version"))
      #expect(try probe.receive().text == #"{"live":true}"#)
    }
  }

  @Test("A body that is announced as too long is not read, and its sender hears why")
  func announced() async throws {
    let probe = try await TestGateway(http: limits { $0.bodyBytesMax = 1_000 }).probe()
    try probe.send(Array("POST \(Self.path) HTTP/1.1\r\nhost: t\r\ncontent-length: 5000\r\n\r\n".utf8))
    try probe.send([UInt8](repeating: 32, count: 1_001))
    #expect(try probe.receive().status == 413)
    #expect(try probe.hasEnded())
  }

  @Test("A body of pieces that turns out too long ends the connection")
  func chunked() async throws {
    let probe = try await TestGateway(http: limits { $0.bodyBytesMax = 1_000 }).probe()
    try probe.send(Array("POST \(Self.path) HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n".utf8))
    let piece = "200\r\n" + String(repeating: " ", count: 512) + "\r\n"
    try probe.send(Array((piece + piece).utf8))
    #expect(try probe.receive().status == 413)
    #expect(try probe.hasEnded())
  }

  @Test("Bodies of all connections have a bound together")
  func budget() async throws {
    let gateway = try await TestGateway(
      http: limits {
        $0.bodyBytesMax = 1_000
        $0.bodiesBytesMax = 1_000
      }, threads: 1)
    let first = try gateway.probe(), second = try gateway.probe()
    try first.send(Array("POST \(Self.path) HTTP/1.1\r\nhost: t\r\ncontent-length: 900\r\n\r\n".utf8))
    try first.send([UInt8](repeating: 32, count: 800))
    // On one thread a body that is there in whole is answered before another connection is read: only the first holds
    // bytes while others come, as soon as it has been read.
    var answer = try second.ask("POST", Self.path, body: [UInt8](repeating: 32, count: 700))
    for _ in 0..<100 where answer.status != 503 {
      answer = try second.ask("POST", Self.path, body: [UInt8](repeating: 32, count: 700))
    }
    #expect(answer.status == 503)
    #expect(answer.headers["retry-after"] == "1")
    try first.send([UInt8](repeating: 32, count: 100))
    #expect(try first.receive().status == 400)
    #expect(try second.ask("POST", Self.path, body: Self.body).status == 200)
  }

  @Test("Headers have a bound, and what is no HTTP is told so")
  func headers() async throws {
    let gateway = try await TestGateway(http: limits { $0.headerBytesMax = 1_024 })
    let long = try gateway.probe()
    try long.send(Array("GET / HTTP/1.1\r\nx: \(String(repeating: "a", count: 2_000))\r\n\r\n".utf8))
    let refused = try long.receive()
    #expect(refused.status == 431)
    #expect(refused.text.hasPrefix(#"{"error":""#))
    #expect(try long.hasEnded())
    let other = try gateway.probe()
    try other.send(Array("hello\r\n\r\n".utf8))
    #expect(try other.receive().status == 400)
    #expect(try other.hasEnded())
  }

  @Test("A connection on which nothing comes is closed")
  func idle() async throws {
    let gateway = try await TestGateway(http: limits { $0.idle = .seconds(1) })
    let url = gateway.server.url
    let hasEnded = try await onOwnThread {
      let probe = try HTTPProbe(url: url)
      try probe.send(Array("POST \(Self.path) HTTP/1.1\r\nhost: t\r\ncontent-length: 900\r\n\r\n ".utf8))
      return try probe.hasEnded()
    }
    #expect(hasEnded)
    withExtendedLifetime(gateway) {}
  }

  @Test("Connections beyond the bound are closed, and one that ends makes room")
  func connections() async throws {
    let gateway = try await TestGateway(http: limits { $0.connectionsMax = 1 })
    do {
      let first = try gateway.probe()
      #expect(try first.ask("GET", "/healthz").status == 200)
      #expect(try gateway.probe().hasEnded())
    }
    var status = 0
    for _ in 0..<200 where status != 200 { status = (try? gateway.probe().ask("GET", "/healthz").status) ?? 0 }
    #expect(status == 200)
  }

  @Test("Compressed bodies are read, and answers compressed for who asks", arguments: ContentCoding.allCases)
  func compression(_ coding: ContentCoding) async throws {
    let probe = try await TestGateway().probe()
    let answer = try probe.ask(
      "POST", Self.path, headers: [("content-encoding", coding.rawValue)], body: coding.encode(Self.body))
    #expect(answer.status == 200)
    let document = try probe.ask("GET", "/openapi.json", headers: [("accept-encoding", "\(coding.rawValue);q=0.5")])
    #expect(document.headers["content-encoding"] == coding.rawValue)
    let plain = try document.body.withUnsafeBytes { try coding.decode($0, byteCountMax: 1 << 20) }
    #expect(plain == OpenAPI.document(version: "test"))
  }

  @Test("A small body that becomes a large one is refused")
  func bomb() async throws {
    let probe = try await TestGateway(http: limits { $0.bodyBytesMax = 10_000 }).probe()
    let bomb = ContentCoding.gzip.encode([UInt8](repeating: 32, count: 1_000_000))
    #expect(bomb.count < 10_000)
    #expect(try probe.ask("POST", Self.path, headers: [("content-encoding", "gzip")], body: bomb).status == 413)
  }

  @Test(
    "A body in another coding than it says, or in none that is known, is refused",
    arguments: [("gzip", 400), ("deflate", 400), ("br", 415)])
  func wrongCoding(_ name: String, _ status: Int) async throws {
    let probe = try await TestGateway().probe()
    #expect(try probe.ask("POST", Self.path, headers: [("content-encoding", name)], body: Self.body).status == status)
  }

  @Test("Who expects a 100 gets it before sending the body")
  func expectation() async throws {
    let probe = try await TestGateway().probe()
    try probe.send(
      Array(
        "POST \(Self.path) HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: \(Self.body.count)\r\n\r\n"
          .utf8))
    try probe.send(Self.body)
    #expect(try probe.receive().status == 200)
  }

  @Test("HTTP/1.0 and 'connection: close' end the connection behind the answer")
  func closing() async throws {
    let gateway = try await TestGateway()
    for head in ["GET /healthz HTTP/1.0\r\n\r\n", "GET /healthz HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"] {
      let probe = try gateway.probe()
      try probe.send(Array(head.utf8))
      #expect(try probe.receive().status == 200)
      #expect(try probe.hasEnded())
    }
  }
}
