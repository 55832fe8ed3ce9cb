import Federation
import Rounds
import SecureAggregation
import Testing

struct RunForecastTests {
  private static func rules(_ ringBits: UInt64, rotation: Bool, maximumWeight: UInt64 = 1024) -> RoundConfiguration {
    var rules = RoundConfiguration(
      vectorLength: 20_000, issuanceLog: .sha256(of: []), revocationList: .sha256(of: []))
    rules.ringBits = ringBits
    rules.rotation = rotation
    rules.maximumWeight = maximumWeight
    rules.clip = 3
    return rules
  }

  private static func workers(_ count: Int, organisations: Int? = nil) -> [OrganisationID] {
    (0..<count).map { OrganisationID(unchecked: "o\($0 % (organisations ?? count))") }
  }

  @Test(
    "The predicted error of each encoding is the formula's: √(d·n)·(step/2)·W_max/Σω over C",
    arguments: [(32, false, 4, 2.3e-9, 5e-6), (24, true, 3, 1e-9, 3e-5), (16, true, 2, 1e-4, 0.01)]
      as [(UInt64, Bool, Int, Double, Double)])
  func predicts(ringBits: UInt64, rotation: Bool, bytes: Int, least: Double, most: Double) throws {
    let forecast = try RunForecast(
      Self.rules(ringBits, rotation: rotation), organisations: Self.workers(100), examples: 550,
      policy: CohortPolicy())
    let encoding = try EncodingRules(Self.rules(ringBits, rotation: rotation), rosterCount: 100)
    #expect(forecast.weight == 55_000)
    #expect(forecast.relativeError == encoding.expectedError(weight: 55_000) / 3)
    #expect(forecast.relativeError > least && forecast.relativeError < most)
    #expect(forecast.bytesPerParameter == bytes)
  }

  @Test("Eight workers of 180 examples lose their update in 16 bits with W_max 2^20, and keep it with 1,024 (A7)")
  func weightMatters() throws {
    let bad = try RunForecast(
      Self.rules(16, rotation: true, maximumWeight: 1 << 20), organisations: Self.workers(8), examples: 180,
      policy: CohortPolicy())
    #expect(bad.relativeError > 1)
    #expect(!bad.isPreciseEnough)
    let advised = try RunForecast(
      Self.rules(16, rotation: true, maximumWeight: bad.preciseMaximumWeight), organisations: Self.workers(8),
      examples: 180, policy: CohortPolicy())
    #expect(advised.isPreciseEnough)
    #expect(
      try RunForecast(
        Self.rules(16, rotation: true), organisations: Self.workers(8), examples: 180, policy: CohortPolicy()
      ).isPreciseEnough)
  }

  @Test(
    "A cohort without a safe set has no forecast",
    arguments: [
      (3, 3, Refusal.noSafeSurvivorSet), (2, 2, .belowMinimumCohort), (6, 2, .tooFewOrganisations),
      (300, 9, .rosterTooLarge),
    ])
  func refuses(workers: Int, organisations: Int, refusal: Refusal) {
    let rules = Self.rules(32, rotation: false)
    #expect(throws: refusal) {
      try RunForecast(
        rules, organisations: Self.workers(workers, organisations: organisations), examples: nil,
        policy: CohortPolicy(rules))
    }
  }
}
