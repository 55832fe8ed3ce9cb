/// The minimizing algorithm of delta debugging: `ddmin`, Zeller & Hildebrandt 2002, Figure 5.
package enum DeltaDebugging {
  /// Shrinks a list that fails to a part of it, in the same order, that fails and does so no more without any single one
  /// of its items (1-minimal); another part may be smaller still.
  ///
  /// Every part is tested once. With n items and a failure that needs k of them, about 2k·log n tests; n² at worst.
  ///
  /// - Parameters:
  ///   - items: a list for which `fails` holds.
  ///   - fails: the same for the same list.
  package static func minimum<Item, Failure: Error>(
    of items: [Item], fails: ([Item]) throws(Failure) -> Bool
  ) throws(Failure) -> [Item] {
    var known: [[Int]: Bool] = [:]
    func test(_ places: [Int]) throws(Failure) -> Bool {
      if let answer = known[places] { return answer }
      let answer = try fails(places.map { items[$0] })
      known[places] = answer
      return answer
    }
    var places = Array(items.indices)
    guard !places.isEmpty, try !test([]) else { return [] }
    var parts = 2
    search: while places.count >= 2 {
      let subsets = split(places, into: parts)
      for subset in subsets where try test(subset) {
        (places, parts) = (subset, 2)
        continue search
      }
      for subset in subsets {
        let complement = places.filter { !subset.contains($0) }
        guard try test(complement) else { continue }
        (places, parts) = (complement, max(parts - 1, 2))
        continue search
      }
      guard parts < places.count else { break }
      parts = min(places.count, 2 * parts)
    }
    return places.map { items[$0] }
  }

  /// Parts of a list in their order, as equally long as can be.
  private static func split(_ places: [Int], into parts: Int) -> [[Int]] {
    (0..<parts).map { Array(places[$0 * places.count / parts..<($0 + 1) * places.count / parts]) }
  }
}
