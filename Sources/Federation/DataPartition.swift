/// How the examples of one table are dealt out to workers, so that a federation can be tried with data as uneven as those
/// of the field. Each worker gets a part; every example is in exactly one.
package enum DataPartition: Hashable, Sendable {
  /// At random: equal parts, all alike.
  case iid
  /// The shares of each class are drawn from Dirichlet(α, …, α) (Hsu et al. 2019): small α gives parts of few classes.
  case dirichlet(alpha: Double)
  /// Examples sorted by class and cut into equal shards, so many a part at random (McMahan et al. 2017, two).
  case shards(perPart: Int)
  /// At random, with sizes drawn from Dirichlet(α, …, α): small α gives a few large parts and many small ones.
  case quantity(alpha: Double)
  /// As a column of names says: all examples of one name are in one part.
  case column(String)

  /// Most shards that one part gets.
  package static let shardsMax = 10_000
  /// What is taken where nothing is said.
  package static let standard = DataPartition.dirichlet(alpha: 0.5)

  /// The column that is needed; nil if none is.
  package var groupColumn: String? {
    if case .column(let name) = self { name } else { nil }
  }
}
