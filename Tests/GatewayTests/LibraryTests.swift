import HTTPProbe
import ModelRegistry
import Testing

@testable import Gateway

@Suite("Versions as files")
struct LibraryTests {
  private static let path = "/v1/models/m/latest/model.safetensors"

  @Test("The file comes whole, with its digest as its tag, and not again to who has it")
  func whole() async throws {
    let gateway = try await TestGateway()
    let probe = try gateway.probe()
    let answer = try probe.ask("GET", Self.path)
    #expect(answer.status == 200)
    #expect(answer.body == gateway.files.bytes)
    let tag = try #require(answer.headers["etag"])
    #expect(tag == "\"sha256-\(gateway.files.version.weights.digest)\"")
    let head = try probe.ask("HEAD", Self.path)
    #expect(head.headers["content-length"] == "\(gateway.files.bytes.count)")
    #expect(try probe.ask("GET", Self.path, headers: [("if-none-match", tag)]).status == 304)
    #expect(try probe.ask("GET", "/v1/models/m/1/manifest.json").text == "{}")
  }

  @Test("Any range is what lies there")
  func ranges() async throws {
    let gateway = try await TestGateway()
    let probe = try gateway.probe(), bytes = gateway.files.bytes
    for start in stride(from: 0, to: bytes.count, by: 7) {
      let end = min(bytes.count - 1, start + 11)
      let answer = try probe.ask("GET", Self.path, headers: [("range", "bytes=\(start)-\(end)")])
      #expect(answer.status == 206)
      #expect(answer.body == Array(bytes[start...end]))
      #expect(answer.headers["content-range"] == "bytes \(start)-\(end)/\(bytes.count)")
    }
    let rest = try probe.ask("GET", Self.path, headers: [("range", "bytes=5-")])
    #expect(rest.body == Array(bytes[5...]))
    #expect(try probe.ask("GET", Self.path, headers: [("range", "bytes=-9")]).body == Array(bytes.suffix(9)))
    #expect(try probe.ask("GET", Self.path, headers: [("range", "bytes=\(bytes.count)-")]).status == 416)
    let other = try probe.ask("GET", Self.path, headers: [("range", "bytes=5-"), ("if-range", "\"sha256-other\"")])
    #expect(other.status == 200 && other.body == bytes)
  }

  @Test(
    "A range of bytes is read as RFC 9110 has it",
    arguments: [
      ("bytes=0-0", .part(0..<1)), ("bytes=2-", .part(2..<10)), ("bytes=-3", .part(7..<10)),
      ("bytes=-30", .part(0..<10)),
      ("bytes=9-99", .part(9..<10)), ("bytes=10-", .unsatisfiable), ("bytes=-0", .unsatisfiable),
      ("bytes=3-2", .whole), ("bytes=a-b", .whole), ("bytes=1-2,4-5", .whole), ("items=0-1", .whole),
      ("bytes=-", .whole),
      ("bytes=1-2-3", .whole), ("bytes=99999999999999999999-", .whole),
    ] as [(String, ByteRange)])
  func parsing(_ field: String, _ range: ByteRange) { #expect(ByteRange(field, of: 10) == range) }
}
