/// A table divided into what nobody trains on and one part a worker: the deal of a federation on one machine, real or
/// simulated.
package struct DataDivision: Equatable, Sendable {
  /// Examples that every worker gets at least, as far as there are enough.
  package static let partCountMin = 16

  package let parts: [Dataset]
  package let heldOut: Dataset

  /// - Parameters:
  ///   - alpha: of the Dirichlet distribution over labels.
  ///   - heldOut: the fraction of the examples that no part gets.
  ///   - copies: how often each of the others is dealt, for more parts than there are examples; at least 1.
  ///   - seed: of both; the same seed gives the same division.
  /// - Throws: `DatasetError.badFraction`, `.tooFewRows`.
  package init(
    _ examples: Dataset, parts: Int, alpha: Double, heldOut: Double, copies: Int = 1, seed: UInt64
  ) throws(DatasetError) {
    let (once, held) = try examples.split(holdOut: heldOut, seed: seed)
    let training = copies > 1 ? once.subset((0..<copies).flatMap { _ in 0..<once.count }) : once
    self.parts = try training.dirichletPartition(
      parts: parts, alpha: alpha, minimum: max(1, min(Self.partCountMin, training.count / (2 * parts))), seed: seed)
    self.heldOut = held
  }

  /// Writes `data.csv` into each of the folders, which are there, and what is held out to `path`.
  ///
  /// - Throws: `DatasetError.unwritable`.
  package func write(to folders: [String], heldOut path: String) throws(DatasetError) {
    for (folder, part) in zip(folders, parts) { try CSVDataset.write(part, to: "\(folder)/data.csv") }
    try CSVDataset.write(heldOut, to: path)
  }
}
