import Federation
import SecureAggregation

/// Thresholds of rosters given by the sizes of their organisations.
enum ThresholdVectors {
  static func check(_ item: VectorValue, _ checker: inout Checker) throws(ConformanceError) {
    var organisations: [OrganisationID] = []
    for (number, size) in try item["organisationSizes"].items.enumerated() {
      let count = try size.int(in: 1...10_000)
      organisations += Array(repeating: OrganisationID(unchecked: "organisation-\(number)"), count: count)
    }
    var named = Checker(name: "\(try item["pattern"].text) of \(organisations.count)")
    try check(item, organisations, &named)
    checker.take(named)
  }

  private static func check(
    _ item: VectorValue, _ organisations: [OrganisationID], _ checker: inout Checker
  ) throws(ConformanceError) {
    let n = organisations.count
    let bound = Thresholds.corruptionBound(organisations)
    let mode = try mode(item["mode"])
    try checker.integer(item["n"], n)
    try checker.integer(item["corruptionBound"], bound)
    try checker.integer(item["quorum"], Thresholds.quorum(rosterCount: n, corruptionBound: bound, mode: mode))
    if item.has("threshold"), !item.has("smallestSurvivorSet") {  // A refused roster has these two all the same.
      try checker.integer(item["threshold"], Thresholds.threshold(rosterCount: n, corruptionBound: bound, mode: mode))
      try checker.integer(item["degree"], Thresholds.degree(rosterCount: n))
    }
    let policy = try policy(item["policy"])
    let refusal = try item.optional("refused")?.text
    switch Result(catching: { () throws(Refusal) in
      try Thresholds.compute(organisations: organisations, mode: mode, policy: policy)
    }) {
    case .success(let found):
      guard refusal == nil else {
        checker.fail("refused", expected: refusal ?? "", found: "accepted")
        return
      }
      try compare(item, found, &checker)
    case .failure(let error):
      guard error.rawValue == refusal else {
        checker.fail("refused", expected: refusal ?? "accepted", found: error.rawValue)
        return
      }
      checker.holds("refused", error.rawValue, true)
    }
  }

  /// The numbers of one roster; also part of complete rounds.
  static func compare(
    _ item: VectorValue, _ found: Thresholds, _ checker: inout Checker
  ) throws(ConformanceError) {
    try checker.integer(item["n"], found.rosterCount)
    try checker.integer(item["corruptionBound"], found.corruptionBound)
    try checker.integer(item["quorum"], found.quorum)
    try checker.integer(item["threshold"], found.threshold)
    try checker.integer(item["degree"], found.degree)
    try checker.integer(item["smallestSurvivorSet"], found.smallestSurvivorSet)
    try checker.integer(item["toleratedDropouts"], found.toleratedDropouts)
    if let safe = try item.optional("safeForAnyDropouts") { try checker.integer(safe, found.safeForAnyDropouts) }
  }

  static func mode(_ json: VectorValue) throws(ConformanceError) -> RoundConfiguration.Mode {
    switch try json.text {
    case "malicious": .malicious
    case "semiHonest": .semiHonest
    default: throw json.malformed("expected malicious or semiHonest")
    }
  }

  /// The default policy, changed as the file says.
  static func policy(_ json: VectorValue) throws(ConformanceError) -> CohortPolicy {
    var policy = CohortPolicy()
    if let value = try json.optional("minCohort") { policy.minimumCohort = try value.int(in: 0...1_000_000) }
    if let value = try json.optional("minOrganisations") {
      policy.minimumOrganisations = try value.int(in: 0...1_000_000)
    }
    if let value = try json.optional("minHonestSum") { policy.minimumHonestSum = try value.int(in: 0...1_000_000) }
    if let value = try json.optional("organisationCap") { policy.organisationCap = try ratio(value) }
    if let value = try json.optional("gamma") { policy.gamma = try ratio(value) }
    if let value = try json.optional("delta") { policy.delta = try ratio(value) }
    if let value = try json.optional("allowPair") { policy.allowPair = try value.flag }
    return policy
  }

  private static func ratio(_ json: VectorValue) throws(ConformanceError) -> RoundConfiguration.Ratio {
    let parts = try json.items
    guard parts.count == 2 else { throw json.malformed("expected numerator and denominator") }
    let limit = 0...Int(UInt32.max)
    return RoundConfiguration.Ratio(UInt32(try parts[0].int(in: limit)), UInt32(try parts[1].int(in: limit)))
  }
}
