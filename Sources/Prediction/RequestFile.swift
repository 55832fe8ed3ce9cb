import Foundation
import Training

/// Rows of features written as JSON: `[[1, 2], [3, 4]]`, one row `[1, 2]`, or a request of the Open Inference Protocol,
/// version 2, whose only input has them.
package enum RequestFile {
  /// Longest file, in bytes.
  package static let byteCountMax = 256 << 20
  /// Deepest nesting of arrays: rows of images of channels.
  private static let depthMax = 8

  /// - Parameter file: what the bytes are called in errors.
  /// - Throws: `PredictionError.usage`.
  package static func read(_ bytes: [UInt8], file: String) throws(PredictionError) -> FeatureTable {
    struct Request: Decodable {
      struct Input: Decodable {
        let shape: [Int]
        let data: Numbers
      }
      let inputs: [Input]
    }
    let decoder = JSONDecoder()
    let data = Data(bytes)
    do {
      if bytes.first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) == UInt8(ascii: "{") {
        let inputs = try decoder.decode(Request.self, from: data).inputs
        guard inputs.count == 1 else {
          throw PredictionError(.usage, "\(file): found \(inputs.count) inputs, expected one")
        }
        return try table(inputs[0].data, rowCount: inputs[0].shape.first, file: file)
      }
      return try table(decoder.decode(Numbers.self, from: data), rowCount: nil, file: file)
    } catch let error as PredictionError {
      throw error
    } catch {
      throw PredictionError(
        .usage,
        "\(file): found JSON of another form, expected rows of numbers, or a request with inputs, shape and data")
    }
  }

  /// - Parameter rowCount: of a request's shape, where the numbers may be flat.
  private static func table(_ numbers: Numbers, rowCount: Int?, file: String) throws(PredictionError) -> FeatureTable {
    var features: [Float] = []
    var lengths: Set<Int> = []
    switch numbers {
    case .number: throw PredictionError(.usage, "\(file): found one number, expected rows of them")
    case .array(let rows) where rows.contains(where: \.isNumber):
      numbers.flatten(into: &features)
      let count = rowCount ?? 1
      guard count > 0, features.count % count == 0 else {
        throw PredictionError(.usage, "\(file): found \(features.count) numbers, expected whole rows, \(count) of them")
      }
      lengths = [features.count / count]
    case .array(let rows):
      for row in rows {
        let before = features.count
        row.flatten(into: &features)
        lengths.insert(features.count - before)
      }
      guard rowCount == nil || rowCount == rows.count else {
        throw PredictionError(.usage, "\(file): found \(rows.count) rows, expected \(rowCount ?? 0) as the shape says")
      }
    }
    guard lengths.count == 1, let length = lengths.first, length > 0 else {
      throw PredictionError(
        .usage,
        "\(file): found rows of \(lengths.sorted().map(String.init).joined(separator: ", ")) numbers, expected rows of one length"
      )
    }
    guard features.allSatisfy(\.isFinite) else {
      throw PredictionError(.usage, "\(file): found a number that is not finite in FP32, expected finite ones")
    }
    return FeatureTable(features: features, featureCount: length)
  }

  private indirect enum Numbers: Decodable {
    case number(Float)
    case array([Numbers])

    init(from decoder: any Decoder) throws {
      guard decoder.codingPath.count <= RequestFile.depthMax + 4 else {
        throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "nested too deep"))
      }
      let container = try decoder.singleValueContainer()
      if let number = try? container.decode(Double.self) {
        self = .number(Float(number))
      } else {
        self = .array(try container.decode([Numbers].self))
      }
    }

    var isNumber: Bool { if case .number = self { true } else { false } }

    func flatten(into out: inout [Float]) {
      switch self {
      case .number(let number): out.append(number)
      case .array(let items): for item in items { item.flatten(into: &out) }
      }
    }
  }
}
