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
    #expect(text.vocabulary == ["\n", " ", "a", "b", "n", "é"])
    #expect(try text.encode("nab") == [4, 2, 3])
    #expect(try text.decode(text.encode("banana é\n")) == "banana é\n")
    #expect(
      throws: DatasetError.inconsistent(
        reason: "character 1 is U+58, expected one of the 6 of the vocabulary")
    ) { try text.encode("aX") }
    #expect(throws: DatasetError.inconsistent(reason: "number 0 is 6, expected 0…5")) { try text.decode([6]) }
    #expect(throws: DatasetError.self) { try text.decode([-1]) }
  }

  @Test("The target of a place in a sequence is the character behind it", arguments: 1...12)
  func sequences(length: Int) throws {
    let text = try Self.text("hello, world")
    let sequences = text.sequences(length: length)
    #expect(sequences.count == 11 / length)
    let numbers = try text.encode("hello, world")
    #expect(sequences.inputs == Array(numbers[..<(sequences.count * length)]))
    #expect(sequences.targets.elementsEqual(numbers.dropFirst().prefix(sequences.count * length)))
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
    #expect(division.heldOut.passages == 12)
    #expect(division.parts.map(\.passages).reduce(0, +) == 48)
    let lines = (division.parts + [division.heldOut]).flatMap { $0.text.split(separator: "\n") }
    #expect(lines.sorted() == Self.scenes.split(separator: "\n").sorted())
    if partition.groupColumn != nil { #expect(division.parts.map(\.roles).reduce(0, +) == 7) }
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
