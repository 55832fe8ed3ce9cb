import Federation

/// From the summed integers back to the weighted average of the updates.
package enum UpdateDecoder {
  /// `x_e = Σq_e · step · (W_max/Σω)`, rotated back.
  ///
  /// - Parameter weight: Σω, the first element of the auxiliary sum.
  /// - Throws: `badLength`, `noExamples` for a weight of 0.
  package static func average(
    _ sum: [Int64], weight: UInt64, rules: EncodingRules, transcript: Digest
  ) throws(Refusal) -> [Double] {
    guard sum.count == rules.vectorLength else { throw .badLength }
    return try average(weight: weight, rules: rules, transcript: transcript) { sum[$0] }
  }

  /// The same from an accumulator, as Float32 for the server optimizer.
  package static func average(
    _ sum: RingAccumulator, weight: UInt64, rules: EncodingRules, transcript: Digest
  ) throws(Refusal) -> [Float] {
    guard sum.count == rules.vectorLength else { throw .badLength }
    let x = try average(weight: weight, rules: rules, transcript: transcript) { sum.signedValue(at: $0) }
    return x.map { Float($0) }
  }

  private static func average(
    weight: UInt64, rules: EncodingRules, transcript: Digest, element: (Int) -> Int64
  ) throws(Refusal) -> [Double] {
    guard weight > 0 else { throw .noExamples }
    let scale = rules.step * (Double(rules.maximumWeight) / Double(weight))
    var x = (0..<rules.vectorLength).map { Double(element($0)) * scale }
    if rules.isRotated, !x.isEmpty { Rotation.invert(&x, transcript: transcript) }
    return x
  }
}
