import Federation
import Rounds
import SecureAggregation

/// The bulk side of one attempt: what workers encoded, what was spooled, what was added, and the claim on the sum: if it
/// opens, it is the plain sum of the integers of those whose inputs were added.
struct FuzzedInputs {
  private struct Input {
    let chunks: [[UInt8]]
    /// Vectors in header order.
    let integers: [[Int64]]
  }

  private let vectors: [VectorSpecification]
  private let configuration: RoundConfiguration
  private var spool: [WorkerID: Input] = [:]
  private(set) var added: [WorkerID] = []

  init(_ configuration: RoundConfiguration) {
    self.configuration = configuration
    vectors = VectorSpecification.all(for: configuration)
  }

  var vectorLength: UInt64 { configuration.vectorLength }

  /// Encodes, masks and spools an input.
  ///
  /// - Returns: the trailer and the digest that it must hold.
  mutating func upload(_ masking: MaskingOrder, attempt: AttemptID, by name: WorkerID) throws(Finding) -> (
    trailer: InputTrailer, payloadDigest: Digest
  ) {
    do throws(Refusal) {
      let update = FuzzedMembers.all.update(of: name, vectorLength: Int(configuration.vectorLength))
      let source = try UploadSource(.secure(attempt, masking, configuration), update: update)
      let chunks = (0..<source.chunkCount).map { source.chunk($0) }
      spool[name] = Input(chunks: chunks.map(\.bytes), integers: try integers(of: update, masking))
      let digests = chunks.map(\.digest)
      return (source.trailer(chunkDigests: digests), ChunkDigests.payload(digests))
    } catch {
      throw Finding("an honest update of \(name) cannot be sent: \(error)")
    }
  }

  private func integers(of update: ClientUpdate, _ masking: MaskingOrder) throws(Refusal) -> [[Int64]] {
    let rules = try EncodingRules(configuration, rosterCount: masking.rosterCount)
    var out: [[Int64]] = []
    var encoder: UpdateEncoder?
    if configuration.vectorLength > 0 {
      let made = try UpdateEncoder(
        update: update.difference, exampleCount: update.exampleCount, rules: rules, transcript: masking.transcript,
        roundingSeed: masking.roundingSeed)
      out.append(made.encode(0..<made.count))
      encoder = made
    }
    out.append(
      try AuxiliaryVector.encode(
        layout: configuration.auxiliaryLayout, exampleCount: update.exampleCount, metrics: update.metrics,
        isClipped: encoder?.isClipped ?? false, saturated: encoder?.saturated ?? 0, norm: encoder?.norm, rules: rules))
    return out
  }

  mutating func add(_ name: WorkerID) throws(Finding) {
    try Finding.unless(spool[name] != nil, "an input of \(name) counts that never came")
    try Finding.unless(!added.contains(name), "the input of \(name) counts twice")
    added.append(name)
  }

  /// Opens the sum of what was added.
  ///
  /// - Returns: the sums, vectors in header order.
  func open(_ order: UnmaskingOrder) throws(Finding) -> [[Int64]] {
    try Finding.unless(
      order.survivors.count == added.count, "the sum of \(added.count) inputs opens for \(order.survivors.count)")
    do throws(Refusal) {
      var sums: [[Int64]] = []
      for (place, (vector, terms)) in zip(vectors, try order.terms(vectors)).enumerated() {
        guard let sum = RingAccumulator(ringBits: vector.ringBits, count: Int(vector.count)) else {
          throw .fieldValue
        }
        let skipped = vectors[..<place].reduce(0) { $0 + $1.chunkCount }
        var plain = [Int64](repeating: 0, count: Int(vector.count))
        for name in added {
          guard let input = spool[name] else { continue }
          for index in 0..<vector.chunkCount {
            try sum.add(input.chunks[skipped + index], at: vector.elements(ofChunk: index).lowerBound)
          }
          for (e, q) in input.integers[place].enumerated() { plain[e] &+= q }
        }
        sum.apply(terms, elements: 0..<sum.count)
        sums.append(sum.signedValues)
        guard sums[place] == plain else { throw .wrongDigest }
      }
      return sums
    } catch {
      throw Finding("a sum opened that is not the plain sum of \(added): \(error)")
    }
  }
}
