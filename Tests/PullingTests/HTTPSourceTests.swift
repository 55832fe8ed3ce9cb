import Federation
import LoopbackWeb
import ModelRegistry
import Testing
import WebClient

@testable import Pulling

@Suite("Pulling over HTTP", .timeLimit(.minutes(2)))
struct HTTPSourceTests {
  /// A node's answers to what a puller asks for.
  private static func answer(
    _ request: LoopbackServer.Request, _ version: PublishedVersion, prefix: String = "/set"
  ) -> LoopbackServer.Answer {
    let base = "\(prefix)/v1/models"
    let digest = "sha256:\(version.digest)"
    let listing =
      "[{\"name\":\"digits\",\"version\":\(version.manifest.version),\"digest\":\"\(digest)\",\"aliases\":[\"latest\"]}]\n"
    func file(_ name: String, _ selectors: String...) -> Bool {
      selectors.contains { request.path == "\(base)/digits/\($0)/\(name)" }
    }
    let number = "\(version.manifest.version)"
    if request.path == base { return .bytes([LoopbackServer.response(Array(listing.utf8))]) }
    if file("manifest.json", digest, number, "latest") {
      return .bytes([LoopbackServer.response(version.signed.bytes)])
    }
    if file("manifest.sig", digest) {
      return .bytes([LoopbackServer.response(Array("\(version.signed.signature.hex)\n".utf8))])
    }
    for (attachment, bytes) in version.attachments?.files ?? [] where file(attachment.name, digest) {
      return .bytes([LoopbackServer.response(bytes)])
    }
    guard file("model.safetensors", digest) else {
      return .bytes([
        LoopbackServer.response(Array("{\"error\":\"found no such thing\"}".utf8), status: "404 Not Found")
      ])
    }
    guard let range = request.range else { return .bytes([LoopbackServer.response(version.file)]) }
    return .bytes([part(range, of: version.file)])
  }

  private static func part(_ range: String, of file: [UInt8]) -> [UInt8] {
    let ends = range.split(separator: "-").compactMap { Int($0) }
    let last = min(ends[1], file.count - 1)
    return LoopbackServer.response(
      Array(file[ends[0]...last]), status: "206 Partial Content",
      header: "Content-Range: bytes \(ends[0])-\(last)/\(file.count)\r\n")
  }

