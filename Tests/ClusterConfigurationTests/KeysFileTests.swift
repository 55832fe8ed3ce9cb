import Access
import ClusterConfiguration
import Cryptography
import Federation
import Glibc
import ModelRegistry
import Testing

@Suite("The file of API keys")
struct KeysFileTests {
  private static let digest = String(repeating: "0", count: 64)

  static let text = """
    keys:
      - id: k1a2
        name: dashboards
        sha256: "\(digest)"
        scopes: [model:infer:digits*]
        expires: 2027-01-01T00:00:00Z
        rate: {per-second: 50, burst: 100}
      - {id: 12, name: 7, sha256: \(digest), scopes: admin}
    """

  static func read(_ text: String) throws(ConfigurationError) -> KeysFile {
    try KeysFile.read(file(text, named: "keys.yaml"))
  }

  private static func record(_ id: String, expires: UInt64? = nil, rate: RateLimit? = nil) throws -> APIKeyRecord {
    APIKeyRecord(
      id: id, name: "test", digest: Digest(unchecked: SHA256.hash(Array(id.utf8))),
      scopes: [try Scope("model:infer:digits*"), Scope(.admin)], expires: expires, rate: rate)
  }

  @Test("A key has an id, a name, the digest of its secret and scopes; it may expire and have a rate of its own")
  func whole() throws {
    let records = try Self.read(Self.text).records
    #expect(records.map(\.id) == ["k1a2", "12"])
    #expect(records.map(\.name.text) == ["dashboards", "7"])
    #expect(records.map(\.digest.hex) == [Self.digest, Self.digest])
    #expect(records.map { $0.scopes.map(\.description) } == [["model:infer:digits*"], ["admin"]])
    #expect(records.map(\.expires) == [1_798_761_600, nil])
    #expect(records.map(\.rate) == [RateLimit(perSecond: 50, burst: 100), nil])
  }

  @Test("What is written is read again, whatever it is")
  func roundTrip() throws {
    let rate = try #require(RateLimit(perSecond: 0.001, burst: 1_000_000))
    let file = KeysFile([
      try Self.record("0"), try Self.record("1e5", expires: 1_798_761_600), try Self.record("null", rate: rate),
      try Self.record("true", expires: 0, rate: RateLimit(perSecond: 1_000_000, burst: 1)),
    ])
    #expect(try Self.read(file.text) == file)
    #expect(try Self.read(KeysFile().text) == KeysFile())
  }

  struct Case: CustomTestStringConvertible, Sendable {
    let old: String
    let new: String
    let line: String
    var testDescription: String { new }
  }

  static let cases = [
    Case(old: "keys:", new: "key:", line: "1: key 'key': found an unknown key, expected 'keys', the nearest known key"),
    Case(
      old: "    name: dashboards\n", new: "",
      line: "2: key 'keys[0].name': found no such key, expected a name: 1 to 128 letters, digits, '.', '_' or '-', a "
        + "letter or digit first"),
    Case(
      old: "id: k1a2", new: "id: K1_a",
      line: "2: key 'keys[0].id': found \"K1_a\", expected an id: 1 to 32 small letters and digits"),
    Case(
      old: "id: 12", new: "id: k1a2", line: "8: key 'keys[1].id': found \"k1a2\" a second time, expected every id once"),
    Case(
      old: "sha256: \"\(digest)\"", new: "sha256: \"00\"",
      line: "4: key 'keys[0].sha256': found \"00\", expected 64 hexadecimal digits: SHA-256 of the key's secret"),
    Case(
      old: "sha256: \"0", new: "secret: \"0",
      line:
        "4: key 'keys[0].secret': found an unknown key, expected one of 'id', 'name', 'sha256', 'scopes', 'expires' or "
        + "'rate'"),
    Case(
      old: "[model:infer:digits*]", new: "[admin:digits]",
      line: "5: key 'keys[0].scopes': found \"admin:digits\", expected 'admin' alone: it is not about a model"),
    Case(
      old: "[model:infer:digits*]", new: "[]",
      line: "5: key 'keys[0].scopes': found a list, expected a scope such as 'model:infer:digits*', 'model:read' or "
        + "'admin', or a list of different ones"),
    Case(
      old: "2027-01-01T00:00:00Z", new: "2027-02-29",
      line:
        "6: key 'keys[0].expires': found \"2027-02-29\", expected a moment such as '2027-01-01T00:00:00Z', or a day "
        + "such as '2027-01-01'"),
    Case(
      old: "per-second: 50", new: "per-second: 2e6",
      line: "7: key 'keys[0].rate.per-second': found 2e6, expected a number from 0.001 to 1000000.0"),
    Case(
      old: "{id: 12, name: 7, sha256: \(digest), scopes: admin}", new: "7",
      line: "8: key 'keys[1]': found 7, expected a mapping of keys to values"),
  ]

