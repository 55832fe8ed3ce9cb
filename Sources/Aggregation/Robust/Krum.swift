/// Krum and Multi-Krum (Blanchard et al. 2017, Section 4): the updates that lie closest to most others.
enum Krum {
  /// The mean of the `keep` updates with the least `score(i) = Σ_{i→j} ‖Δ_i − Δ_j‖²`, where i → j are the n − f − 2
  /// updates nearest to Δ_i. Of equal scores, and of equal distances, the worker with the smaller name comes first.
  ///
  /// - Precondition: n ≥ 2f + 3 and 1 ≤ keep ≤ n − f.
  static func combine(_ updates: some RoundUpdates, byzantine: Int, keep: Int) throws -> [Float] {
    let n = updates.count
    precondition(n >= 2 * byzantine + 3 && (1...n - byzantine).contains(keep))
    let scores = scores(try squaredDistances(updates), neighbours: n - byzantine - 2)
    let best = scores.indices.sorted { (scores[$0], $0) < (scores[$1], $1) }.prefix(keep).sorted()
    return try updates.mean(of: best, weights: Array(repeating: 1, count: keep)).map(Float.init)
  }

  /// `‖Δ_i − Δ_j‖²`, shape `[n, n]`, summed in the order of the coordinates in one pass over the updates.
  private static func squaredDistances(_ updates: some RoundUpdates) throws -> [[Double]] {
    let n = updates.count
    var squares = [[Double]](repeating: [Double](repeating: 0, count: n), count: n)
    try updates.forEachPiece { _, rows in
      for i in 0..<n {
        for j in 0..<i { squares[i][j] += squaredDistance(rows[i], rows[j]) }
      }
    }
    for i in 0..<n {
      for j in 0..<i { squares[j][i] = squares[i][j] }
    }
    return squares
  }

  private static func squaredDistance(_ a: [Float], _ b: [Float]) -> Double {
    var sum = 0.0
    for i in a.indices {
      let difference = Double(a[i]) - Double(b[i])
      sum += difference * difference
    }
    return sum
  }

  private static func scores(_ squares: [[Double]], neighbours: Int) -> [Double] {
    squares.indices.map { i in
      let others = squares.indices.filter { $0 != i }.map { squares[i][$0] }.sorted()
      return others.prefix(neighbours).reduce(0, +)
    }
  }
}
