import Federation

/// Random matrices with orthonormal rows or columns, the same bits on every machine: IEEE operations in a fixed order.
package enum OrthogonalMatrix {
  /// Uniform among the matrices whose shorter side's vectors are orthonormal: the Q of a Gaussian matrix, its signs such
  /// that R has a positive diagonal (Mezzadri 2007, §5), shape [rows, columns], row-major.
  ///
  /// Takes `4 · long · short²` multiply-adds.
  package static func random(rows: Int, columns: Int, using choices: inout SeededGenerator) -> [Double] {
    let long = max(rows, columns)
    let short = min(rows, columns)
    let gaussian = (0..<long * short).map { _ in choices.normal() }
    let q = orthonormalColumns(of: gaussian, rows: long, columns: short)
    guard rows < columns else { return q }
    return (0..<rows).flatMap { row in (0..<columns).map { q[$0 * short + row] } }
  }

  /// Q of the QR decomposition by Householder reflections `I − scale · v vᵀ` (Golub, Van Loan 2013, §5.2).
  ///
  /// - Parameters:
  ///   - matrix: shape [rows, columns], row-major, rows ≥ columns.
  static func orthonormalColumns(of matrix: [Double], rows: Int, columns: Int) -> [Double] {
    precondition(rows >= columns && matrix.count == rows * columns, "a tall matrix has columns to make orthonormal")
    var reduced = matrix
    var reflections: [(vector: [Double], scale: Double, sign: Double)] = []
    for k in 0..<columns {
      var vector = (k..<rows).map { reduced[$0 * columns + k] }
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      // The diagonal of R becomes −sign · norm: the sign that adds magnitudes below, so that nothing cancels.
      let sign: Double = vector[0] < 0 ? -1 : 1
      vector[0] += sign * norm
      let square = vector.reduce(0) { $0 + $1 * $1 }
      let scale = square > 0 ? 2 / square : 0
      reflect(&reduced, columns: columns, row: k, column: k + 1, by: vector, scale: scale)
      reflections.append((vector, scale, -sign))
    }
    var q = [Double](repeating: 0, count: rows * columns)
    for k in 0..<columns { q[k * columns + k] = reflections[k].sign }
    for k in (0..<columns).reversed() {
      reflect(&q, columns: columns, row: k, column: k, by: reflections[k].vector, scale: reflections[k].scale)
    }
    return q
  }

  /// Reflects the part of a matrix from a row and a column on.
  private static func reflect(
    _ matrix: inout [Double], columns: Int, row: Int, column: Int, by vector: [Double], scale: Double
  ) {
    // Row by row: each sum grows in the order of the rows, and the inner loops run over neighbours in memory.
    var products = [Double](repeating: 0, count: columns - column)
    matrix.withUnsafeMutableBufferPointer { matrix in
      for (i, x) in vector.enumerated() {
        let start = (row + i) * columns + column
        for j in products.indices { products[j] += x * matrix[start + j] }
      }
      for (i, x) in vector.enumerated() {
        let start = (row + i) * columns + column
        let factor = scale * x
        for j in products.indices { matrix[start + j] -= factor * products[j] }
      }
    }
  }
}
