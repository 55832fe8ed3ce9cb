import Tensors

/// Why a text is not a model architecture.
package enum ArchitectureError: Error, Equatable, Sendable {
  /// The first word names no known family of models.
  case unknownFamily(String)
  /// Not of the form `mlp IN-…-OUT`.
  case malformed(String)
  /// A width that is not a whole number from 1 to `ModelArchitecture.widthMax`.
  case badWidth(String)
  case wrongLayerCount(found: Int, max: Int)
  case tooManyParameters(max: Int)
}

/// The shape of a model: `mlp 64-128-10` has 64 features, a hidden layer of 128 with ReLU, and 10 classes.
///
/// Layer `i` has the tensors `layer<i>.weight` of shape [outputs, inputs] and `layer<i>.bias` of shape [outputs].
/// ReLU follows every layer but the last, whose outputs are the logits of a softmax.
package struct ModelArchitecture: Hashable, Sendable, CustomStringConvertible {
  package static let layerCountMax = 64
  package static let widthMax = 65_536
  package static let parameterCountMax = 1 << 28

  /// One dense layer and where its tensors lie in the update vector.
  package struct Layer: Hashable, Sendable {
    package let inputs: Int
    package let outputs: Int
    package let weight: Range<Int>
    package let bias: Range<Int>
  }

  /// Features, hidden widths, classes: one more than there are layers.
  package let widths: [Int]
  package let layers: [Layer]
  package let layout: ParameterLayout

  package var featureCount: Int { widths[0] }
  package var classCount: Int { widths[widths.count - 1] }

  /// Reads what `description` writes.
  package init(parsing text: String) throws(ArchitectureError) {
    let words = text.split(separator: " ", omittingEmptySubsequences: true)
    guard let family = words.first else { throw .malformed(text) }
    guard family == "mlp" else { throw .unknownFamily(String(family)) }
    guard words.count == 2 else { throw .malformed(text) }
    var widths: [Int] = []
    for part in words[1].split(separator: "-", omittingEmptySubsequences: false) {
      guard let width = Int(part), (1...Self.widthMax).contains(width) else { throw .badWidth(String(part)) }
      guard widths.count <= Self.layerCountMax else {
        throw .wrongLayerCount(found: words[1].count { $0 == "-" }, max: Self.layerCountMax)
      }
      widths.append(width)
    }
    try self.init(widths: widths)
  }

  /// - Parameter widths: features, hidden widths, classes.
  package init(widths: [Int]) throws(ArchitectureError) {
    guard (2...Self.layerCountMax + 1).contains(widths.count) else {
      throw .wrongLayerCount(found: widths.count - 1, max: Self.layerCountMax)
    }
    for width in widths where !(1...Self.widthMax).contains(width) { throw .badWidth(String(width)) }
    let pairs = zip(widths, widths.dropFirst())
    // At most 64 · 65,536 · 65,537 elements: no overflow.
    guard pairs.reduce(0, { $0 + ($1.0 + 1) * $1.1 }) <= Self.parameterCountMax else {
      throw .tooManyParameters(max: Self.parameterCountMax)
    }
    var tensors: [(name: String, shape: [Int])] = []
    for (i, (inputs, outputs)) in pairs.enumerated() {
      tensors.append((Self.weightName(i), [outputs, inputs]))
      tensors.append((Self.biasName(i), [outputs]))
    }
    guard let layout = try? ParameterLayout(tensors) else { throw .tooManyParameters(max: Self.parameterCountMax) }
    self.widths = widths
    self.layout = layout
    layers = pairs.enumerated().compactMap { i, pair in
      guard let weight = layout[Self.weightName(i)], let bias = layout[Self.biasName(i)] else { return nil }
      return Layer(inputs: pair.0, outputs: pair.1, weight: weight.range, bias: bias.range)
    }
  }

  package static func weightName(_ layer: Int) -> String { "layer\(layer).weight" }
  package static func biasName(_ layer: Int) -> String { "layer\(layer).bias" }

  package var description: String { "mlp " + widths.map(String.init).joined(separator: "-") }
}
