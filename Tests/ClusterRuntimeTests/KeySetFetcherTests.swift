import Access
import ClusterRuntime
import Foundation
import LoopbackWeb
import Synchronization
import Testing

/// Keys of issuers from a server of the test's own. None of the fetches needs a network.
@Suite("Fetching the keys of issuers")
struct KeySetFetcherTests {
  private static let keys = Array("{\"keys\":[]}".utf8)

  private static func location(_ server: LoopbackServer, _ path: String = "jwks.json") throws -> KeySetLocation {
    try #require(KeySetLocation.web(checking: "\(server.place)/\(path)"))
  }

  /// What a server's answer comes to.
  private static func fetch(
    limit: Duration = .seconds(20), answer: @escaping @Sendable (LoopbackServer.Request) -> LoopbackServer.Answer
  ) async throws -> [UInt8] {
    let server = try LoopbackServer(answer)
    return try await KeySetFetcher(limit: limit).fetch(location(server))
  }

  private static func redirect(to target: String, status: String = "302 Found") -> LoopbackServer.Answer {
    .bytes([LoopbackServer.response([], status: status, header: "Location: \(target)\r\n")])
  }

  @Test("What is published is fetched as it is, in however many pieces")
  func whole() async throws {
    let response = LoopbackServer.response(Self.keys)
    let found = try await Self.fetch { request in
      request.path == "/set/jwks.json"
        ? .bytes([Array(response.prefix(90)), Array(response.dropFirst(90))]) : .bytes([])
    }
    #expect(found == Self.keys)
  }

  @Test("64 kB are fetched, and one byte more is not")
  func size() async throws {
    let most = [UInt8](repeating: 0x20, count: 65_536)
    #expect(try await Self.fetch { _ in .bytes([LoopbackServer.response(most)]) } == most)
    await #expect(throws: KeySetFetchError.tooLarge) {
      try await Self.fetch { _ in .bytes([LoopbackServer.response(most + [0x20])]) }
    }
  }

  @Test(
    "Any other status than 200 is refused",
    arguments: [("404 Not Found", 404), ("500 Oops", 500), ("204 No Content", 204), ("206 Partial Content", 206)])
  func status(_ status: String, _ code: Int) async throws {
    await #expect(throws: KeySetFetchError.refused(status: code)) {
      try await Self.fetch { _ in .bytes([LoopbackServer.response(Self.keys, status: status)]) }
    }
  }

  @Test("Who says nothing, and who never ends, is given up on after the limit")
  func slow() async throws {
    for answer in [LoopbackServer.Answer.silence(after: []), .drip(.milliseconds(20))] {
      await #expect(throws: KeySetFetchError.silent(after: .milliseconds(300))) {
        try await Self.fetch(limit: .milliseconds(300)) { _ in answer }
      }
    }
  }

  @Test("An answer that breaks off is no key set")
  func truncated() async throws {
    let cut = LoopbackServer.response(Self.keys, length: Self.keys.count + 1)
    await #expect(throws: KeySetFetchError.self) { try await Self.fetch { _ in .bytes([cut]) } }
  }

  @Test("Where nobody listens, there is no answer")
  func unreachable() async throws {
    let error = try await #require(throws: KeySetFetchError.self) {
      try await KeySetFetcher().fetch(.web("http://127.0.0.1:1/jwks.json"))
    }
    guard case .unreachable = error else {
      Issue.record("found \(error), expected it unreachable")
      return
    }
  }

  @Test("A redirect to another place on the same server is followed")
  func redirected() async throws {
    let found = try await Self.fetch { request in
      request.path == "/elsewhere" ? .bytes([LoopbackServer.response(Self.keys)]) : Self.redirect(to: "/elsewhere")
    }
    #expect(found == Self.keys)
  }

  @Test("A redirect to another host, port or scheme is not followed")
  func redirectedAway() async throws {
    let asked = Mutex(0)
    let other = try LoopbackServer { _ in
      asked.withLock { $0 += 1 }
      return .bytes([LoopbackServer.response(Self.keys)])
    }
    for target in [
      "http://127.0.0.1:\(other.port)/jwks.json", "http://localhost:\(other.port)/jwks.json", "file:///etc/passwd",
    ] {
      await #expect(throws: KeySetFetchError.self) { try await Self.fetch { _ in Self.redirect(to: target) } }
    }
    #expect(asked.withLock { $0 } == 0)
  }

  @Test("Redirects without end are given up on")
  func loop() async throws {
    let asked = Mutex(0)
    await #expect(throws: KeySetFetchError.refused(status: 302)) {
      try await Self.fetch { _ in
        asked.withLock { $0 += 1 }
        return Self.redirect(to: "/set/jwks.json")
      }
    }
    #expect(asked.withLock { $0 } == 4)
  }

  @Test("A file is read within the same bound, and a missing one is named")
  func file() async throws {
    let path = NSTemporaryDirectory() + "murmur-keys-\(UUID().uuidString).json"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data(Self.keys).write(to: URL(filePath: path))
    #expect(try await KeySetFetcher().fetch(.file(path: path)) == Self.keys)
    try Data(count: 65_537).write(to: URL(filePath: path))
    await #expect(throws: KeySetFetchError.tooLarge) { try await KeySetFetcher().fetch(.file(path: path)) }
    try FileManager.default.removeItem(atPath: path)
    let error = try await #require(throws: KeySetFetchError.self) {
      try await KeySetFetcher().fetch(.file(path: path))
    }
    #expect(error.description.hasPrefix(path))
  }
}
