/// Rules that look at one coordinate of all updates at a time.
enum CoordinateWise {
  /// - Parameter rule: of the values of one coordinate, sorted.
  static func combine(_ updates: some RoundUpdates, _ rule: ([Float]) -> Double) throws -> [Float] {
    var combined: [Float] = []
    combined.reserveCapacity(updates.elementCount)
    var column = [Float](repeating: 0, count: updates.count)
    try updates.forEachPiece { elements, rows in
      for place in 0..<elements.count {
        for (index, row) in rows.enumerated() { column[index] = row[place] }
        column.sort()
        combined.append(Float(rule(column)))
      }
    }
    return combined
  }

  /// The value in the middle, or the mean of the two in the middle (Yin et al. 2018, Definition 1).
  static func median(_ sorted: [Float]) -> Double {
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? Double(sorted[middle]) : (Double(sorted[middle - 1]) + Double(sorted[middle])) / 2
  }

  /// `1/((1 − 2β)·n) · Σ` of what is left without the ⌊β·n⌋ least and the ⌊β·n⌋ largest (Yin et al. 2018, Definition 2).
  static func trimmedMean(_ sorted: [Float], trimmed: Int) -> Double {
    let kept = sorted[trimmed..<sorted.count - trimmed]
    return kept.reduce(0.0) { $0 + Double($1) } / Double(kept.count)
  }
}
