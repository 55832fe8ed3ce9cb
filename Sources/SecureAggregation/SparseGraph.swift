/// Who masks with whom in rosters above 256 workers.
package struct SparseGraph: Sendable {
  /// One line of the committed table (ruling A12): for rosters up to `rosterCount`.
  package struct Row: Hashable, Sendable {
    package let rosterCount: Int
    /// k_g.
    package let degree: Int
    /// t.
    package let threshold: Int
    /// Λ: the second eigenvalue that is still accepted.
    package let lambdaBound: Double

    package static let all = [
      Row(rosterCount: 500, degree: 128, threshold: 97, lambdaBound: 22),
      Row(rosterCount: 1000, degree: 160, threshold: 121, lambdaBound: 28),
      Row(rosterCount: 2000, degree: 160, threshold: 118, lambdaBound: 33),
      Row(rosterCount: 5000, degree: 200, threshold: 150, lambdaBound: 42),
      Row(rosterCount: 10000, degree: 200, threshold: 149, lambdaBound: 46),
    ]

    /// The first row for `n` workers; nil if the table ends below.
    package static func smallest(for n: Int) -> Row? { all.first { $0.rosterCount >= n } }
  }
}
