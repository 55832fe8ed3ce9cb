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
  ///   - seed: of both; the same seed gives the same division.
  /// - Throws: `DatasetError.badFraction`, `.tooFewRows`.
  package init(_ examples: Dataset, parts: Int, alpha: Double, heldOut: Double, seed: UInt64) throws(DatasetError) {
    let (training, held) = try examples.split(holdOut: heldOut, seed: seed)
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