  @Test("What is wrong with keys.yaml is one line with file, line, key, found and expected", arguments: cases)
  func wrong(_ wrong: Case) throws {
    let text = Self.text.replacing(wrong.old, with: wrong.new)
    try #require(text != Self.text)
    let error = try #require(throws: ConfigurationError.self) { try Self.read(text) }
    #expect(error.description == "keys.yaml:" + wrong.line)
  }

  // MARK: On disk

  @Test("Keys are added and taken out of a folder's file, which nobody but its owner reads")
  func change() throws {
    let folder = try TemporaryFolder()
    try KeysFile.change(home: folder.path) { [first = try Self.record("a"), second = try Self.record("b")] file in
      file.add(first)
      file.add(second)
    }
    #expect(try KeysFile.load(home: folder.path).records.map(\.id) == ["a", "b"])
    #expect(try KeysFile.change(home: folder.path) { $0.remove(id: "a") }?.id == "a")
    #expect(try KeysFile.change(home: folder.path) { $0.remove(id: "a") } == nil)
    #expect(try KeysFile.load(home: folder.path).records.map(\.id) == ["b"])
    #expect(FederationHomeTests.mode("\(folder.path)/keys.yaml") == 0o600)
    #expect(try DurableFile.names(in: folder.path) == ["keys.yaml"])
  }

  @Test("A file that another program is changing is left alone")
  func busy() throws {
    let folder = try TemporaryFolder()
    let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    try #require(descriptor >= 0 && flock(descriptor, LOCK_EX) == 0)
    #expect(throws: HomeError.busy("\(folder.path)/keys.yaml")) { try KeysFile.change(home: folder.path) { _ in } }
    close(descriptor)
    try KeysFile.change(home: folder.path) { _ in }
    #expect(try KeysFile.load(home: folder.path) == KeysFile())
  }

  @Test("A file with a mistake is not written over")
  func mistake() throws {
    let folder = try TemporaryFolder()
    try folder.write("keys: 7\n", to: "keys.yaml")
    #expect(throws: HomeError.self) { try KeysFile.change(home: folder.path) { _ in } }
    #expect(try DurableFile.read("\(folder.path)/keys.yaml", byteCountMax: 100) == Array("keys: 7\n".utf8))
  }
}

@Suite("Moments in files")
struct UTCTimeTests {
  @Test(
    "A moment is seconds since 1970",
    arguments: [
      ("1970-01-01T00:00:00Z", 0), ("1970-01-01", 0), ("2000-02-29T23:59:59Z", 951_868_799),
      ("2000-03-01", 951_868_800),
      ("2027-01-01T00:00:00Z", 1_798_761_600), ("2038-01-19T03:14:08Z", 2_147_483_648), ("2100-03-01", 4_107_542_400),
      ("9999-12-31T23:59:59Z", 253_402_300_799),
    ] as [(String, UInt64)])
  func seconds(_ text: String, _ seconds: UInt64) {
    #expect(UTCTime.seconds(text) == seconds)
    #expect(UTCTime.text(seconds).hasPrefix(text))
  }

  @Test("Every day of four hundred years is written as it is read")
  func days() {
    for day in UInt64(0)..<146_097 {
      let seconds = day * 86_400 + day % 86_400
      #expect(UTCTime.seconds(UTCTime.text(seconds)) == seconds)
    }
  }

  @Test(
    "What is no moment is none",
    arguments: [
      "", "2027", "2027-1-1", "2027-13-01", "2027-00-01", "2027-01-00", "2027-04-31", "2100-02-29", "1969-12-31",
      "2027-01-01T00:00:00", "2027-01-01T24:00:00Z", "2027-01-01T00:60:00Z", "2027-01-01T00:00:60Z",
      "2027-01-01 00:00:00Z", "2027-01-01T00:00:00z", "2027-01-01T00:00:00+", "+027-01-01", "2027-01-01T00:00:00.5Z",
    ])
  func none(_ text: String) { #expect(UTCTime.seconds(text) == nil) }
}
