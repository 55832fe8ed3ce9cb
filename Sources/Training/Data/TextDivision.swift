import Federation

/// A text divided into what nobody trains on and one part a worker, passage by passage.
package struct TextDivision: Equatable, Sendable {
  package struct Part: Equatable, Sendable {
    package let text: String
    package let passages: Int
    /// Different ones.
    package let roles: Int
  }

  package let parts: [Part]
  package let heldOut: Part

  /// - Parameters:
  ///   - partition: `.iid`, `.quantity`, or `.column("role")`; the others need classes, which a text has not.
  ///   - heldOut: the fraction of the passages that no part gets: the last ones of each role, or, where roles are not what
  ///     the text is dealt by, of the text.
  ///   - file: in errors.
  /// - Throws: `DatasetError.badFile`, `.badFraction`, and what a partition throws.
  package init(
    _ text: CharacterText, parts: Int, partition: DataPartition, heldOut: Double, seed: UInt64, file: String
  ) throws(DatasetError) {
    switch partition {
    case .iid, .quantity, .column: break
    case .dirichlet, .shards:
      throw .badFile(
        file: file, found: "a text, whose passages have no classes",
        expected: "a partition at random, by quantity or by column \(CharacterText.roleColumn)")
    }
    let roles =
      text.hasRoles
      ? try Dataset.Groups(column: CharacterText.roleColumn, of: text.passages.map { $0.role ?? "" }, file: file) : nil
    let (training, held) = try splitLastRows(
      count: text.passages.count, groups: partition.groupColumn == nil ? nil : roles, holdOut: heldOut)
    let groups = roles?.subset(training)
    var partitioner = Partitioner(
      labels: [], classCount: 0, groups: groups, count: training.count, parts: parts, minimum: 1, seed: seed)
    self.parts = try partitioner.rows(partition).map { rows in
      Part(text, rows.map { text.passages[training[$0]] })
    }
    self.heldOut = Part(text, held.map { text.passages[$0] })
  }

  /// Writes `data.txt` into each of the folders, which are there, and what is held out to `path`.
  ///
  /// - Throws: `DatasetError.unwritable`.
  package func write(to folders: [String], heldOut path: String) throws(DatasetError) {
    for (folder, part) in zip(folders, parts) { try replaceFile("\(folder)/data.txt", with: Array(part.text.utf8)) }
    try replaceFile(path, with: Array(heldOut.text.utf8))
  }
}

extension TextDivision.Part {
  fileprivate init(_ text: CharacterText, _ passages: [CharacterText.Passage]) {
    self.init(
      text: text.text(of: passages), passages: passages.count, roles: Set(passages.compactMap(\.role)).count)
  }
}
