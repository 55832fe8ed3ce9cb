import Testing

@testable import ZeroMQ

@Suite("ZAP requests")
struct ZAPTests {
  static let key = [UInt8](repeating: 7, count: 32)

  static func frames(
    version: String = "1.0", domain: String = "murmur.worker", mechanism: String = "CURVE",
    credentials: [[UInt8]] = [key]
  ) -> [[UInt8]] {
    [version, "request-1", domain, "192.0.2.1", "", mechanism].map { Array($0.utf8) } + credentials
  }

  static func outcome(_ frames: [[UInt8]]) -> Result<String, ZAPRefusal> {
    let table: [ZAPDomain: [CurvePublicKey: String]] =
      CurvePublicKey(bytes: key).map { [.worker: [$0: "worker-7"]] } ?? [:]
    do throws(ZAPRefusal) {
      return .success(try ZAPRequest(frames: frames).userID(in: table))
    } catch {
      return .failure(error)
    }
  }

  @Test(
    "Each request is answered by the first rule it breaks",
    arguments: [
      (frames(), .success("worker-7")),
      ([], .failure(.malformedRequest)),
      (Array(frames()[..<5]), .failure(.malformedRequest)),
      (frames(version: "2.0"), .failure(.unsupportedVersion)),
      (frames(domain: ""), .failure(.unknownDomain)),
      (frames(domain: "murmur.serve"), .failure(.unknownDomain)),
      (frames(mechanism: "NULL", credentials: []), .failure(.wrongMechanism)),
      (frames(mechanism: "PLAIN", credentials: [[1], [2]]), .failure(.wrongMechanism)),
      (frames(credentials: []), .failure(.malformedRequest)),
      (frames(credentials: [[UInt8](repeating: 7, count: 31)]), .failure(.malformedRequest)),
      (frames(credentials: [key, key]), .failure(.malformedRequest)),
      (frames(credentials: [[UInt8](repeating: 8, count: 32)]), .failure(.unknownKey)),
    ] as [([[UInt8]], Result<String, ZAPRefusal>)])
  func answers(frames: [[UInt8]], with expected: Result<String, ZAPRefusal>) {
    #expect(Self.outcome(frames) == expected)
  }

  @Test("Malformed requests on the wire are refused by status, counted, and leave the authenticator working")
  func survivesMalformedRequests() throws {
    let context = try Context()
    let authenticator = try ZAPAuthenticator(in: context)
    authenticator.admit(try #require(CurvePublicKey(bytes: Self.key)), as: "worker-7", in: .worker)
    let socket = try Socket(.dealer, in: context)
    try socket.connect(.inproc(name: "zeromq.zap.01"))

    func ask(_ frames: [[UInt8]]) throws -> [String] {
      #expect(try socket.send(frames.map { Frame(copying: $0) }) == .sent)
      guard try socket.waitUntilReadable(within: .seconds(20)), case .message(let reply) = try socket.receive() else {
        return []
      }
      return reply.frames.map(\.text)
    }
    #expect(try ask([[]]) == ["", "1.0", "", "500", "malformedRequest", "", ""])
    #expect(
      try ask([[]] + Self.frames(version: "9")) == ["", "1.0", "request-1", "500", "unsupportedVersion", "", ""])
    #expect(
      try ask([[]] + Self.frames(mechanism: "NULL", credentials: []))
        == ["", "1.0", "request-1", "400", "wrongMechanism", "", ""])
    #expect(try socket.send([Frame("no delimiter")]) == .sent)
    #expect(try socket.send((0..<40).map { Frame("\($0)") }) == .sent)
    #expect(try ask([[]] + Self.frames()) == ["", "1.0", "request-1", "200", "OK", "worker-7", ""])
    #expect(
      authenticator.statistics
        == .init(
          admissionCount: 1, refusalCounts: [.malformedRequest: 3, .unsupportedVersion: 1, .wrongMechanism: 1]))
  }

  @Test("A socket without CURVE that has a domain is refused, because NULL proves nothing")
  func refusesNullMechanism() async throws {
    try await Stage.run { stage in
      let authenticator = try ZAPAuthenticator(in: stage.context)
      authenticator.replace(with: [.worker: [:]])
      let router = try await stage.open(.control(.binding)) { try $0.set(.zapDomain(.worker)) }
      let dealer = try await stage.open(.control(.connecting))
      try await dealer.connect(try await router.bind())
      #expect(await dealer.becomes { $0.connections.contains(.handshakeRefused(status: 400)) })
      #expect(authenticator.statistics.refusalCounts[.wrongMechanism, default: 0] >= 1)
    }
  }
}
