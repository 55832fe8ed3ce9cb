import Federation

/// The policy that decides whether a cohort is safe: from the configuration, or stricter from a worker's own file.
package struct CohortPolicy: Hashable, Sendable {
  package var minimumCohort = 3
  package var minimumOrganisations = 3
  package var organisationCap = RoundConfiguration.Ratio(1, 3)
  /// How many honest inputs a sum must have at least, under the corruption bound.
  package var minimumHonestSum = 3
  package var gamma = RoundConfiguration.Ratio(1, 10)
  package var delta = RoundConfiguration.Ratio(1, 10)
  /// Two workers of two organisations, each of which learns the other's update from the average.
  package var allowPair = false
  /// The largest roster; above 256 the graph is sparse and its bounds are those of `SparseGraph`.
  package var maximumRoster = 10_000

  package init() {}

  package init(_ configuration: RoundConfiguration, allowPair: Bool = false) {
    func number(_ value: UInt64) -> Int { Int(min(value, Self.largest)) }
    minimumCohort = number(configuration.minimumCohort)
    minimumOrganisations = number(configuration.minimumOrganisations)
    organisationCap = configuration.organisationCap
    minimumHonestSum = number(configuration.minimumHonestSum)
    maximumRoster = number(configuration.maximumRoster)
    gamma = configuration.gamma
    delta = configuration.delta
    self.allowPair = allowPair
  }

  /// Larger numbers mean the same: no roster is that large.
  private static let largest: UInt64 = 1 << 32
}

/// Every number that a worker computes for itself from the roster and never receives (rulings A1, A2, A20).
package struct Thresholds: Hashable, Sendable {
  /// Rosters up to this size have the complete graph.
  package static let completeGraphLimit = 256

  /// n.
  package let rosterCount: Int
  /// n_C: how many workers may act against the others together with the coordinator.
  package let corruptionBound: Int
  /// Q: signatures that certify a survivor set; 0 in semi-honest mode.
  package let quorum: Int
  /// t: shares that reconstruct a secret.
  package let threshold: Int
  /// k_g: neighbours of a worker; 0 for the complete graph.
  package let degree: Int
  package let smallestSurvivorSet: Int
  /// By count alone; the organisation cap may forbid some of them.
  package let toleratedDropouts: Int
  /// Dropouts that leave a safe survivor set whoever they are.
  package let safeForAnyDropouts: Int

  package var n: Int { rosterCount }

  /// max(⌈n/3⌉ − 1, workers of the largest organisation).
  package static func corruptionBound(_ organisations: [OrganisationID]) -> Int {
    max((organisations.count + 2) / 3 - 1, largestOrganisation(organisations))
  }

  /// ⌊(n + n_C)/2⌋ + 1: any two sets of so many signers share an honest one. 0 in semi-honest mode, which has no
  /// quorum.
  package static func quorum(rosterCount n: Int, corruptionBound: Int, mode: RoundConfiguration.Mode) -> Int {
    mode == .malicious ? (n + corruptionBound) / 2 + 1 : 0
  }

  /// t: on the complete graph the quorum, or a majority in semi-honest mode; on a sparse graph that of its row (0 above
  /// the table).
  package static func threshold(rosterCount n: Int, corruptionBound: Int, mode: RoundConfiguration.Mode) -> Int {
    guard n <= completeGraphLimit else { return SparseGraph.Row.smallest(for: n)?.threshold ?? 0 }
    return mode == .malicious ? quorum(rosterCount: n, corruptionBound: corruptionBound, mode: mode) : n / 2 + 1
  }

  /// k_g: 0 on the complete graph.
  package static func degree(rosterCount n: Int) -> Int {
    n <= completeGraphLimit ? 0 : SparseGraph.Row.smallest(for: n)?.degree ?? 0
  }

  /// - Parameter organisations: of each roster entry, in roster order.
  /// - Throws: the first reason, in the order of the specification, why nobody may take part with this roster.
  package static func compute(
    organisations: [OrganisationID], mode: RoundConfiguration.Mode, policy: CohortPolicy
  ) throws(Refusal) -> Thresholds {
    let n = organisations.count
    guard n <= policy.maximumRoster else { throw .rosterTooLarge }
    let corruptionBound = corruptionBound(organisations)
    let quorum = quorum(rosterCount: n, corruptionBound: corruptionBound, mode: mode)
    let organisationCount = Set(organisations).count
    if n == 2, policy.allowPair, organisationCount == 2 {
      return Thresholds(
        rosterCount: n, corruptionBound: corruptionBound, quorum: mode == .malicious ? 2 : 0, threshold: 2, degree: 0,
        smallestSurvivorSet: 2, toleratedDropouts: 0, safeForAnyDropouts: 0)
    }
    let threshold = threshold(rosterCount: n, corruptionBound: corruptionBound, mode: mode)
    let degree = degree(rosterCount: n)
    var floor = threshold
    if n > completeGraphLimit {
      guard degree > 0 else { throw .rosterTooLarge }
      guard isWithin(policy.gamma, organisations) else { throw .organisationAboveGamma }
      floor = n - n * Int(policy.delta.numerator) / max(1, Int(policy.delta.denominator))
    }
    let smallest = max(floor, quorum, policy.minimumCohort, corruptionBound + policy.minimumHonestSum)
    guard n >= policy.minimumCohort else { throw .belowMinimumCohort }
    guard organisationCount >= policy.minimumOrganisations else { throw .tooFewOrganisations }
    guard isWithin(policy.organisationCap, organisations) else { throw .organisationAboveCap }
    guard smallest <= n else { throw .noSafeSurvivorSet }
    return Thresholds(
      rosterCount: n, corruptionBound: corruptionBound, quorum: quorum, threshold: threshold, degree: degree,
      smallestSurvivorSet: smallest, toleratedDropouts: n - smallest,
      safeForAnyDropouts: safeDropouts(organisations, smallest: smallest, policy))
  }

  /// Whether no organisation has a larger share of the workers than `cap`; compared in integers.
  package static func isWithin(_ cap: RoundConfiguration.Ratio, _ organisations: [OrganisationID]) -> Bool {
    largestOrganisation(organisations) * Int(cap.denominator) <= organisations.count * Int(cap.numerator)
  }

  private static func largestOrganisation(_ organisations: [OrganisationID]) -> Int {
    organisations.reduce(into: [OrganisationID: Int]()) { $0[$1, default: 0] += 1 }.values.max() ?? 0
  }

  /// The largest m such that any m dropouts leave enough organisations and none above its cap.
  private static func safeDropouts(_ organisations: [OrganisationID], smallest: Int, _ policy: CohortPolicy) -> Int {
    let sizes = organisations.reduce(into: [OrganisationID: Int]()) { $0[$1, default: 0] += 1 }.values.sorted()
    guard let largest = sizes.last else { return 0 }
    let n = organisations.count
    var safe = 0
    for dropouts in 0...(n - smallest) {
      var left = dropouts
      var gone = 0
      for size in sizes where size <= left {  // The worst case silences the smallest organisations.
        left -= size
        gone += 1
      }
      let cap = policy.organisationCap
      guard sizes.count - gone >= policy.minimumOrganisations,
        largest * Int(cap.denominator) <= (n - dropouts) * Int(cap.numerator)
      else { break }
      safe = dropouts
    }
    return safe
  }
}
