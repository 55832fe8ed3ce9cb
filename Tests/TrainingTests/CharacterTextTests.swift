import Federation
import Foundation
import Testing
import Training

@Suite struct CharacterTextTests {
  private static let play = "Romeo:\nHé!\nho\n\nJuliet:\nO Romeo.\n\n\nRomeo:\nAy.\n\nshe speaks\n"

  private static func text(_ text: String) throws(DatasetError) -> CharacterText {
    try CharacterText(Array(text.utf8), file: "f.txt")
  }

  @Test("The vocabulary has every character once, in ascending order, and numbers read back as the text")
  func vocabulary() throws {
    let text = try Self.text("banana é\n")
    let vocabulary = text.vocabulary
    #expect(vocabulary.characters == ["\n", " ", "a", "b", "n", "é"])
    #expect(try vocabulary.numbers(of: ["n", "a", "b"], file: "f") == [4, 2, 3])
    #expect(try vocabulary.text(vocabulary.numbers(of: text.characters, file: "f")) == "banana é\n")
    #expect(throws: DatasetError.inconsistent(reason: "number 0 is 6, expected 0…5")) { try vocabulary.text([6]) }
    #expect(throws: DatasetError.self) { try vocabulary.text([-1]) }
  }

  @Test("A character that the vocabulary lacks is named with its line and column; the first twenty are listed")
  func strangers() throws {
    let vocabulary = try Self.text("ab\n").vocabulary
    let text = try Self.text("ab\nbéa\n\tb\u{1F600}")
    let expected = "one of the 3 characters of the vocabulary"
    #expect(
      throws: DatasetError.badRows(
        file: "f.txt",
        problems: [
          .init(line: 2, column: "2", found: "'é' (U+00E9)", expected: expected),
          .init(line: 3, column: "1", found: "U+0009", expected: expected),
          .init(line: 3, column: "3", found: "'\u{1F600}' (U+1F600)", expected: expected),
        ], total: 3)
    ) { try text.dataset(sequenceLength: 2, vocabulary: vocabulary, file: "f.txt") }
    let error = #expect(throws: DatasetError.self) {
      try Self.text(String(repeating: "x", count: 30)).dataset(sequenceLength: 2, vocabulary: vocabulary, file: "f.txt")
    }
    #expect(error?.description.hasSuffix("… and 10 more") == true)
  }

  @Test("A vocabulary is kept as JSON, in its order, and one that is none is refused")
  func vocabularyFiles() throws {
    let folder = try DataFolder()
    let vocabulary = try #require(CharacterVocabulary(["z", "\n", "\"", "é", "\u{301}", "e"]))
    try vocabulary.write(to: "\(folder.path)/v.json")
    #expect(try CharacterVocabulary.load(path: "\(folder.path)/v.json") == vocabulary)
    for (text, complaint) in [
      (#"{"version": 1, "characters": "aba"}"#, "one that stands twice"),
      (#"{"version": 1, "characters": ""}"#, "found no character"),
      (#"{"version": 2, "characters": "ab"}"#, "found version 2, expected version 1"),
      (#"{"version": 1}"#, "bytes without a vocabulary"), ("abc", "bytes without a vocabulary"),
    ] {
      let path = try folder.file("v.json", Array(text.utf8))
      let error = #expect(throws: DatasetError.self) { try CharacterVocabulary.load(path: path) }
      #expect(error?.description.contains(complaint) == true, "\(String(describing: error))")
    }
    #expect(CharacterVocabulary([]) == nil && CharacterVocabulary(["a", "a"]) == nil)
  }

  @Test("The class of a place in a sequence is the character behind it", arguments: 1...11)
  func sequences(length: Int) throws {
    let text = try Self.text("hello, world")
    let dataset = try text.dataset(sequenceLength: length, file: "f")
    #expect(dataset.count == 11 / length && dataset.featureCount == length)
    let numbers = try text.vocabulary.numbers(of: text.characters, file: "f")
    #expect(dataset.features.elementsEqual(numbers.prefix(dataset.count * length).map(Float.init)))
    #expect(dataset.labels.elementsEqual(numbers.dropFirst().prefix(dataset.count * length)))
    #expect(dataset.targets == .classes(dataset.labels, classCount: 9, perExample: length))
    #expect(dataset.vocabulary == text.vocabulary && dataset.groups == nil)
  }

  @Test("Numbers of characters are neither scaled nor normalised, and are dealt without classes")
  func tokens() throws {
    let dataset = try Self.text(Self.scenes).dataset(sequenceLength: 4, file: "f")
    #expect(dataset.scaled(by: 16) == dataset)
    #expect(
      throws: DatasetError.badFile(
        file: "f", found: "the characters of a text", expected: "features that are quantities")
    ) { try Normalisation(.standard, .global, of: dataset).applied(to: dataset, file: "f") }
    #expect(throws: DatasetError.noClasses) { try dataset.partition(.dirichlet(alpha: 1), parts: 2, seed: 1) }
    #expect(throws: DatasetError.noClasses) { try dataset.partition(.shards(perPart: 1), parts: 2, seed: 1) }
    let dealt = try dataset.partition(.iid, parts: 3, seed: 1)
    #expect(dealt.map(\.count).reduce(0, +) == dataset.count)
    #expect(dealt.allSatisfy { $0.vocabulary == dataset.vocabulary && $0.labels.count == 4 * $0.count })
  }

  @Test("By role, sequences stay within what one role says")
  func byRole() throws {
    let text = try Self.text("aa\n\nB:\nbb\n\nA:\ncc\n\nB:\ndd")
    let dataset = try text.dataset(sequenceLength: 3, byRole: true, file: "f")
    let groups = try #require(dataset.groups)
    #expect(groups.column == "role" && groups.names == ["", "A", "B"])
    var said: [String: String] = [:]
    for row in 0..<dataset.count {
      let numbers = dataset.features[3 * row..<3 * row + 3].map { Int32($0) }
      said[groups.names[Int(groups.indices[row])], default: ""] += try text.vocabulary.text(numbers)
    }
    #expect(said == ["": "aa\n", "A": "A:\ncc\n", "B": "B:\nbb\n\nB:"])
    let next = try text.vocabulary.text(Array(dataset.labels.suffix(3)))
    #expect(next == "B:\n")
    #expect(throws: DatasetError.noGroups(column: "role")) {
      try Self.text("a\n\nb\n").dataset(sequenceLength: 1, byRole: true, file: "f")
    }
  }

  @Test("A text that is too short, or a length that is none, is refused")
  func tooShort() throws {
    #expect(
      throws: DatasetError.badFile(file: "f", found: "3 characters", expected: "at least 4 in a row")
    ) { try Self.text("abc").dataset(sequenceLength: 3, file: "f") }
    for length in [0, -1, DatasetFile.featureCountMax + 1] {
      #expect(throws: DatasetError.self) { try Self.text("abc").dataset(sequenceLength: length, file: "f") }
    }
  }

  @Test(
    "What is held out of a text is the last part, of each role where there are roles", arguments: [0, 0.1, 0.25, 0.9])
  func holdOut(fraction: Double) throws {
    let whole = try Self.text(Self.scenes).dataset(sequenceLength: 2, file: "f")
    let (training, held) = try whole.split(holdOut: fraction, seed: 4)
    #expect(training.features + held.features == whole.features && training.labels + held.labels == whole.labels)
    #expect(held.count == Int((Double(whole.count) * fraction).rounded()))
    let byRole = try Self.text(Self.scenes).dataset(sequenceLength: 2, byRole: true, file: "f")
    let parts = try byRole.split(holdOut: fraction, seed: 4)
    for role in 0..<7 {
      func rows(_ dataset: Dataset) -> [Float] {
        (dataset.groups?.indices ?? []).enumerated().flatMap { row, group in
          group == role ? Array(dataset.features[2 * row..<2 * row + 2]) : []
        }
      }
      #expect(rows(parts.training) + rows(parts.holdOut) == rows(byRole))
      #expect(rows(parts.holdOut).count / 2 == Int((Double(rows(byRole).count / 2) * fraction).rounded()))
    }
  }

  @Test("Passages stand between blank lines, and belong to the role that was named last")
  func passages() throws {
    let text = try Self.text(Self.play)
    #expect(text.passages.map(\.role) == ["Romeo", "Juliet", "Romeo", "Romeo"])
    #expect(text.text(of: text.passages) == Self.play)
    #expect(text.text(of: [text.passages[1]]) == "Juliet:\nO Romeo.\n\n\n")
    #expect(try Self.text("one\n\ntwo").passages.map(\.role) == [nil, nil])
    #expect(try Self.text("\r\n\r\nA:\r\nb\r\n\r\nC:\r\nd").passages.map(\.role) == [nil, "A", "C"])
  }

  @Test("Bytes that are no UTF-8 are refused with their line, and an empty file by name")
  func bad() {
    let problem = DatasetError.RowProblem(line: 2, column: nil, found: "bytes that are no UTF-8", expected: "UTF-8")
    #expect(throws: DatasetError.badRows(file: "f.txt", problems: [problem], total: 1)) {
      try CharacterText([0x61, 0x0A, 0xFF, 0x0A], file: "f.txt")
    }
    #expect(throws: DatasetError.noRows(file: "f.txt")) { try CharacterText([], file: "f.txt") }
  }

  private static let scenes = (0..<60).map { "Role \($0 % 7):\nline \($0)\n\n" }.joined()

  @Test(
    "Every passage of a text is in one part or held out",
    arguments: [.iid, .quantity(alpha: 0.5), .column("role")]
      as [DataPartition])
  func division(partition: DataPartition) throws {
    let division = try TextDivision(
      Self.text(Self.scenes), parts: 4, partition: partition, heldOut: 0.2, seed: 3, file: "f.txt")
    // Of roles with 9, 9, 9, 9, 8, 8 and 8 passages two each.
    #expect(division.heldOut.passages == (partition.groupColumn == nil ? 12 : 14))
    #expect((division.parts + [division.heldOut]).map(\.passages).reduce(0, +) == 60)
    let lines = (division.parts + [division.heldOut]).flatMap { $0.text.split(separator: "\n") }
    #expect(lines.sorted() == Self.scenes.split(separator: "\n").sorted())
    if partition.groupColumn == nil {
      #expect(division.heldOut.text == (48..<60).map { "Role \($0 % 7):\nline \($0)\n\n" }.joined())
    } else {
      #expect(division.parts.map(\.roles).reduce(0, +) == 7)
      let last = Set(lines.filter { $0.hasPrefix("line") }.suffix(14))
      #expect(last == Set((46..<60).map { "line \($0)" }))
    }
  }

  @Test("A text is not dealt by classes, by other columns or by roles that it has not")
  func refusals() throws {
    for partition in [DataPartition.dirichlet(alpha: 1), .shards(perPart: 2)] {
      let error = #expect(throws: DatasetError.self) {
        try TextDivision(Self.text(Self.scenes), parts: 2, partition: partition, heldOut: 0, seed: 1, file: "f.txt")
      }
      #expect(error?.description.hasPrefix("f.txt: found a text, whose passages have no classes") == true)
    }
    #expect(throws: DatasetError.noGroups(column: "town")) {
      try TextDivision(Self.text(Self.scenes), parts: 2, partition: .column("town"), heldOut: 0, seed: 1, file: "f")
    }
    #expect(throws: DatasetError.noGroups(column: "role")) {
      try TextDivision(Self.text("a\n\nb\n"), parts: 2, partition: .column("role"), heldOut: 0, seed: 1, file: "f")
    }
    #expect(throws: DatasetError.tooFewGroups(column: "role", found: 7, needed: 8)) {
      try TextDivision(Self.text(Self.scenes), parts: 8, partition: .column("role"), heldOut: 0, seed: 1, file: "f")
    }
  }

  @Test("The real scenes of Shakespeare have 65 characters and hundreds of roles", .enabled(if: realShakespeare != nil))
  func shakespeare() throws {
    let text = try DatasetFile(path: #require(Self.realShakespeare)).text()
    #expect(text.characters.count == 1_115_394)
    #expect(text.vocabulary.count == 65)
    #expect(Set(text.passages.map(\.role)).count > 200)
    let division = try TextDivision(text, parts: 50, partition: .column("role"), heldOut: 0, seed: 1, file: "f")
    #expect(division.parts.map(\.text.utf8.count).reduce(0, +) == 1_115_394)
  }

  private static let realShakespeare = realData("tinyshakespeare.txt")
}
