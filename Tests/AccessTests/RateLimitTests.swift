import Access
import Federation
import Testing

private func moment(_ seconds: Double) -> MonotonicTime {
  MonotonicTime(nanoseconds: UInt64((seconds * 1e9).rounded()))
}

@Suite("Rate limits")
struct RateLimitTests {
  @Test("The generic cell rate algorithm gives the trace of its reference: rate 1, burst 5")
  func trace() throws {
    let limit = try #require(RateLimit(perSecond: 1, burst: 5))
    let expected: [(at: Double, answer: RateLimit.Decision)] =
      Array(repeating: (0, .allowed), count: 5) + [
        (0, .limited(retryAfter: .seconds(1))), (0.5, .limited(retryAfter: .milliseconds(500))), (1, .allowed),
        (1.1, .limited(retryAfter: .milliseconds(900))), (2, .allowed), (10, .allowed),
      ]
    var arrival = MonotonicTime(nanoseconds: 0)
    for (at, answer) in expected { #expect(limit.admit(&arrival, at: moment(at)) == answer, "at \(at) s") }
  }

  @Test(
    "In no window more than burst + rate · t requests pass, whenever they come",
    arguments: [(1.0, 1, 1), (3, 5, 2), (0.1, 2, 3), (1000, 50, 4), (7.3, 20, 5), (1_000_000, 3, 6)]
      as [(Double, Int, UInt64)])
  func window(_ rate: Double, _ burst: Int, _ seed: UInt64) throws {
    let limit = try #require(RateLimit(perSecond: rate, burst: burst))
    var choices = SeededGenerator(seed: seed)
    var arrival = MonotonicTime(nanoseconds: 0)
    var now: UInt64 = 0
    var passed: [UInt64] = []
    for _ in 0..<2000 {
      // Mostly faster than the rate, sometimes nothing for long.
      let pause =
        Double.random(in: 0..<1, using: &choices) < 0.02 ? 20 / rate : Double.random(in: 0..<1 / rate, using: &choices)
      now += UInt64(pause * 1e9 / 3)
      if limit.admit(&arrival, at: MonotonicTime(nanoseconds: now)) == .allowed { passed.append(now) }
    }
    #expect(passed.count > burst)
    for first in passed.indices {
      for last in passed[first...].indices where last - first >= burst {
        let time = Double(passed[last] - passed[first]) / 1e9
        #expect(Double(last - first + 1) <= Double(burst) + rate * time + 1e-6)
      }
    }
  }

  @Test("Whoever comes back after the time that was named passes, and not a nanosecond sooner")
  func retryAfter() throws {
    let limit = try #require(RateLimit(perSecond: 3, burst: 2))
    var arrival = MonotonicTime(nanoseconds: 0)
    for _ in 0..<2 { #expect(limit.admit(&arrival, at: moment(5)) == .allowed) }
    guard case .limited(let wait) = limit.admit(&arrival, at: moment(5.1)) else {
      Issue.record("a third request passed")
      return
    }
    let back = moment(5.1) + wait
    var early = arrival
    let before = MonotonicTime(nanoseconds: back.nanoseconds - 1)
    #expect(limit.admit(&early, at: before) == .limited(retryAfter: .nanoseconds(1)))
    #expect(limit.admit(&arrival, at: back) == .allowed)
  }

  @Test("After an idle time a whole burst passes, and no more than one")
  func burst() throws {
    let limit = try #require(RateLimit(perSecond: 10, burst: 4))
    var arrival = MonotonicTime(nanoseconds: 0)
    let passed = (0..<100).filter { _ in limit.admit(&arrival, at: moment(3600)) == .allowed }
    #expect(passed.count == 4)
  }

  @Test(
    "A rate or a burst out of range is no limit",
    arguments: [(0, 1), (-1, 1), (.nan, 1), (.infinity, 1), (1e-4, 1), (1e7, 1), (1, 0), (1, -1), (1, 1_000_001)]
      as [(Double, Int)])
  func range(_ rate: Double, _ burst: Int) { #expect(RateLimit(perSecond: rate, burst: burst) == nil) }

  @Test("The largest limits do not overflow")
  func extremes() throws {
    let limit = try #require(RateLimit(perSecond: 0.001, burst: 1_000_000))
    var arrival = MonotonicTime(nanoseconds: 0)
    let late = MonotonicTime(nanoseconds: UInt64.max / 4)
    for _ in 0..<1_000_000 { _ = limit.admit(&arrival, at: late) }
    #expect(limit.admit(&arrival, at: late) == .limited(retryAfter: .seconds(1000)))
  }
}

@Suite("The limiter of a node")
struct RateLimiterTests {
  private static func limit(_ rate: Double, _ burst: Int) throws -> RateLimit {
    try #require(RateLimit(perSecond: rate, burst: burst))
  }

  private static func caller(_ id: String, rate: RateLimit? = nil) -> Principal {
    Principal(key: .apiKey(id: id), scopes: [], rate: rate)
  }

  private static let start = MonotonicTime(nanoseconds: 1_000_000_000)

  @Test("Callers are limited apart from each other, and so are the models that one of them asks")
  func pairs() throws {
    let limiter = RateLimiter(RateLimits(standard: try Self.limit(1, 1)))
    let limited = RateLimiter.Answer.limited(by: .caller, retryAfter: .seconds(1))
    for (caller, model) in [("a", "digits"), ("b", "digits"), ("a", "wards")] {
      #expect(limiter.admit(Self.caller(caller), model: model, at: Self.start) == .allowed)
      #expect(limiter.admit(Self.caller(caller), model: model, at: Self.start) == limited)
    }
  }

  @Test("Subjects of the same name at two issuers are limited apart from each other")
  func subjects() throws {
    let limiter = RateLimiter(RateLimits(standard: try Self.limit(1, 1)))
    for issuer in ["https://a.example", "https://b.example"] {
      let caller = Principal(key: .subject("alice", issuer: issuer), scopes: [])
      #expect(limiter.admit(caller, model: "digits", at: Self.start) == .allowed)
    }
  }

  @Test("A key's own limit stands in place of the limit for everyone")
  func ownLimit() throws {
    let limiter = RateLimiter(RateLimits(standard: try Self.limit(1, 1)))
    let caller = Self.caller("a", rate: try Self.limit(1, 3))
    let passed = (0..<10).filter { _ in limiter.admit(caller, model: "digits", at: Self.start) == .allowed }
    #expect(passed.count == 3)
  }

  @Test("A model's limit is one for all callers, and names itself")
  func modelLimit() throws {
    let limiter = RateLimiter(RateLimits(models: ["digits": try Self.limit(2, 2)]))
    for id in ["a", "b"] { #expect(limiter.admit(Self.caller(id), model: "digits", at: Self.start) == .allowed) }
    let answer = limiter.admit(Self.caller("c"), model: "digits", at: Self.start)
    #expect(answer == .limited(by: .model, retryAfter: .milliseconds(500)))
    #expect(limiter.admit(Self.caller("c"), model: "wards", at: Self.start) == .allowed)
  }

  @Test("A request that one limit refuses counts against neither")
  func both() throws {
    let limiter = RateLimiter(RateLimits(standard: try Self.limit(1, 2), models: ["digits": try Self.limit(1, 1)]))
    let (a, b) = (Self.caller("a"), Self.caller("b"))
    #expect(limiter.admit(a, model: "digits", at: Self.start) == .allowed)
    // The model refuses b as often as it asks; b's own burst of two is whole afterwards.
    for _ in 0..<5 {
      #expect(limiter.admit(b, model: "digits", at: Self.start) == .limited(by: .model, retryAfter: .seconds(1)))
    }
    limiter.replace(with: RateLimits(standard: try Self.limit(1, 2)))
    #expect(limiter.admit(b, model: "digits", at: Self.start) == .allowed)
    #expect(limiter.admit(b, model: "digits", at: Self.start) == .allowed)
    #expect(limiter.admit(b, model: "digits", at: Self.start) == .limited(by: .caller, retryAfter: .seconds(1)))
  }

  @Test("Refusals of a caller's own limit leave the model's limit to others")
  func callerFirst() throws {
    let limiter = RateLimiter(RateLimits(standard: try Self.limit(1, 1), models: ["digits": try Self.limit(1, 2)]))
    for _ in 0..<100 { _ = limiter.admit(Self.caller("a"), model: "digits", at: Self.start) }
    #expect(limiter.admit(Self.caller("b"), model: "digits", at: Self.start) == .allowed)
  }

  @Test("Without limits nothing is limited")
  func none() {
    let limiter = RateLimiter(RateLimits())
    for _ in 0..<1000 { #expect(limiter.admit(Self.caller("a"), model: "digits", at: Self.start) == .allowed) }
  }

  @Test("New limits count what was admitted before; a model's limit that stays goes on")
  func replaced() throws {
    let models = ["digits": try Self.limit(1, 2)]
    let limiter = RateLimiter(RateLimits(models: models))
    for _ in 0..<2 { _ = limiter.admit(Self.caller("a"), model: "digits", at: Self.start) }
    limiter.replace(with: RateLimits(standard: try Self.limit(100, 100), models: models))
    let answer = limiter.admit(Self.caller("b"), model: "digits", at: Self.start)
    #expect(answer == .limited(by: .model, retryAfter: .seconds(1)))
  }

  @Test("A caller among more than are remembered is still limited while it is the busiest")
  func bounded() throws {
    let limiter = RateLimiter(RateLimits(standard: try Self.limit(0.001, 3)))
    let busy = Self.caller("busy")
    for _ in 0..<3 { #expect(limiter.admit(busy, model: "digits", at: Self.start) == .allowed) }
    for i in 0..<(RateLimiter.countMax + 20_000) {
      _ = limiter.admit(Self.caller("\(i)"), model: "digits", at: Self.start)
    }
    #expect(limiter.admit(busy, model: "digits", at: Self.start) != .allowed)
  }

  @Test("Many threads at once get no more than one burst of a caller and of a model")
  func concurrent() async throws {
    let limiter = RateLimiter(
      RateLimits(standard: try Self.limit(0.001, 100), models: ["digits": try Self.limit(0.001, 150)]))
    let passed = await withTaskGroup(of: [Int].self) { group in
      for _ in 0..<8 {
        group.addTask {
          (0..<2).map { caller in
            (0..<200).filter { _ in
              limiter.admit(Self.caller("\(caller)"), model: "digits", at: Self.start) == .allowed
            }.count
          }
        }
      }
      return await group.reduce([0, 0]) { zip($0, $1).map(+) }
    }
    #expect(passed[0] <= 100 && passed[1] <= 100)
    #expect(passed[0] + passed[1] == 150)
  }
}
