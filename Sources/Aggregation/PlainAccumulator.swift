import CKernels
import Federation
import Tensors

/// The weighted sum of client updates in clear: `Σ w_k · Δ_k`, exactly the same bits in any order of arrival.
///
/// Every element is rounded once to a fixed-point number and summed in Int64, so that addition is associative. With
/// clip C and largest weight W the step is `P·2^−49`, P the smallest power of two above `C·W`: a product of an element
/// and a weight is exact in binary64 (24 + 29 bits) and at most `2^49·(1 + 10⁻⁵)` steps, and 10,000 of them stay below
/// `2^63` by construction.
///
/// *Error.* Each product moves by at most half a step, and that is at most `C·W·2^−49`. As every weight is at least 1, an
/// element of the mean is within `C·W·2^−49` of the exact weighted mean, before it is divided and rounded to Float32.
///
/// Plain mode only: the coordinator that holds this sees every update.
package struct PlainAccumulator: Sendable {
  /// Updates in one sum.
  package static let updatesMax = 10_000
  /// Largest value that `maximumWeight` may have: a product with a Float32 stays exact.
  package static let maximumWeightLimit: UInt64 = 1 << 29
  package static let clipRange = 1e-30...1e30
  /// How far above the clip a norm may lie: a worker clips in its own arithmetic and rounds to Float32.
  package static let normTolerance = 1e-5
  /// Bound on one auxiliary value: `updatesMax` of them cannot overflow.
  package static let auxiliaryMagnitudeMax = (Int64(1) << 62) / Int64(updatesMax)
  /// Bits of the largest product in steps.
  private static let fixedPointBits = 49

  /// d: elements of an update.
  package let elementCount: Int
  package let clip: Double
  package let maximumWeight: UInt64
  /// What one unit of the fixed-point sums is worth: a power of two.
  package let step: Double
  /// `Σ w_k`.
  package private(set) var weight: UInt64 = 0
  /// Sums of the auxiliary values, in the order of the layout.
  package private(set) var auxiliarySums: [Int64]

  private var sums: [Int64]
  private var contributors: Set<WorkerID> = []
  /// Whose updates were in the sum before it was emptied.
  private var formerContributors: Set<WorkerID> = []

  /// An empty sum of updates with `elementCount` elements; 0 in a round that only evaluates.
  ///
  /// - Parameters:
  ///   - clip: C, the L2 bound of an update.
  ///   - maximumWeight: W, the largest weight of an update, in examples.
  /// - Throws: `badClip`, `badMaximumWeight`.
  package init(
    elementCount: Int, auxiliaryCount: Int, clip: Double, maximumWeight: UInt64
  ) throws(AggregationError) {
    precondition(elementCount >= 0 && auxiliaryCount >= 0)
    guard Self.clipRange.contains(clip) else { throw .badClip(clip) }
    guard (1...Self.maximumWeightLimit).contains(maximumWeight) else { throw .badMaximumWeight(maximumWeight) }
    let largest = (clip * Double(maximumWeight)).nextUp  // The product itself may have been rounded down.
    let ceiling = Int(largest.exponent) + 1
    step = Double(sign: .plus, exponent: ceiling - Self.fixedPointBits, significand: 1)
    self.elementCount = elementCount
    self.clip = clip
    self.maximumWeight = maximumWeight
    auxiliarySums = Array(repeating: 0, count: auxiliaryCount)
    sums = Array(repeating: 0, count: elementCount)
  }

  /// Updates in the sum.
  package var count: Int { contributors.count }
  /// Whose updates are in the sum, sorted.
  package var workers: [WorkerID] { contributors.sorted() }

  /// Adds one worker's update: `sum += w · Δ`.
  ///
  /// - Parameters:
  ///   - update: `Δ = θ_local − θ_server`, shape `[d]`, its L2 norm at most the clip.
  ///   - weight: 1…`maximumWeight`.
  ///   - auxiliary: in the order of the layout.
  /// - Throws: `AggregationError`; the sum is then unchanged.
  package mutating func add(
    _ update: [Float], weight: UInt64, auxiliary: [Int64], from worker: WorkerID
  ) throws(AggregationError) {
    guard update.count == elementCount else {
      throw .wrongLength(worker: worker, expected: elementCount, found: update.count)
    }
    try admit(weight: weight, auxiliary: auxiliary, from: worker)
    try update.withUnsafeBufferPointer { values throws(AggregationError) in
      var check = UpdateCheck(worker: worker)
      try check.take(values, at: 0)
      try check.finish(clip: clip)
      let factor = Double(weight) / step
      sums.withUnsafeMutableBufferPointer { Self.add(values, factor, to: $0) }
    }
    conclude(weight: weight, auxiliary: auxiliary, from: worker)
  }

  /// Adds one worker's update from its chunks: little-endian Float32 values, each chunk a whole number of them.
  ///
  /// They may be read from a spool when they are asked for, as no more than one is looked at at a time.
  ///
  /// - Parameter isChecked: `check` has taken these very chunks. Otherwise each is read twice, because nothing may be
  ///   added before all of it is checked.
  /// - Throws: `AggregationError`; the sum is then unchanged, unless chunks that were checked are fewer now.
  package mutating func add(
    chunks: some Collection<[UInt8]>, weight: UInt64, auxiliary: [Int64], from worker: WorkerID,
    isChecked: Bool = false
  ) throws(AggregationError) {
    if isChecked {
      try admit(weight: weight, auxiliary: auxiliary, from: worker)
    } else {
      try check(chunks: chunks, weight: weight, auxiliary: auxiliary, from: worker)
    }
    let factor = Double(weight) / step
    let added = sums.withUnsafeMutableBufferPointer { sums in
      var first = 0
      for chunk in chunks {
        let next = min(first + chunk.count / 4, sums.count)
        chunk.withFloats { Self.add($0, factor, to: UnsafeMutableBufferPointer(rebasing: sums[first..<next])) }
        first = next
      }
      return first
    }
    guard added == elementCount else { throw .wrongLength(worker: worker, expected: elementCount, found: added) }
    conclude(weight: weight, auxiliary: auxiliary, from: worker)
  }

  /// Whether `add` would take these chunks; they are read once.
  ///
  /// - Throws: what `add` throws.
  package func check(
    chunks: some Collection<[UInt8]>, weight: UInt64, auxiliary: [Int64], from worker: WorkerID
  ) throws(AggregationError) {
    try admit(weight: weight, auxiliary: auxiliary, from: worker)
    var check = UpdateCheck(worker: worker)
    var coordinate = 0
    for chunk in chunks {
      guard chunk.count % 4 == 0, chunk.count / 4 <= elementCount - coordinate else {
        throw .wrongLength(worker: worker, expected: elementCount, found: coordinate + chunk.count / 4)
      }
      try chunk.withFloats { values throws(AggregationError) in try check.take(values, at: coordinate) }
      coordinate += chunk.count / 4
    }
    guard coordinate == elementCount else {
      throw .wrongLength(worker: worker, expected: elementCount, found: coordinate)
    }
    try check.finish(clip: clip)
  }

  /// Adds another sum of the same rules; nobody may be in both.
  ///
  /// - Precondition: together they have at most `updatesMax` updates.
  package mutating func merge(_ other: PlainAccumulator) {
    precondition(
      other.step == step && other.elementCount == elementCount && count + other.count <= Self.updatesMax,
      "sums that do not belong together")
    sums.withUnsafeMutableBufferPointer { sums in
      other.sums.withUnsafeBufferPointer { more in for place in sums.indices { sums[place] &+= more[place] } }
    }
    for (place, value) in other.auxiliarySums.enumerated() { auxiliarySums[place] += value }
    weight += other.weight
    contributors.formUnion(other.contributors)
  }

  /// `Σ w_k·Δ_k ÷ Σ w_k`, shape `[d]`, each element rounded once from binary64.
  ///
  /// - Throws: `noUpdates`.
  package func mean() throws(AggregationError) -> [Float] {
    guard weight > 0 else { throw .noUpdates }
    let total = Double(weight)
    return sums.map { Float(Double($0) * step / total) }
  }

  /// `Σ_g f_g·Σ_k Δ_k ÷ n` over several sums of updates that weigh 1 each, shape `[d]`: each element is added in the order
  /// of the sums in binary64 and rounded once. The order in which updates came to a sum changes nothing.
  ///
  /// - Precondition: all sums have the same rules, with a largest weight of 1.
  /// - Throws: `noUpdates`.
  package static func mean(
    of sums: [(sum: PlainAccumulator, factor: Double)]
  ) throws(AggregationError) -> [Float] {
    let total = sums.reduce(0) { $0 + $1.sum.count }
    guard total > 0, let first = sums.first?.sum else { throw .noUpdates }
    precondition(
      sums.allSatisfy {
        $0.sum.elementCount == first.elementCount && $0.sum.maximumWeight == 1 && $0.sum.step == first.step
      }, "sums under different rules")
    return (0..<first.elementCount).map { e in
      let value = sums.reduce(0.0) { $0 + $1.factor * (Double($1.sum.sums[e]) * first.step) }
      return Float(value / Double(total))
    }
  }

  /// The sum is 0 again; whose updates were in it is remembered, so that none comes in a second time.
  package mutating func empty() {
    formerContributors.formUnion(contributors)
    contributors = []
    weight = 0
    for e in sums.indices { sums[e] = 0 }
    for index in auxiliarySums.indices { auxiliarySums[index] = 0 }
  }

  private func admit(
    weight: UInt64, auxiliary: [Int64], from worker: WorkerID
  ) throws(AggregationError) {
    guard count < Self.updatesMax else { throw .tooManyUpdates(worker: worker) }
    guard !contributors.contains(worker), !formerContributors.contains(worker) else {
      throw .duplicate(worker: worker)
    }
    guard (1...maximumWeight).contains(weight) else { throw .badWeight(worker: worker, weight: weight) }
    guard auxiliary.count == auxiliarySums.count else {
      throw .wrongAuxiliaryLength(worker: worker, expected: auxiliarySums.count, found: auxiliary.count)
    }
    let allowed = -Self.auxiliaryMagnitudeMax...Self.auxiliaryMagnitudeMax
    if let index = auxiliary.firstIndex(where: { !allowed.contains($0) }) {
      throw .auxiliaryOutOfRange(worker: worker, index: index)
    }
  }

  private mutating func conclude(weight: UInt64, auxiliary: [Int64], from worker: WorkerID) {
    for (index, value) in auxiliary.enumerated() { auxiliarySums[index] += value }
    self.weight += weight
    contributors.insert(worker)
  }

  /// Adds the products in steps, to the nearest integer, ties to even; nothing overflows (see the type).
  ///
  /// `factor` is `w ÷ step`: exact, as the step is a power of two, and so is each product.
  private static func add(
    _ values: UnsafeBufferPointer<Float>, _ factor: Double, to sums: UnsafeMutableBufferPointer<Int64>
  ) {
    guard let source = values.baseAddress, let target = sums.baseAddress else { return }
    KernelTable.best.pointee.add_fixed(min(sums.count, values.count), source, factor, target)
  }
}

