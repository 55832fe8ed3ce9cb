import Federation

/// A text for models that predict the next character, and its vocabulary.
package struct CharacterText: Equatable, Sendable {
  /// A paragraph: what stands between blank lines.
  package struct Passage: Equatable, Sendable {
    /// The speaking role of a play, whose passages begin with a line of its name and a colon; nil where none does so, and
    /// the one before where this passage goes on without a name.
    package let role: String?
    /// Of `characters`, with the blank lines behind it.
    package let range: Range<Int>
  }

  /// The name of the only column by which a text can be dealt: its speaking roles.
  package static let roleColumn = "role"
  /// The longest line that is taken for a role's name.
  package static let roleLengthMax = 64

  /// Unicode scalars, as they stand in the file.
  package let characters: [Unicode.Scalar]
  /// Of this text alone.
  package let vocabulary: CharacterVocabulary
  package let passages: [Passage]

  /// - Parameter file: in errors.
  /// - Throws: `DatasetError.badRows` for bytes that are no UTF-8, with their line; `.noRows` for none.
  package init(_ bytes: [UInt8], file: String) throws(DatasetError) {
    guard !bytes.isEmpty else { throw .noRows(file: file) }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
      let bad = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0
      throw .badRows(
        file: file, problems: [.init(line: bad + 1, column: nil, found: "bytes that are no UTF-8", expected: "UTF-8")],
        total: 1)
    }
    self.init(Array(text.unicodeScalars))
  }

  private init(_ characters: [Unicode.Scalar]) {
    self.characters = characters
    vocabulary = CharacterVocabulary(of: characters)
    passages = Self.passages(of: characters)
  }

  /// The text of some passages, in order.
  package func text(of passages: [Passage]) -> String {
    var out = String.UnicodeScalarView()
    for passage in passages { out.append(contentsOf: characters[passage.range]) }
    return String(out)
  }

  /// The text cut into sequences that do not overlap, for a model that predicts the next character: the class at a place is
  /// the character behind it.
  ///
  /// - Parameters:
  ///   - sequenceLength: characters of one; from 1 to `DatasetFile.featureCountMax`. What is too short for another one is
  ///     left out.
  ///   - vocabulary: of the run; the text's own if nil.
  ///   - byRole: whether sequences stay within what one role says, whose passages are put together, and are grouped by it.
  ///   - file: in errors.
  /// - Throws: `DatasetError.badRows` for characters that the vocabulary lacks; `.noGroups` without roles; `.badFile` for a
  ///   text that is too short.
  package func dataset(
    sequenceLength: Int, vocabulary: CharacterVocabulary? = nil, byRole: Bool = false, file: String
  ) throws(DatasetError) -> Dataset {
    guard (1...DatasetFile.featureCountMax).contains(sequenceLength) else {
      throw .badFile(
        file: file, found: "sequences of \(sequenceLength)",
        expected: "a length from 1 to \(DatasetFile.featureCountMax)")
    }
    guard !byRole || hasRoles else { throw .noGroups(column: Self.roleColumn) }
    let vocabulary = vocabulary ?? self.vocabulary
    let numbers = try vocabulary.numbers(of: characters, file: file)
    var features: [Float] = []
    var labels: [Int32] = []
    var roles: [String] = []
    for (role, ranges) in byRole ? passagesByRole : [("", [0..<characters.count])] {
      let stream = ranges.flatMap { numbers[$0] }
      let count = max(0, stream.count - 1) / sequenceLength
      features += stream[..<(count * sequenceLength)].lazy.map(Float.init)
      labels += stream[1..<(count * sequenceLength + 1)]
      roles += [String](repeating: role, count: count)
    }
    guard !features.isEmpty else {
      throw .badFile(
        file: file, found: "\(characters.count) characters", expected: "at least \(sequenceLength + 1) in a row")
    }
    return Dataset(
      unchecked: features,
      targets: .classes(labels, classCount: vocabulary.count, perExample: sequenceLength), featureCount: sequenceLength,
      featureNames: (0..<sequenceLength).map { "c\($0)" }, targetNames: ["next"],
      groups: byRole ? try Dataset.Groups(column: Self.roleColumn, of: roles, file: file) : nil, vocabulary: vocabulary)
  }

  var hasRoles: Bool { passages.contains { $0.role != nil } }

  /// What each role says, in the order of their names; what comes before the first role has the name "".
  private var passagesByRole: [(role: String, ranges: [Range<Int>])] {
    Dictionary(grouping: passages) { $0.role ?? "" }
      .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      .map { ($0.key, $0.value.map(\.range)) }
  }

  // MARK: Passages

  private static func passages(of characters: [Unicode.Scalar]) -> [Passage] {
    var out: [Passage] = []
    var start = 0
    var position = 0
    var isBlank = false
    var role: String?
    while position < characters.count {
      let end = characters[position...].firstIndex(of: "\n").map { $0 + 1 } ?? characters.count
      let line = characters[position..<end].filter { $0 != "\n" && $0 != "\r" }
      if line.isEmpty {
        isBlank = true
      } else if isBlank {
        role = name(in: characters[start..<position]) ?? role
        out.append(Passage(role: role, range: start..<position))
        (start, isBlank) = (position, false)
      }
      position = end
    }
    role = name(in: characters[start...]) ?? role
    out.append(Passage(role: role, range: start..<characters.count))
    return out
  }

  /// What stands before the colon that ends the first line.
  private static func name(in passage: ArraySlice<Unicode.Scalar>) -> String? {
    let line = passage.prefix(roleLengthMax + 2).prefix { $0 != "\n" && $0 != "\r" }
    guard line.last == ":", line.count > 1, line.count <= roleLengthMax + 1 else { return nil }
    var name = String.UnicodeScalarView()
    name.append(contentsOf: line.dropLast())
    return String(name)
  }
}
