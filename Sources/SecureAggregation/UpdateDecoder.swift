import CKernels
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
    let scale = try scale(count: sum.count, weight: weight, rules: rules)
    var x = sum.map { Double($0) * scale }
    if rules.isRotated, !x.isEmpty { Rotation.invert(&x, transcript: transcript) }
    return x
  }

  /// The same from an accumulator, as Float32 for the server optimizer; the same bits for any `runner`.
  ///
  /// Beside the sum there is the average, and with a rotation the sum in binary64.
  package static func average(
    _ sum: RingAccumulator, weight: UInt64, rules: EncodingRules, transcript: Digest,
    on runner: some PartRunner = SequentialRunner()
  ) throws(Refusal) -> [Float] {
    let scale = try scale(count: sum.count, weight: weight, rules: rules)
    guard rules.isRotated, sum.count > 0 else {
      return [Float](unsafeUninitializedCapacity: sum.count) { out, filled in
        if let base = out.baseAddress { sum.numbers(scaledBy: scale, into: base, on: runner) }
        filled = sum.count
      }
    }
    var x = [Double](unsafeUninitializedCapacity: sum.count) { out, filled in
      if let base = out.baseAddress { sum.numbers(scaledBy: scale, into: base, on: runner) }
      filled = sum.count
    }
    Rotation.invert(&x, transcript: transcript, on: runner)
    return [Float](unsafeUninitializedCapacity: x.count) { out, filled in
      filled = x.count
      narrow(x, into: out.baseAddress, on: runner)
    }
  }

  private static func narrow(_ x: [Double], into out: UnsafeMutablePointer<Float>?, on runner: some PartRunner) {
    x.withUnsafeBufferPointer { x in
      guard let from = x.baseAddress, let out else { return }
      nonisolated(unsafe) let (source, target) = (from, out)  // Ranges are disjoint.
      runner.forEachRange(of: 0..<x.count, multiple: 16, least: MaskStreams.leastElements) { range in
        RingKernels.table.narrow(range.count, source + range.lowerBound, target + range.lowerBound)
      }
    }
  }

  private static func scale(count: Int, weight: UInt64, rules: EncodingRules) throws(Refusal) -> Double {
    guard count == rules.vectorLength else { throw .badLength }
    guard weight > 0 else { throw .noExamples }
    return rules.step * (Double(rules.maximumWeight) / Double(weight))
  }
}
