import Access
import ClusterConfiguration
import Federation
import ModelRegistry
import Testing

@Suite("Who may do what at a serving node")
struct AccessFileTests {
  static let text = """
    # Ours.
    issuers:
      - issuer: https://login.example.org
        audience: murmur
        algorithms: [RS256, EdDSA]
        jwks: https://login.example.org/jwks.json
        tenant: acme
        scope-claim: scp
      - {issuer: "https://b.example", audience: murmur, algorithms: ES256, jwks: keys/b.json}
    limits:
      default: {per-second: 100, burst: 200}
      models:
        digits: {per-second: 0.5, burst: 1}
    anonymous: [model:read, "model:infer:digits*"]
    """

  static func read(_ text: String, insecure: Bool = true) throws(ConfigurationError) -> AccessFile {
    try AccessFile.read(file(text, named: "serving/access.yaml"), insecure: insecure)
  }

  @Test("access.yaml names issuers, limits, and what everybody may do")
  func whole() throws {
    let found = try Self.read(Self.text)
    #expect(
      found.issuers == [
        TrustedIssuer(
          issuer: "https://login.example.org", audience: "murmur", algorithms: [.rs256, .edDSA],
          keys: .web("https://login.example.org/jwks.json"), tenant: "acme", scopeClaim: "scp"),
        TrustedIssuer(
          issuer: "https://b.example", audience: "murmur", algorithms: [.es256],
          keys: .file(path: "serving/keys/b.json")),
      ])
    #expect(
      found.limits
        == RateLimits(
          standard: RateLimit(perSecond: 100, burst: 200),
          models: ["digits": try #require(RateLimit(perSecond: 0.5, burst: 1))]))
    #expect(found.anonymous.map(\.description) == ["model:read", "model:infer:digits*"])
  }

  @Test("Every part may be missing", arguments: ["limits: {}", "issuers: []", "limits: {models: {}}"])
  func parts(_ text: String) throws { #expect(try Self.read(text) == AccessFile()) }

  struct Case: CustomTestStringConvertible, Sendable {
    /// Replaced in `text`.
    let old: String
    let new: String
    let line: String
    var testDescription: String { new }
  }

  private static let scope = "a scope such as 'model:infer:digits*', 'model:read' or 'admin'"
  private static let jwks = "an address with https:// (http:// of this machine only), or the path of a file"

  static let cases = [
    Case(
      old: "limits:", new: "limit:",
      line: "10: key 'limit': found an unknown key, expected 'limits', the nearest known key"
    ),
    Case(
      old: "issuers:", new: "keys:",
      line: "2: key 'keys': found an unknown key, expected one of 'issuers', 'limits' or 'anonymous'"),
    Case(
      old: "    tenant: acme", new: "    tennant: acme",
      line: "7: key 'issuers[0].tennant': found an unknown key, expected 'tenant', the nearest known key"),
    Case(
      old: "tenant: acme", new: "tenant: a/b",
      line: "7: key 'issuers[0].tenant': found \"a/b\", expected a name: 1 to 128 letters, digits, '.', '_' or '-', a "
        + "letter or digit first"),
    Case(
      old: "    audience: murmur\n", new: "",
      line:
        "3: key 'issuers[0].audience': found no such key, expected what tokens for this node have in 'aud', of 1 to "
        + "512 bytes"),
    Case(
      old: "audience: murmur\n", new: "audience: 7\n",
      line: "4: key 'issuers[0].audience': found 7, expected what tokens for this node have in 'aud', of 1 to 512 bytes"
    ),
    Case(
      old: "scope-claim: scp", new: "scope-claim: \"\"",
      line: "8: key 'issuers[0].scope-claim': found \"\", expected the name of a claim, of 1 to 512 bytes"),
    Case(
      old: "[RS256, EdDSA]", new: "[RS256, HS256]",
      line: "5: key 'issuers[0].algorithms': found \"HS256\", \(algorithms)"),
    Case(old: "[RS256, EdDSA]", new: "none", line: "5: key 'issuers[0].algorithms': found \"none\", \(algorithms)"),
    Case(old: "[RS256, EdDSA]", new: "[]", line: "5: key 'issuers[0].algorithms': found a list, \(algorithms)"),
    Case(
      old: "[RS256, EdDSA]", new: "[RS256, RS256]", line: "5: key 'issuers[0].algorithms': found a list, \(algorithms)"),
    Case(
      old: "jwks: https:", new: "jwks: http:",
      line: "6: key 'issuers[0].jwks': found \"http://login.example.org/jwks.json\", expected \(jwks)"),
    Case(
      old: "jwks: https:", new: "jwks: ftp:",
      line: "6: key 'issuers[0].jwks': found \"ftp://login.example.org/jwks.json\", expected \(jwks)"),
    Case(
      old: "\"https://b.example\"", new: "https://login.example.org",
      line: "9: key 'issuers[1].issuer': found \"https://login.example.org\" a second time, expected every issuer once"),
    Case(
      old: "per-second: 100,", new: "per-second: 0,",
      line: "11: key 'limits.default.per-second': found 0, expected a number from 0.001 to 1000000.0"),
    Case(
      old: "burst: 200", new: "burst: 0.5",
      line: "11: key 'limits.default.burst': found 0.5, expected an integer from 1 to 1000000"),
    Case(
      old: "{per-second: 100, burst: 200}", new: "{per-second: 100}",
      line: "11: key 'limits.default.burst': found no such key, expected an integer from 1 to 1000000"),
    Case(
      old: "    digits: {", new: "    ../digits: {",
      line:
        "13: key 'limits.models': found \"../digits\", expected a name: 1 to 128 letters, digits, '.', '_' or '-', a "
        + "letter or digit first"),
    Case(
      old: "per-second: 0.5", new: "per-hour: 3",
      line: "13: key 'limits.models.digits.per-hour': found an unknown key, expected one of 'per-second' or 'burst'"),
    Case(
      old: "  models:\n    digits: {per-second: 0.5, burst: 1}", new: "  models: 7",
      line: "12: key 'limits.models': found 7, expected a mapping of names to mappings"),
    Case(
      old: "[model:read,", new: "[model:write,", line: "14: key 'anonymous': found \"model:write\", expected \(scope)"),
    Case(
      old: "[model:read,", new: "[admin,",
      line: "14: key 'anonymous': found \"admin\", expected scopes that may be everybody's"),
    Case(
      old: "infer:digits*", new: "infer:d*s",
      line: "14: key 'anonymous': found \"model:infer:d*s\", expected a model's name, the beginning of one with '*' "
        + "behind it, or '*', behind the permission"),
    Case(
      old: "[model:read, \"model:infer:digits*\"]", new: "[]",
      line: "14: key 'anonymous': found a list, expected \(scope), or a list of different ones"),
  ]

  private static let algorithms =
    "expected a list of algorithms, each one of 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', "
    + "'ES512', 'EdDSA' or 'Ed25519'"

  @Test("What is wrong with access.yaml is one line with file, line, key, found and expected", arguments: cases)
  func wrong(_ wrong: Case) throws {
    let text = Self.text.replacing(wrong.old, with: wrong.new)
    try #require(text != Self.text)
    let error = try #require(throws: ConfigurationError.self) { try Self.read(text) }
    #expect(error.description == "serving/access.yaml:" + wrong.line)
  }

  @Test("Callers without a credential are let in by a node that is started with a flag that says insecure")
  func anonymous() throws {
    let error = try #require(throws: ConfigurationError.self) { try Self.read(Self.text, insecure: false) }
    #expect(
      error.description == "serving/access.yaml:14: key 'anonymous': found scopes for callers without a credential, "
        + "expected none, or a node that is started with --insecure-anonymous")
    let closed = try #require(Self.text.split(separator: "anonymous").first)
    #expect(try Self.read(String(closed), insecure: false).anonymous == [])
  }

  @Test("A folder without the files lets nobody in")
  func missing() throws {
    let folder = try TemporaryFolder()
    let (policy, limits) = try AccessFile.load(home: folder.path, insecure: true)
    #expect(policy == AccessPolicy())
    #expect(limits == RateLimits())
  }

  @Test("Keys, issuers and limits of a folder come from its two files")
  func folder() throws {
    let folder = try TemporaryFolder()
    try folder.write(Self.text, to: "access.yaml")
    try folder.write(KeysFileTests.text, to: "keys.yaml")
    let (policy, limits) = try AccessFile.load(home: folder.path, insecure: true)
    #expect(policy.keys.count == 2)
    #expect(policy.issuers["https://b.example"]?.keys == .file(path: "\(folder.path)/keys/b.json"))
    #expect(policy.anonymous.count == 2)
    #expect(limits.models.count == 1)
  }
}
