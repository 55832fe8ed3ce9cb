import Federation

/// A table divided into what nobody trains on and one part a worker: the deal of a federation on one machine, real or
/// simulated.
package struct DataDivision: Equatable, Sendable {
  /// Examples that every worker gets at least, as far as there are enough and no column says who gets what.
  package static let partCountMin = 16

  package private(set) var parts: [Dataset]
  package private(set) var heldOut: Dataset

  /// Parts that were made as they are.
  init(parts: [Dataset], heldOut: Dataset) {
    self.parts = parts
    self.heldOut = heldOut
  }

  /// - Parameters:
  ///   - partition: how the parts differ.
  ///   - heldOut: the examples that no part gets.
  ///   - copies: how often each of the others is dealt, for more parts than there are examples; at least 1.
  ///   - seed: of both; the same seed gives the same division.
  /// - Throws: `DatasetError.badFraction`, `.tooFewRows`, and what `Dataset.partition` throws.
  package init(
    _ examples: Dataset, parts: Int, partition: DataPartition, heldOut: HoldOut, copies: Int = 1, seed: UInt64
  ) throws(DatasetError) {
    let (once, held) = try examples.split(heldOut, seed: seed)
    let training = copies > 1 ? once.subset((0..<copies).flatMap { _ in 0..<once.count }) : once
    let least = max(1, min(Self.partCountMin, training.count / (2 * parts)))
    self.parts = try training.partition(
      partition, parts: parts, minimum: partition.groupColumn == nil ? least : 1, seed: seed)
    self.heldOut = held
  }

  /// Normalises everything by statistics of the parts together, which are the training part.
  ///
  /// - Returns: the statistics, for data that come later.
  /// - Throws: as `Normalisation.applied`; the division is then unchanged.
  package mutating func normalise(
    _ method: Normalisation.Method, _ scope: Normalisation.Scope, file: String
  ) throws(DatasetError) -> Normalisation {
    let normalisation = Normalisation(method, scope, of: Dataset(joining: parts))
    try apply(normalisation, file: file)
    return normalisation
  }

  /// Normalises everything by statistics that are there.
  ///
  /// - Throws: as `Normalisation.applied`; the division is then unchanged.
  package mutating func apply(_ normalisation: Normalisation, file: String) throws(DatasetError) {
    var normal: [Dataset] = []
    for part in parts { normal.append(try normalisation.applied(to: part, file: file)) }
    heldOut = try normalisation.applied(to: heldOut, file: file)
    parts = normal
  }

  /// Writes `data.csv` into each of the folders, which are there, and what is held out to `path`.
  ///
  /// - Throws: `DatasetError.unwritable`.
  package func write(to folders: [String], heldOut path: String) throws(DatasetError) {
    for (folder, part) in zip(folders, parts) { try CSVDataset.write(part, to: "\(folder)/data.csv") }
    try CSVDataset.write(heldOut, to: path)
  }
}
