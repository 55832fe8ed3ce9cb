import SecureAggregation
import Tensors

/// A difference as it is reported in plain mode: shortened to the clip if it is longer, rounded once to Float32.
struct ClippedUpdate: Sendable {
  let difference: [Float]
  /// Before clipping.
  let norm: Double
  let isClipped: Bool
  private let factor: Double

  /// - Throws: `badLength`, `notFinite`.
  init(_ difference: [Float], length: Int, clip: Double) throws(Refusal) {
    guard difference.count == length else { throw .badLength }
    let square = SquaredNorm(difference).value
    guard square.isFinite else { throw .notFinite }
    self.difference = difference
    norm = square.squareRoot()
    isClipped = norm > clip
    factor = isClipped ? clip / norm : 1
  }

  subscript(element: Int) -> Float { Float(Double(difference[element]) * factor) }

  var values: [Float] { isClipped ? difference.indices.map { self[$0] } : difference }
}
