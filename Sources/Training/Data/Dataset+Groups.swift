extension Dataset {
  /// Which examples belong together: the hospital, writer or speaker that each of them comes from.
  package struct Groups: Equatable, Sendable {
    package static let groupCountMax = 65_536

    /// The name of the column that says so.
    package let column: String
    /// Different, sorted by their UTF-8 bytes.
    package let names: [String]
    /// Of each example, the index of its group in `names`.
    package let indices: [Int32]

    /// - Parameters:
    ///   - texts: of each example, the name of its group.
    ///   - file: in errors.
    /// - Throws: `DatasetError.badFile` for more than `groupCountMax` groups.
    init(column: String, of texts: [String], file: String) throws(DatasetError) {
      let names = Set(texts).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      guard names.count <= Self.groupCountMax else {
        throw .badFile(
          file: file, found: "\(names.count) groups in column \(column)", expected: "at most \(Self.groupCountMax)")
      }
      let indexOf = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, Int32($0)) })
      self.init(column: column, names: names, indices: texts.compactMap { indexOf[$0] })
    }

    private init(column: String, names: [String], indices: [Int32]) {
      self.column = column
      self.names = names
      self.indices = indices
    }

    /// Of some examples; the names stay as they are.
    func subset(_ rows: [Int]) -> Groups {
      Groups(column: column, names: names, indices: rows.map { indices[$0] })
    }
  }
}
