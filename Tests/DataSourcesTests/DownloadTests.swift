import Cryptography
import DataSources
import Foundation
import LoopbackWeb
import Testing

/// Downloads from a server of the test's own. None of them needs a network.
@Suite struct DownloadTests {
  private static let content = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
  private static let file = DataSource.File(
    name: "a.bin", localName: "b.bin", byteCount: content.count, digest: digest(content))

  private static func digest(_ bytes: [UInt8]) -> String {
    SHA256.hash(bytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// A folder that has nothing but what a finished download gives.
  private final class Target: Sendable {
    let folder = NSTemporaryDirectory() + "murmur-get-\(UUID().uuidString)"
    var path: String { folder + "/b.bin" }
    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: folder) }
    var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? ["?"] }
  }

  private static func run(
    _ target: Target, _ places: [String], patience: Duration = .seconds(20), limit: Duration = .seconds(60),
    progress: (Int) -> Void = { _ in }
  ) async throws(DataSourceError) {
    var download = Download()
    download.patience = patience
    download.limit = limit
    try await download.run(file, from: places, to: target.path, progress: progress)
  }

  /// A download that is on its way, and has written its first bytes.
  private static func begin(_ target: Target, _ places: [String]) async -> Task<Void, any Error> {
    let (arrivals, arrival) = AsyncStream.makeStream(of: Int.self)
    let task = Task {
      defer { arrival.finish() }
      try await run(target, places, progress: { arrival.yield($0) })
    }
    for await count in arrivals where count > 0 { break }
    return task
  }

  @Test("A file with the right digest gets its name, and nothing else is left", arguments: [0, 1, 70_000])
  func isRight(firstPiece: Int) async throws {
    let whole = LoopbackServer.response(Self.content)
    let server = try LoopbackServer { request in
      request.path == "/set/a.bin"
        ? .bytes([Array(whole[..<firstPiece]), Array(whole[firstPiece...])])
        : .bytes([LoopbackServer.response([], status: "404 Not Found")])
    }
    let target = try Target()
    var seen = 0
    try await Download().run(Self.file, from: [server.place], to: target.path) { seen = $0 }
    #expect(target.names == ["b.bin"])
    #expect(try Data(contentsOf: URL(filePath: target.path)).elementsEqual(Self.content))
    #expect(seen == Self.content.count)
    #expect(try Self.file.isThere(at: target.path))
  }

  @Test("A body without a stated length is taken as well, and a slash behind the place does not count")
  func noLength() async throws {
    let body = Array("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".utf8) + Self.content
    let server = try LoopbackServer { _ in .bytes([body]) }
    let target = try Target()
    try await Self.run(target, [server.place + "/"])
    #expect(target.names == ["b.bin"])
  }

  @Test("A wrong byte is found by the digest, and nothing is left")
  func wrongDigest() async throws {
    var wrong = Self.content
    wrong[77] ^= 1
    let answer = LoopbackServer.response(wrong)
    let server = try LoopbackServer { _ in .bytes([answer]) }
    let target = try Target()
    await #expect(
      throws: DataSourceError.wrongDigest(
        place: "\(server.place)/a.bin", found: Self.digest(wrong), expected: Self.file.digest)
    ) { try await Self.run(target, [server.place]) }
    #expect(target.names == [])
  }

  @Test("A body that ends early is named, whether its length was stated or not", arguments: [true, false])
  func truncated(isStated: Bool) async throws {
    let part = Array(Self.content[..<1_000])
    let answer =
      isStated
      ? LoopbackServer.response(part, length: Self.content.count)
      : Array("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".utf8) + part
    let server = try LoopbackServer { _ in .bytes([answer]) }
    let target = try Target()
    let error = await #expect(throws: DataSourceError.self) { try await Self.run(target, [server.place]) }
    #expect(error == .truncated(url: "\(server.place)/a.bin", found: 1_000, expected: Self.content.count))
    #expect(target.names == ["b.bin.partial"])
  }

  @Test("A body that is too long is given up before it is written")
  func tooLong() async throws {
    let answer = LoopbackServer.response(Self.content + [0])
    let server = try LoopbackServer { _ in .bytes([answer]) }
    let target = try Target()
    await #expect(throws: DataSourceError.tooLong(place: "\(server.place)/a.bin", expected: Self.content.count)) {
      try await Self.run(target, [server.place])
    }
    #expect(target.names == [])
  }

  @Test("A body that never ends is given up when it is too long, or when its time is over")
  func endless() async throws {
    let server = try LoopbackServer { _ in .drip(.milliseconds(20)) }
    let target = try Target()
    await #expect(throws: DataSourceError.tooSlow(url: "\(server.place)/a.bin", seconds: 0.5)) {
      try await Self.run(target, [server.place], limit: .milliseconds(500))
    }
    #expect(target.names == ["b.bin.partial"])
  }

  @Test("A status other than 200 is named", arguments: [("404 Not Found", 404), ("503 Busy", 503), ("206 Part", 206)])
  func refused(status: String, code: Int) async throws {
    let answer = LoopbackServer.response(Self.content, status: status)
    let server = try LoopbackServer { _ in .bytes([answer]) }
    let target = try Target()
    await #expect(throws: DataSourceError.refused(url: "\(server.place)/a.bin", status: code)) {
      try await Self.run(target, [server.place])
    }
    #expect(target.names == [])
  }

  @Test("A server that says nothing, or stops in the middle, is given up", arguments: [0, 5_000])
  func silent(after byteCount: Int) async throws {
    let answer = byteCount == 0 ? [] : Array(LoopbackServer.response(Self.content)[..<byteCount])
    let server = try LoopbackServer { _ in .silence(after: answer) }
    let target = try Target()
    await #expect(throws: DataSourceError.silent(url: "\(server.place)/a.bin", seconds: 0.5)) {
      try await Self.run(target, [server.place], patience: .milliseconds(500))
    }
    #expect(target.names == (byteCount == 0 ? [] : ["b.bin.partial"]))
  }

  @Test("A place that does not answer or refuses leads to the next one; a wrong digest does not")
  func places() async throws {
    let right = LoopbackServer.response(Self.content)
    let good = try LoopbackServer { _ in .bytes([right]) }
    let missing = try LoopbackServer { _ in .bytes([LoopbackServer.response([], status: "404 Not Found")]) }
    let wrong = try LoopbackServer { _ in
      .bytes([LoopbackServer.response([UInt8](repeating: 0, count: Self.content.count))])
    }
    let closed = "http://127.0.0.1:1/set"
    let target = try Target()
    await #expect(throws: DataSourceError.self) { try await Self.run(target, [wrong.place, good.place]) }
    #expect(target.names == [])
    let error = await #expect(throws: DataSourceError.self) { try await Self.run(target, [closed]) }
    guard case .unreachable("http://127.0.0.1:1/set/a.bin", _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    try await Self.run(target, [closed, missing.place, good.place])
    #expect(target.names == ["b.bin"])
  }

  @Test(
    "What is no address of a web server is refused", arguments: ["", "nowhere", "file:///etc", "ftp://a/b", "http:"])
  func badAddress(place: String) async throws {
    let target = try Target()
    await #expect(throws: DataSourceError.badAddress(place)) { try await Self.run(target, [place]) }
    #expect(target.names == [])
  }

  /// What the server was asked for, in order.
  private final class Ranges: @unchecked Sendable {
    private let lock = NSLock()
    private var list: [String] = []
    func append(_ range: String?) { lock.withLock { list.append(range ?? "all") } }
    var all: [String] { lock.withLock { list } }
  }

  @Test("A download that is cancelled leaves its part, and the next one asks for the rest only")
  func cancelled() async throws {
    let whole = LoopbackServer.response(Self.content)
    let slow = try LoopbackServer { _ in .silence(after: Array(whole[..<5_000])) }
    let target = try Target()
    let part = target.path + ".partial"
    let task = await Self.begin(target, [slow.place])
    task.cancel()
    await #expect(throws: DataSourceError.cancelled) { try await task.value }
    #expect(target.names == ["b.bin.partial"])
    let offset = try Data(contentsOf: URL(filePath: part)).count
    #expect(offset > 0)
    let ranges = Ranges()
    let good = try LoopbackServer { request in
      ranges.append(request.range)
      return .bytes([LoopbackServer.rest(of: Self.content, from: offset)])
    }
    try await Self.run(target, [good.place])
    #expect(ranges.all == ["\(offset)-"])
    #expect(target.names == ["b.bin"])
    #expect(try Data(contentsOf: URL(filePath: target.path)).elementsEqual(Self.content))
  }

  @Test("A download goes on as often as it is interrupted, at other places too, and never asks for a byte twice")
  func goesOn() async throws {
    let target = try Target()
    let ranges = Ranges()
    for _ in 0..<3 {
      let server = try LoopbackServer { request in
        ranges.append(request.range)
        let offset = request.range.flatMap { Int($0.dropLast()) } ?? 0
        let answer =
          offset == 0 ? LoopbackServer.response(Self.content) : LoopbackServer.rest(of: Self.content, from: offset)
        // Headers are less than a thousand bytes.
        return .bytes([offset < 100_000 ? Array(answer[..<51_000]) : answer])
      }
      do throws(DataSourceError) {
        try await Self.run(target, [server.place])
      } catch {
        guard case .truncated = error else {
          Issue.record("\(error)")
          return
        }
        #expect(target.names == ["b.bin.partial"])
      }
    }
    #expect(ranges.all.count == 3 && ranges.all[0] == "all" && Set(ranges.all).count == 3)
    #expect(target.names == ["b.bin"])
    #expect(try Self.file.isThere(at: target.path))
  }

  @Test(
    "A place that does not give the rest, or gives another rest, is asked for all of the file",
    arguments: ["whole", "other range", "no range", "416", "wrong part", "too much"])
  func startsOver(how: String) async throws {
    let target = try Target()
    let ranges = Ranges()
    var part = Array(Self.content[..<5_000])
    if how == "wrong part" { part[77] ^= 1 }
    try Data(part).write(to: URL(filePath: target.path + ".partial"))
    let server = try LoopbackServer { request in
      ranges.append(request.range)
      guard request.range == "5000-", how != "whole" else { return .bytes([LoopbackServer.response(Self.content)]) }
      switch how {
      case "other range": return .bytes([LoopbackServer.rest(of: Self.content, from: 5_000, announced: 4_999)])
      case "no range": return .bytes([LoopbackServer.response(Self.content, status: "206 Partial Content")])
      case "416": return .bytes([LoopbackServer.response([], status: "416 Range Not Satisfiable")])
      case "too much": return .bytes([LoopbackServer.rest(of: Self.content + [0], from: 5_000)])
      default: return .bytes([LoopbackServer.rest(of: Self.content, from: 5_000)])
      }
    }
    try await Self.run(target, [server.place])
    #expect(ranges.all == (how == "whole" ? ["5000-"] : ["5000-", "all"]))
    #expect(target.names == ["b.bin"])
    #expect(try Self.file.isThere(at: target.path))
  }

  @Test("A part that is the whole file is taken without asking; one that is longer or wrong is forgotten")
  func wholePart() async throws {
    let target = try Target()
    let ranges = Ranges()
    let server = try LoopbackServer { request in
      ranges.append(request.range)
      return .bytes([LoopbackServer.response(Self.content)])
    }
    var wrong = Self.content
    wrong[0] ^= 1
    for (part, asked) in [(Self.content, []), (Self.content + [0], ["all"]), (wrong, ["all", "all"])] {
      try? FileManager.default.removeItem(atPath: target.path)
      try Data(part).write(to: URL(filePath: target.path + ".partial"))
      try await Self.run(target, [server.place])
      #expect(ranges.all == asked)
      #expect(target.names == ["b.bin"])
      #expect(try Self.file.isThere(at: target.path))
    }
  }

  @Test("Two downloads of one file do not mix")
  func busy() async throws {
    let whole = LoopbackServer.response(Self.content)
    let slow = try LoopbackServer { _ in .silence(after: Array(whole[..<5_000])) }
    let target = try Target()
    let task = await Self.begin(target, [slow.place])
    await #expect(throws: DataSourceError.busy(path: target.path + ".partial")) {
      try await Self.run(target, [slow.place])
    }
    task.cancel()
    _ = await task.result
  }

  @Test("A file is copied from a folder or from itself, by any of its names")
  func copies() throws {
    let source = try Target(), target = try Target()
    for name in ["a.bin", "b.bin"] {
      try Data(Self.content).write(to: URL(filePath: "\(source.folder)/\(name)"))
      try Self.file.copy(from: source.folder, to: target.path)
      #expect(try Self.file.isThere(at: target.path))
      try Self.file.copy(from: "\(source.folder)/\(name)", to: target.path)
      try FileManager.default.removeItem(atPath: "\(source.folder)/\(name)")
    }
    #expect(target.names == ["b.bin"])
  }

  @Test("A copy that is missing, short, long or wrong is refused, and nothing is left")
  func badCopies() throws {
    let source = try Target(), target = try Target()
    func refusal(_ bytes: [UInt8]?) throws -> DataSourceError? {
      if let bytes { try Data(bytes).write(to: URL(filePath: source.path)) }
      do throws(DataSourceError) {
        try Self.file.copy(from: source.folder, to: target.path)
        return nil
      } catch {
        return error
      }
    }
    #expect(try refusal(nil) == .missing(path: source.path))
    #expect(
      try refusal([1, 2, 3]) == .wrongLength(path: source.path, found: 3, expected: Self.content.count))
    #expect(try refusal(Self.content + [0]) == .tooLong(place: source.path, expected: Self.content.count))
    let zeros = [UInt8](repeating: 0, count: Self.content.count)
    #expect(
      try refusal(zeros)
        == .wrongDigest(place: source.path, found: Self.digest(zeros), expected: Self.file.digest))
    #expect(target.names == [])
  }

  @Test("Another file of the name is never taken for the right one, and never replaced")
  func occupied() throws {
    let target = try Target()
    #expect(try !Self.file.isThere(at: target.path))
    try Data([1]).write(to: URL(filePath: target.path))
    #expect(
      throws: DataSourceError.occupied(
        path: target.path, found: Self.digest([1]), expected: Self.file.digest)
    ) { try Self.file.isThere(at: target.path) }
    try Data(Self.content + [1]).write(to: URL(filePath: target.path))
    #expect(
      throws: DataSourceError.occupied(path: target.path, found: "a longer file", expected: Self.file.digest)
    ) { try Self.file.isThere(at: target.path) }
  }

  @Test(
    "Data sets are kept where the environment says, or in the user's cache",
    arguments: [
      (["MURMUR_DATA": "/d", "XDG_CACHE_HOME": "/c", "HOME": "/h"], "/d/mnist"),
      (["MURMUR_DATA": "", "XDG_CACHE_HOME": "/c", "HOME": "/h"], "/c/murmuration/mnist"),
      (["HOME": "/h"], "/h/.cache/murmuration/mnist"), ([:], "murmuration/mnist"),
    ])
  func cache(environment: [String: String], folder: String) {
    #expect(DataSource.named("mnist")?.cacheDirectory(environment) == folder)
  }

  @Test("Every source has different files with whole digests, and is found by its name", arguments: DataSource.all)
  func catalogue(source: DataSource) {
    #expect(DataSource.named(source.name) == source)
    #expect(Set(source.files.map(\.localName)).count == source.files.count)
    #expect(source.files.map(\.localName).contains(source.examples))
    #expect(source.places.allSatisfy { $0.hasPrefix("https://") && !$0.hasSuffix("/") })
    for file in source.files {
      #expect(file.digest.count == 64 && file.digest.allSatisfy { $0.isHexDigit && !$0.isUppercase })
      #expect(file.byteCount > 0 && !file.localName.contains("/"))
    }
  }
}
