import Federation

extension CohortPolicy {
  /// As many workers as the organisation cap lets into one set, those earlier in `organisations` first.
  ///
  /// Every worker of a small organisation that drops out raises the share of the large ones; leaving a few of their
  /// workers out may keep the set within its cap (ruling A20). A pair that is allowed by name has no cap.
  /// - Parameters:
  ///   - organisations: of each candidate, in order of preference.
  ///   - limit: the largest set wanted.
  /// - Returns: positions in `organisations`, ascending; empty if no set keeps the cap.
  package func largestSetWithinCap(_ organisations: [OrganisationID], atMost limit: Int = .max) -> [Int] {
    let largest = min(organisations.count, max(limit, 0))
    if allowPair, organisations.count == 2, Set(organisations).count == 2, largest == 2 { return [0, 1] }
    for size in stride(from: largest, to: 0, by: -1) {
      let perOrganisation = size * Int(organisationCap.numerator) / max(1, Int(organisationCap.denominator))
      var taken: [OrganisationID: Int] = [:]
      var chosen: [Int] = []
      for (position, organisation) in organisations.enumerated() where chosen.count < size {
        guard taken[organisation, default: 0] < perOrganisation else { continue }
        taken[organisation, default: 0] += 1
        chosen.append(position)
      }
      if chosen.count == size { return chosen }
    }
    return []
  }
}
