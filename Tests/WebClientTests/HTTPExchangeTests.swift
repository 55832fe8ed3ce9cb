import Testing

@testable import WebClient

/// Exchanges whose network is this test.
@Suite("Exchanges of HTTP")
struct HTTPExchangeTests {
  private static func exchange(patience: Duration) -> HTTPExchange {
    HTTPExchange(url: "http://127.0.0.1/x", byteCountMax: 16, patience: patience)
  }

  /// What a listener finds that comes late.
  private static func found(in exchange: HTTPExchange) async -> [String] {
    var found: [String] = []
    for await event in exchange.events {
      switch event {
      case .answered(let head): found.append("answered \(head.status)")
      case .received(let bytes): found.append("received \(bytes.count)")
      case .tick: break
      case .ended(let failure): found.append("ended \(failure.map { "\($0)" } ?? "well")")
      }
    }
    return found
  }

  @Test("A listener that is late itself finds the whole answer, not the server's silence")
  func lateListener() async throws {
    let exchange = Self.exchange(patience: .milliseconds(200))
    exchange.answered(HTTPHead(status: 200, headers: [:]))
    #expect(exchange.received([1, 2, 3]))
    exchange.ended(nil)
    try await Task.sleep(for: .milliseconds(400))  // Nobody listens for longer than the server may be silent.
    #expect(await Self.found(in: exchange) == ["answered 200", "received 3", "ended well"])
  }

  @Test("A server that is silent for longer than the patience ends the exchange, whoever listens")
  func silence() async {
    let exchange = Self.exchange(patience: .milliseconds(100))
    exchange.answered(HTTPHead(status: 200, headers: [:]))
    #expect(
      await Self.found(in: exchange) == ["answered 200", "ended http://127.0.0.1/x: found no byte for 0.1 s"])
  }
}
