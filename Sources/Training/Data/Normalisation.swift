import Federation
import Foundation

/// A shift and a scale for every feature, found on the training part and kept with the model, so that whoever uses it
/// later treats other data in the same way: `(value − offset) ÷ scale`.
package struct Normalisation: Equatable, Sendable, Codable {
  package typealias Method = NormalisationMethod
  package typealias Scope = NormalisationScope

  /// Of the JSON file.
  package static let fileByteCountMax = 64 << 20
  private static let version = 1

  /// Of the file's format.
  private let version: Int
  package let method: Method
  package let scope: Scope
  /// The features' names, in order.
  package let features: [String]
  package let offsets: [Double]
  /// All above 0; 1 for a feature that never changes.
  package let scales: [Double]

  /// Finds the statistics of `training`, which has at least one example.
  package init(_ method: Method, _ scope: Scope, of training: Dataset) {
    let statistics = DatasetStatistics(training)
    let sources =
      switch scope {
      case .feature: statistics.features
      case .global: [DatasetStatistics.Feature](repeating: statistics.overall, count: training.featureCount)
      }
    version = Self.version
    self.method = method
    self.scope = scope
    features = training.featureNames
    switch method {
    case .standard:
      offsets = sources.map(\.mean)
      scales = sources.map { $0.standardDeviation > 0 ? $0.standardDeviation : 1 }
    case .minMax:
      offsets = sources.map(\.minimum)
      scales = sources.map { $0.maximum > $0.minimum ? $0.maximum - $0.minimum : 1 }
    }
  }

  /// The same examples, normalised.
  ///
  /// - Parameter file: of the examples, in errors.
  /// - Throws: `DatasetError.badFile` for other features, for a text, or a value that is not finite afterwards.
  package func applied(to dataset: Dataset, file: String) throws(DatasetError) -> Dataset {
    guard dataset.vocabulary == nil else {
      throw .badFile(file: file, found: "the characters of a text", expected: "features that are quantities")
    }
    guard dataset.featureNames == features else {
      let index = zip(dataset.featureNames, features).enumerated().first { $1.0 != $1.1 }?.offset
      throw .badFile(
        file: file,
        found: index.map { "feature \(dataset.featureNames[$0])" } ?? "\(dataset.featureCount) features",
        expected: index.map { "\(features[$0]), as when the statistics were computed" }
          ?? "\(features.count), as when the statistics were computed")
    }
    let width = features.count
    let values = dataset.features.enumerated().map { i, value in
      Float((Double(value) - offsets[i % width]) / scales[i % width])
    }
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      throw .badFile(
        file: file, found: "\(dataset.features[bad]) in example \(bad / width), feature \(features[bad % width])",
        expected: "a value that stays finite when it is normalised")
    }
    return dataset.replacing(features: values)
  }

  // MARK: Files

  /// Reads a file that `write` wrote.
  ///
  /// - Throws: `DatasetError.unreadable`, `.fileTooLarge`, `.badFile`.
  package static func load(path: String) throws(DatasetError) -> Normalisation {
    let bytes = try readFile(path, byteCountMax: fileByteCountMax)
    let found: Normalisation
    do {
      found = try JSONDecoder().decode(Normalisation.self, from: Data(bytes))
    } catch {
      throw .badFile(
        file: path, found: "no such JSON", expected: "normalisation statistics, as 'murmur data' writes them")
    }
    guard found.version == version, found.features.count >= 1, found.offsets.count == found.features.count,
      found.scales.count == found.features.count, found.offsets.allSatisfy(\.isFinite),
      found.scales.allSatisfy({ $0 > 0 && $0.isFinite })
    else {
      throw .badFile(
        file: path, found: "statistics that do not fit together",
        expected: "version \(version), and a finite offset and a scale above 0 for every feature")
    }
    return found
  }

  /// Writes the statistics as JSON.
  ///
  /// - Throws: `DatasetError.unwritable`.
  package func write(to path: String) throws(DatasetError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    do {
      let data = try encoder.encode(self)
      try replaceFile(path, with: Array(data) + [0x0A])
    } catch let error as DatasetError {
      throw error
    } catch {
      throw .unwritable(file: path, reason: "\(error)")
    }
  }
}
