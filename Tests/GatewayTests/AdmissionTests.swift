import Access
import Cryptography
import Federation
import HTTPProbe
import Testing

@testable import Gateway

@Suite("Who is let in over HTTP")
struct AdmissionTests {
  private static let body = Array(
    #"{"inputs":[{"name":"features","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#.utf8)
  private static let path = "/v2/models/m/infer"

  /// A policy with one key for some scopes, and the key.
  private func key(_ scopes: [String], rate: RateLimit? = nil) throws -> (
    policy: AccessPolicy, header: (String, String)
  ) {
    let key = APIKey(from: SystemSecretSource())
    let record = APIKeyRecord(
      id: key.id, name: "tests", digest: key.digest, scopes: try scopes.map { try Scope($0) },
      expires: nil, rate: rate)
    return (AccessPolicy(keys: APIKeyTable([record])), ("authorization", "Bearer \(key.text)"))
  }

  @Test("Without a policy nobody but health is answered, whether the body is there or not")
  func closed() async throws {
    let gateway = try await TestGateway(policy: AccessPolicy())
    let probe = try gateway.probe()
    let answer = try probe.ask("POST", Self.path, body: Self.body)
    #expect(answer.status == 401)
    #expect(answer.headers["www-authenticate"] == "Bearer")
    #expect(answer.text.hasPrefix(#"{"error":""#))
    for path in ["/metrics", "/v1/models", "/v2/models/m", "/v2/models/stats"] {
      #expect(try probe.ask("GET", path).status == 401)
    }
    for path in ["/healthz", "/readyz", "/v2", "/openapi.json"] { #expect(try probe.ask("GET", path).status == 200) }
  }

  @Test("A key opens what its scopes say, and nothing else")
  func scopes() async throws {
    let (policy, header) = try key(["model:infer:m"])
    let probe = try await TestGateway(policy: policy).probe()
    #expect(try probe.ask("POST", Self.path, headers: [header], body: Self.body).status == 200)
    #expect(try probe.ask("GET", "/v2/models/m", headers: [header]).status == 403)
    #expect(try probe.ask("POST", "/v2/models/other/infer", headers: [header], body: Self.body).status == 403)
    #expect(try probe.ask("POST", "/v2/repository/models/m/unload", headers: [header], body: []).status == 403)
    #expect(try probe.ask("GET", "/metrics", headers: [header]).status == 403)
    #expect(try probe.ask("GET", "/v1/models", headers: [header]).text == "[]\n")
    let wrong = ("authorization", header.1.dropLast() + "_")
    #expect(try probe.ask("POST", Self.path, headers: [(wrong.0, String(wrong.1))], body: Self.body).status == 401)
    #expect(try probe.ask("POST", Self.path, headers: [header, ("x-api-key", "murmur_a")], body: []).status == 401)
  }

  @Test("Beyond its rate a key is told when to come again, and others are not")
  func rates() async throws {
    let slow = try #require(RateLimit(perSecond: 0.01, burst: 3))
    let (policy, header) = try key(["model:infer"], rate: slow)
    let gateway = try await TestGateway(policy: policy)
    let probe = try gateway.probe()
    var statuses: [Int] = []
    for _ in 0..<5 { statuses.append(try probe.ask("POST", Self.path, headers: [header], body: Self.body).status) }
    #expect(statuses == [200, 200, 200, 429, 429])
    let refused = try probe.ask("POST", Self.path, headers: [header], body: Self.body)
    let pause = try #require(refused.headers["retry-after"].flatMap { Int($0) })
    #expect((1...100).contains(pause))
  }

  @Test("A limit of the model counts all callers together")
  func modelRate() async throws {
    let limits = RateLimits(models: ["m": try #require(RateLimit(perSecond: 0.01, burst: 2))])
    let gateway = try await TestGateway(limits: limits)
    let first = try gateway.probe(), second = try gateway.probe()
    #expect(try first.ask("POST", Self.path, body: Self.body).status == 200)
    #expect(try second.ask("POST", Self.path, body: Self.body).status == 200)
    #expect(try first.ask("POST", Self.path, body: Self.body).status == 429)
    #expect(try second.ask("POST", Self.path, body: Self.body).status == 429)
  }
}