extension [UInt8] {
  /// The bytes as the little-endian Float32 values that they are.
  fileprivate func withFloats<Result, Failure>(
    _ body: (UnsafeBufferPointer<Float>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try withUnsafeBufferPointer { bytes throws(Failure) in
      #if _endian(big)
        var values: [Float] = []
        values.append(littleEndian: self)
        return try values.withUnsafeBufferPointer { values throws(Failure) in try body(values) }
      #else
        // The storage of an array is aligned for any of these.
        let raw = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[0..<bytes.count / 4 * 4])
        return try body(raw.bindMemory(to: Float.self))
      #endif
    }
  }
}

/// Looks at every value of one update before any of them is added.
private struct UpdateCheck {
  let worker: WorkerID
  private var squares = SquaredNorm()

  init(worker: WorkerID) { self.worker = worker }

  /// - Parameter coordinate: of the first value.
  mutating func take(_ values: UnsafeBufferPointer<Float>, at coordinate: Int) throws(AggregationError) {
    squares.add(values)
    guard !squares.value.isFinite else { return }
    let bad = values.firstIndex { !$0.isFinite }
    throw .nonFiniteValue(worker: worker, coordinate: coordinate + (bad ?? 0))
  }

  func finish(clip: Double) throws(AggregationError) {
    let norm = squares.value.squareRoot()
    guard norm <= clip * (1 + PlainAccumulator.normTolerance) else {
      throw .normAboveClip(worker: worker, norm: norm)
    }
  }
}