  private static func source(
    _ server: LoopbackServer, apiKey: String? = nil, sliceByteCount: UInt64 = 100_000, patience: Duration = .seconds(10)
  ) throws -> HTTPSource {
    HTTPSource(
      try #require(WebAddress(server.place)), apiKey: apiKey, patience: patience, sliceByteCount: sliceByteCount)
  }

  @Test("A version comes in slices, each asked for by the manifest's digest")
  func slices() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let ranges = Locked<[String?]>([])
    let server = try LoopbackServer { request in
      if request.path.hasSuffix("model.safetensors") {
        ranges.withLock { $0.append(request.range) }
        guard request.headers["if-range"] == "\"sha256-\(version.manifest.file.digest)\"" else {
          return .bytes([LoopbackServer.response([])])
        }
      }
      return Self.answer(request, version)
    }
    let model = try await fixture.puller(Self.source(server)).pull(.typed("digits"), into: fixture.path("out"))
    #expect(try PulledModel.verify(directory: fixture.path("out"), membership: fixture.membership) == model)
    #expect(
      ranges.withLock { $0 } == ["0-99999", "100000-199999", "200000-299999", "300000-\(version.file.count - 1)"])
  }

  @Test("A file that fits one slice is asked for whole")
  func whole() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3, isSigned: true)
    let server = try LoopbackServer { Self.answer($0, version) }
    let source = try Self.source(server, sliceByteCount: HTTPSource.sliceByteCount)
    let model = try await fixture.puller(source).pull(.typed("digits@3"), into: fixture.cache)
    #expect(try DurableFile.read(model.modelPath, byteCountMax: version.file.count) == version.file)
    #expect(DurableFile.exists("\(model.directory)/model.sig"))
    let offered = try await source.models()
    #expect(offered.map(\.digest) == [version.digest] && offered.map(\.aliases) == [[.latest]])
  }

  @Test("What an interrupted download left is not asked for again, to the byte")
  func resumes() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let ranges = Locked<[String?]>([])
    let server = try LoopbackServer { request in
      if request.path.hasSuffix("model.safetensors") { ranges.withLock { $0.append(request.range) } }
      return Self.answer(request, version)
    }
    try fixture.cache.makeFolders()
    try DurableFile.write(
      Array(version.file[..<77_777]), to: fixture.cache.partialPath(version.manifest.file.digest))
    _ = try await fixture.puller(Self.source(server, sliceByteCount: 1 << 20)).pull(
      .typed("digits"), into: fixture.cache)
    #expect(ranges.withLock { $0 } == ["77777-\(version.file.count - 1)"])
  }

  @Test("A connection that breaks in the middle is made again, and goes on from the byte that is missing")
  func broken() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let answers = Locked(0)
    let server = try LoopbackServer { request in
      guard request.path.hasSuffix("model.safetensors") else { return Self.answer(request, version) }
      let count = answers.withLock { count in
        count += 1
        return count
      }
      guard count == 2, let range = request.range else { return Self.answer(request, version) }
      return .bytes([Array(Self.part(range, of: version.file).dropLast(40_000))])
    }
    let model = try await fixture.puller(Self.source(server)).pull(.typed("digits"), into: fixture.cache)
    #expect(try PulledModel.verify(directory: model.directory, membership: fixture.membership) == model)
  }

  @Test("A node that is silent, or has another file, gives way to the next one of any kind")
  func failover() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let silent = try LoopbackServer { request in
      request.path.hasSuffix("model.safetensors")
        ? .silence(after: Array(Self.part(request.range ?? "0-99999", of: version.file).prefix(20_000)))
        : Self.answer(request, version)
    }
    let node = ScriptedSource("tcp://b", version)
    _ = try await fixture.puller(Self.source(silent, patience: .milliseconds(600)), node)
      .pull(.typed("digits"), into: fixture.cache)
    #expect(node.offsets.count == 1)
    #expect(try #require(node.offsets.first) > 0)
  }

  @Test(
    "A status says what kind of failure it is, and the server's reason is shown",
    arguments: [
      ("401 Unauthorized", PullError.Kind.notAuthorised), ("403 Forbidden", .notAuthorised),
      ("404 Not Found", .notFound),
      ("500 Internal Server Error", .network), ("400 Bad Request", .network), ("302 Found", .network),
    ])
  func statuses(status: String, kind: PullError.Kind) async throws {
    let fixture = try Fixture()
    let server = try LoopbackServer { _ in
      .bytes([
        LoopbackServer.response(
          Array("{\"error\":\"a reason\\u001b[2J\"}".utf8), status: status, header: "Location: http://127.0.0.1:1/\r\n")
      ])
    }
    let puller = fixture.puller(try Self.source(server))
    let error = await failure { () throws(PullError) in _ = try await puller.manifest(of: .typed("digits")) }
    #expect(error?.kind == kind)
    #expect(error?.message.contains("a reason") == true)
    #expect(error?.message.contains("\u{1B}") == false)
  }

  @Test("A node that is busy is asked again a few times", arguments: [2, 100])
  func busy(answers: Int) async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let left = Locked(answers)
    let asked = Locked(0)
    let server = try LoopbackServer { request in
      asked.withLock { $0 += 1 }
      let isBusy = left.withLock { left in
        left -= 1
        return left >= 0
      }
      return isBusy
        ? .bytes([LoopbackServer.response([], status: "429 Too Many Requests", header: "Retry-After: 0\r\n")])
        : Self.answer(request, version)
    }
    let puller = fixture.puller(try Self.source(server))
    let error = await failure { () throws(PullError) in _ = try await puller.manifest(of: .typed("digits")) }
    #expect(error?.kind == (answers > 2 ? .network : nil))
    #expect(asked.withLock { $0 } == (answers > 2 ? HTTPSource.busyAnswersMax : 5))
  }

  @Test("An API key goes with every request")
  func authorised() async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let server = try LoopbackServer { request in
      request.headers["authorization"] == "Bearer murmur_key"
        ? Self.answer(request, version) : .bytes([LoopbackServer.response([], status: "401 Unauthorized")])
    }
    _ = try await fixture.puller(Self.source(server, apiKey: "murmur_key")).pull(.typed("digits"), into: fixture.cache)
    let stranger = fixture.puller(try Self.source(server))
    let error = await failure { () throws(PullError) in _ = try await stranger.models() }
    #expect(error?.kind == .notAuthorised)
  }

  @Test(
    "An answer to a range that is not that range is refused before a byte of it is written",
    arguments: ["bytes 0-99999/300000", "bytes 1-100000/300072", "bytes */300072", ""])
  func wrongRange(header: String) async throws {
    let fixture = try Fixture()
    let version = try fixture.version(3)
    let server = try LoopbackServer { request in
      guard request.path.hasSuffix("model.safetensors") else { return Self.answer(request, version) }
      return .bytes([
        LoopbackServer.response(
          Array(version.file.prefix(100_000)), status: "206 Partial Content", header: "Content-Range: \(header)\r\n")
      ])
    }
    let puller = fixture.puller(try Self.source(server))
    let error = await failure { () throws(PullError) in
      _ = try await puller.pull(.typed("digits"), into: fixture.path("out"))
    }
    #expect(error?.kind == .verificationFailed)
    #expect(try DurableFile.names(in: fixture.root).isEmpty)
  }
}
