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

  /// Input and target of a next-character model: target `i` of a sequence is the character behind input `i`.
  package struct Sequences: Equatable, Sendable {
    package let count: Int
    package let length: Int
    /// Shape [count, length], indices into the vocabulary.
    package let inputs: [Int32]
    /// Shape [count, length].
    package let targets: [Int32]
  }

  /// The name of the only column by which a text can be dealt: its speaking roles.
  package static let roleColumn = "role"
  /// The longest line that is taken for a role's name.
  package static let roleLengthMax = 64

  /// Unicode scalars, as they stand in the file.
  package let characters: [Unicode.Scalar]
  /// Each character once, in ascending order: the index of a character is its number for a model.
  package let vocabulary: [Unicode.Scalar]
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
    vocabulary = Set(characters).sorted()
    passages = Self.passages(of: characters)
  }

  /// The text of some passages, in order.
  package func text(of passages: [Passage]) -> String {
    var out = String.UnicodeScalarView()
    for passage in passages { out.append(contentsOf: characters[passage.range]) }
    return String(out)
  }

  /// The numbers of characters.
  ///
  /// - Throws: `DatasetError.inconsistent` for a character that the vocabulary lacks.
  package func encode(_ text: String) throws(DatasetError) -> [Int32] {
    let numbers = numbers
    var out: [Int32] = []
    for (offset, character) in text.unicodeScalars.enumerated() {
      guard let number = numbers[character] else {
        throw .inconsistent(
          reason:
            "character \(offset) is U+\(String(character.value, radix: 16, uppercase: true)), expected one of the "
            + "\(vocabulary.count) of the vocabulary")
      }
      out.append(number)
    }
    return out
  }

  /// The characters behind numbers.
  ///
  /// - Throws: `DatasetError.inconsistent` for a number that is none of the vocabulary's.
  package func decode(_ numbers: [Int32]) throws(DatasetError) -> String {
    var out = String.UnicodeScalarView()
    for (offset, number) in numbers.enumerated() {
      guard vocabulary.indices.contains(Int(number)) else {
        throw .inconsistent(reason: "number \(offset) is \(number), expected 0…\(vocabulary.count - 1)")
      }
      out.append(vocabulary[Int(number)])
    }
    return String(out)
  }

  /// The text cut into sequences that do not overlap; what is too short for another one is left out.
  ///
  /// - Precondition: `length ≥ 1`.
  package func sequences(length: Int) -> Sequences {
    precondition(length >= 1, "a sequence has at least one character")
    let numbers = numbers
    let all = characters.map { numbers[$0] ?? 0 }
    let count = (all.count - 1) / length
    return Sequences(
      count: count, length: length, inputs: Array(all[..<(count * length)]),
      targets: Array(all[1..<(count * length + 1)]))
  }

  private var numbers: [Unicode.Scalar: Int32] {
    Dictionary(uniqueKeysWithValues: vocabulary.enumerated().map { ($1, Int32($0)) })
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
  ///   - heldOut: the fraction of the passages that no part gets.
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
    let (training, held) = try splitRows(count: text.passages.count, holdOut: heldOut, seed: seed)
    let hasRoles = text.passages.contains { $0.role != nil }
    let groups =
      hasRoles
      ? try Dataset.Groups(
        column: CharacterText.roleColumn, of: training.map { text.passages[$0].role ?? "" }, file: file) : nil
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
