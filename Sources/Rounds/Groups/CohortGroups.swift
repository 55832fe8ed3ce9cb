import Federation

/// How a cohort is divided into groups that are summed apart.
package enum CohortGroups {
  /// A partition of the cohort: every place in exactly one group, the sizes of the groups within one of each other, and
  /// the workers of each organisation dealt out as evenly. Where every worker has an organisation of its own, all such
  /// partitions have the same chance: no worker can choose whose sum it is in.
  ///
  /// - Parameters:
  ///   - organisations: of each worker of the cohort.
  ///   - count: G, at least 1.
  /// - Returns: G groups of places in `organisations`, each ascending; empty ones if there are fewer workers than groups.
  package static func divide(
    _ organisations: [OrganisationID], into count: Int, using choices: inout SeededGenerator
  ) -> [[Int]] {
    precondition(count >= 1, "\(count) groups")
    var places = Array(organisations.indices)
    for i in places.indices.dropLast() { places.swapAt(i, Int.random(in: i..<places.count, using: &choices)) }
    // Of one organisation after the other, in the order of the shuffle.
    var order: [OrganisationID: Int] = [:]
    for place in places where order[organisations[place]] == nil { order[organisations[place]] = order.count }
    let dealt = places.enumerated().sorted {
      (order[organisations[$0.element], default: 0], $0.offset)
        < (order[organisations[$1.element], default: 0], $1.offset)
    }
    var groups = [[Int]](repeating: [], count: count)
    for (turn, place) in dealt.map(\.element).enumerated() { groups[turn % count].append(place) }
    return groups.map { $0.sorted() }
  }
}

extension CohortGroups {
  /// The group that bears least of a cohort that is divided: of the fewest workers, and of those groups the one in which
  /// one organisation has the most of them.
  ///
  /// - Parameter organisations: of each worker of the cohort.
  package static func weakest(of organisations: [OrganisationID], into count: Int) -> [OrganisationID] {
    var choices = SeededGenerator(seed: 0, stream: "groups")
    let groups = divide(organisations, into: count, using: &choices).map { places in places.map { organisations[$0] } }
    return groups.min { a, b in
      (a.count, -largestShare(a)) < (b.count, -largestShare(b))
    } ?? []
  }

  private static func largestShare(_ organisations: [OrganisationID]) -> Int {
    organisations.reduce(into: [OrganisationID: Int]()) { $0[$1, default: 0] += 1 }.values.max() ?? 0
  }
}
