import Foundation

/// The characters that a model knows, each with its number: those of one text, or of a whole run, so that every worker
/// numbers characters alike.
package struct CharacterVocabulary: Hashable, Sendable {
  /// Of the JSON file.
  package static let fileByteCountMax = 8 << 20
  package static let characterCountMax = CSVDataset.classCountMax

  /// Each once: the index of a character is its number.
  package let characters: [Unicode.Scalar]

  package var count: Int { characters.count }

  /// The characters of a text, in ascending order.
  package init(of text: [Unicode.Scalar]) { characters = Set(text).sorted() }

  /// - Returns: nil for no character, more than `characterCountMax`, or one that stands twice.
  package init?(_ characters: [Unicode.Scalar]) {
    guard (1...Self.characterCountMax).contains(characters.count), Set(characters).count == characters.count else {
      return nil
    }
    self.characters = characters
  }

  /// The numbers of characters.
  ///
  /// - Parameter file: that the characters are of, in errors.
  /// - Throws: `DatasetError.badRows` for characters that the vocabulary lacks, with line and column, both from 1.
  package func numbers(of text: [Unicode.Scalar], file: String) throws(DatasetError) -> [Int32] {
    let numbers = Dictionary(uniqueKeysWithValues: characters.enumerated().map { ($1, Int32($0)) })
    var out: [Int32] = []
    out.reserveCapacity(text.count)
    var (line, column) = (1, 1)
    var problems: [DatasetError.RowProblem] = []
    var problemCount = 0
    for character in text {
      if let number = numbers[character] {
        out.append(number)
      } else {
        problemCount += 1
        if problems.count < CSVDataset.problemsMax {
          problems.append(
            .init(
              line: line, column: "\(column)", found: Self.described(character),
              expected: "one of the \(count) characters of the vocabulary"))
        }
      }
      (line, column) = character == "\n" ? (line + 1, 1) : (line, column + 1)
    }
    guard problemCount == 0 else { throw .badRows(file: file, problems: problems, total: problemCount) }
    return out
  }

  /// The characters behind numbers.
  ///
  /// - Throws: `DatasetError.inconsistent` for a number that is none of the vocabulary's.
  package func text(_ numbers: [Int32]) throws(DatasetError) -> String {
    var out = String.UnicodeScalarView()
    for (offset, number) in numbers.enumerated() {
      guard characters.indices.contains(Int(number)) else {
        throw .inconsistent(reason: "number \(offset) is \(number), expected 0…\(count - 1)")
      }
      out.append(characters[Int(number)])
    }
    return String(out)
  }

  private static func described(_ character: Unicode.Scalar) -> String {
    let code = String(character.value, radix: 16, uppercase: true)
    let name = "U+" + String(repeating: "0", count: max(0, 4 - code.count)) + code
    return character.properties.generalCategory == .control ? name : "'\(character)' (\(name))"
  }

  // MARK: Files

  private struct Document: Codable {
    static let version = 1
    let version: Int
    let characters: String
  }

  /// Reads a file that `write` wrote.
  ///
  /// - Throws: `DatasetError.unreadable`, `.fileTooLarge`, `.badFile`.
  package static func load(path: String) throws(DatasetError) -> CharacterVocabulary {
    let bytes = try readFile(path, byteCountMax: fileByteCountMax)
    guard let document = try? JSONDecoder().decode(Document.self, from: Data(bytes)) else {
      throw .badFile(
        file: path, found: "bytes without a vocabulary", expected: "JSON with the keys version and characters")
    }
    guard document.version == Document.version else {
      throw .badFile(file: path, found: "version \(document.version)", expected: "version \(Document.version)")
    }
    guard let vocabulary = CharacterVocabulary(Array(document.characters.unicodeScalars)) else {
      throw .badFile(
        file: path, found: "no character, too many, or one that stands twice",
        expected: "1 to \(characterCountMax) different characters")
    }
    return vocabulary
  }

  /// Writes the vocabulary as JSON.
  ///
  /// - Throws: `DatasetError.unwritable`.
  package func write(to path: String) throws(DatasetError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    let document = Document(
      version: Document.version, characters: String(String.UnicodeScalarView(characters)))
    let data: Data
    do {
      data = try encoder.encode(document)
    } catch {
      throw .unwritable(file: path, reason: "\(error)")
    }
    try replaceFile(path, with: Array(data) + [0x0A])
  }
}
