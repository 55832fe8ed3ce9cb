import Federation
import Foundation
import Testing
import Training

@Suite struct NormalisationTests {
  private static func table(_ features: [Float], columns: Int = 2) throws -> Dataset {
    try Dataset(
      features: features, labels: [Int32](repeating: 0, count: features.count / columns), featureCount: columns,
      classCount: 1)
  }

  @Test("Statistics are those of the columns, and of all values together")
  func statistics() throws {
    let found = DatasetStatistics(try Self.table([1, 10, 3, 30]))
    #expect(found.features.map(\.mean) == [2, 20])
    #expect(found.features.map(\.minimum) == [1, 10])
    #expect(found.features.map(\.maximum) == [3, 30])
    #expect(found.features.map(\.standardDeviation) == [1, 10])
    #expect(found.overall.mean == 11)
    // Of 1, 10, 3, 30: the mean of the squares is 252.5.
    #expect(abs(found.overall.standardDeviation - (252.5 - 121).squareRoot()) < 1e-12)
  }

  @Test("What is normalised has mean 0 and deviation 1, or runs from 0 to 1", arguments: Normalisation.Scope.allCases)
  func methods(scope: Normalisation.Scope) throws {
    let digits = try digits()
    let standard = DatasetStatistics(
      try Normalisation(.standard, scope, of: digits).applied(to: digits, file: "f"))
    let minMax = DatasetStatistics(try Normalisation(.minMax, scope, of: digits).applied(to: digits, file: "f"))
    for feature in scope == .global ? [standard.overall] : standard.features {
      #expect(abs(feature.mean) < 1e-5)
      // Pixels that are always 0 stay so.
      #expect(abs(feature.standardDeviation - 1) < 1e-5 || feature.maximum == 0 && feature.minimum == 0)
    }
    #expect(minMax.overall.minimum == 0 && minMax.overall.maximum == 1)
  }

  @Test("Other data are treated as the training part was")
  func others() throws {
    let normalisation = Normalisation(.minMax, .feature, of: try Self.table([0, 10, 4, 30]))
    #expect(try normalisation.applied(to: Self.table([8, 20]), file: "f").features == [2, 0.5])
  }

  @Test("What a file keeps is what was computed")
  func files() throws {
    let folder = try DataFolder()
    let normalisation = Normalisation(.standard, .feature, of: try digits())
    try normalisation.write(to: "\(folder.path)/n.json")
    #expect(try Normalisation.load(path: "\(folder.path)/n.json") == normalisation)
    #expect(throws: DatasetError.unwritable(file: "/nowhere/n.json", reason: "No such file or directory")) {
      try normalisation.write(to: "/nowhere/n.json")
    }
  }

  @Test(
    "A file that does not fit together is refused",
    arguments: [
      ("\"version\" : 1", "\"version\" : 2"), ("\"offsets\" : [", "\"offsets\" : [1,"), ("0.5", "0"), ("0.5", "-1"),
      ("0.5", "1e999"), ("\"standard\"", "\"other\""), ("\"scales\"", "\"scale\""), ("{", ""),
    ])
  func badFiles(right: String, wrong: String) throws {
    let folder = try DataFolder()
    let path = "\(folder.path)/n.json"
    try Normalisation(.standard, .feature, of: Self.table([1, 2], columns: 1)).write(to: path)
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.contains(right))
    _ = try folder.file("n.json", Array(text.replacing(right, with: wrong, maxReplacements: 1).utf8))
    let error = #expect(throws: DatasetError.self) { try Normalisation.load(path: path) }
    guard case .badFile = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test("Data with other features are refused, and values that would not stay finite")
  func otherFeatures() throws {
    let normalisation = Normalisation(.minMax, .feature, of: try Self.table([0, 0, 1, 1e-30]))
    #expect(
      throws: DatasetError.badFile(
        file: "f", found: "1 features", expected: "2, as when the statistics were computed")
    ) { try normalisation.applied(to: Self.table([0], columns: 1), file: "f") }
    let renamed = try Dataset(
      features: [0, 0], labels: [0], featureCount: 2, classCount: 1, featureNames: ["x0", "age"])
    #expect(
      throws: DatasetError.badFile(
        file: "f", found: "feature age", expected: "x1, as when the statistics were computed")
    ) { try normalisation.applied(to: renamed, file: "f") }
    let error = #expect(throws: DatasetError.self) {
      try normalisation.applied(to: Self.table([0, 1e20]), file: "f")
    }
    #expect(error?.description.contains("in example 0, feature x1, expected a value that stays finite") == true)
  }

  @Test("A division is normalised by its parts alone, whatever is held out")
  func division() throws {
    let table = try Self.table((0..<200).map { Float($0) })
    var division = try DataDivision(table, parts: 4, partition: .iid, heldOut: .fraction(0.25), seed: 1)
    let before = division
    let normalisation = try division.normalise(.standard, .feature, file: "f")
    #expect(try division.heldOut == normalisation.applied(to: before.heldOut, file: "f"))
    let values = division.parts.flatMap(\.features)
    for column in 0..<2 {
      let own = stride(from: column, to: values.count, by: 2).map { Double(values[$0]) }
      #expect(abs(own.reduce(0, +) / Double(own.count)) < 1e-5)
    }
  }
}
