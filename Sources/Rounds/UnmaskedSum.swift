import Aggregation
import Cryptography
import Federation
import SecureAggregation

/// The sum of an attempt's inputs as the simulator's fast fidelity makes it: each is clipped, weighted, rotated and rounded
/// as in a real attempt with the same roster, and not masked. The average is the same, bit for bit.
///
/// Sums of several threads are merged; all of it is exact, so their order does not matter. Memory is that of one model.
package struct UnmaskedSum: Sendable {
  private enum Kind: Sendable {
    case ring(RingAccumulator)
    case plain(PlainAccumulator)
    /// An evaluation-only attempt.
    case none
  }

  private let configuration: RoundConfiguration
  private let rules: EncodingRules
  private let transcript: Digest
  private var kind: Kind
  private var auxiliary: [Int64]

  /// - Parameters:
  ///   - aggregation: of the task.
  ///   - rosterCount: n.
  ///   - transcript: of the roster; anything in plain mode.
  /// - Throws: `fieldValue` for a ring or a bound that no sum can be kept in.
  package init(
    _ configuration: RoundConfiguration, aggregation: AggregationMode, rosterCount: Int, transcript: Digest
  ) throws(Refusal) {
    self.configuration = configuration
    self.transcript = transcript
    let isSecure = aggregation == .secure
    rules = try EncodingRules(
      configuration, rosterCount: isSecure ? rosterCount : Int(clamping: configuration.maximumRoster))
    auxiliary = Array(repeating: 0, count: configuration.auxiliaryLength)
    if configuration.vectorLength == 0 {
      kind = .none
    } else if isSecure {
      guard let sum = RingAccumulator(ringBits: UInt8(configuration.ringBits), count: rules.vectorLength) else {
        throw .fieldValue
      }
      kind = .ring(sum)
    } else {
      do throws(AggregationError) {
        kind = .plain(
          try PlainAccumulator(
            elementCount: rules.vectorLength, auxiliaryCount: configuration.auxiliaryLength,
            clip: configuration.clip, maximumWeight: configuration.maximumWeight))
      } catch {
        throw .fieldValue
      }
    }
  }

  /// Adds the input that a worker makes of its update.
  ///
  /// - Parameter roundingSeed: ρ of the worker in this attempt.
  /// - Throws: `badLength`, `notFinite`, `noExamples`, and `fieldValue` for what a plain sum refuses: an update that must
  ///   not leave the worker; the sum is then unchanged.
  package mutating func add(_ update: ClientUpdate, from worker: WorkerID, roundingSeed: SecretBytes) throws(Refusal) {
    switch kind {
    case .ring(let sum):
      let encoder = try UpdateEncoder(
        update: update.difference, exampleCount: update.exampleCount, rules: rules, transcript: transcript,
        roundingSeed: roundingSeed)
      add(
        try values(
          of: update, isClipped: encoder.isClipped, saturated: encoder.saturated, norm: encoder.norm))
      sum.add(encoder)
    case .plain(var sum):
      kind = .none  // One owner while it is written, so that nothing of it is copied.
      defer { kind = .plain(sum) }
      let clipped = try ClippedUpdate(update.difference, length: rules.vectorLength, clip: configuration.clip)
      let values = try values(of: update, isClipped: clipped.isClipped, saturated: 0, norm: clipped.norm)
      let weight = try AuxiliaryVector.decode(values, layout: configuration.auxiliaryLayout).weight
      do throws(AggregationError) {
        try sum.add(clipped.values, weight: weight, auxiliary: values, from: worker)
      } catch {
        throw .fieldValue
      }
      add(values)
    case .none: add(try values(of: update, isClipped: false, saturated: 0, norm: nil))
    }
  }

  private func values(
    of update: ClientUpdate, isClipped: Bool, saturated: Int, norm: Double?
  ) throws(Refusal) -> [Int64] {
    try AuxiliaryVector.encode(
      layout: configuration.auxiliaryLayout, exampleCount: update.exampleCount, metrics: update.metrics,
      isClipped: isClipped, saturated: saturated, norm: norm, terms: update.terms, rules: rules)
  }

  private mutating func add(_ values: [Int64]) {
    for (place, value) in values.enumerated() { auxiliary[place] &+= value }
  }

  /// Adds another part of the same attempt's sum.
  package mutating func merge(_ other: UnmaskedSum) {
    add(other.auxiliary)
    switch other.kind {
    case .ring(let more):
      if case .ring(let sum) = kind { sum.add(more) }
    case .plain(let more):
      guard case .plain(var sum) = kind else { return }
      kind = .none  // One owner, as in `add`.
      sum.merge(more)
      kind = .plain(sum)
    case .none: break
    }
  }

  /// What the coordinator reads of it.
  ///
  /// - Parameter single: a rule that compares single updates, and those; nil if their sum is enough.
  /// - Throws: `AggregationError`, `Refusal`.
  package func opened(
    combining single: (rule: RobustRule, updates: [WorkerID: ClientUpdate])? = nil,
    on runner: some PartRunner = SequentialRunner()
  ) throws -> RoundSum.Opened {
    let sums = try AuxiliaryVector.decode(auxiliary, layout: configuration.auxiliaryLayout)
    var average: [Float] = []
    switch kind {
    case .ring(let sum) where sums.weight > 0:
      average = try UpdateDecoder.average(sum, weight: sums.weight, rules: rules, transcript: transcript, on: runner)
    case .plain(let sum): average = try single.map { try combine($0.updates, $0.rule) } ?? sum.mean()
    case .ring, .none: break
    }
    return RoundSum.Opened(SumSummary(sums), average: average)
  }

  private func combine(_ updates: [WorkerID: ClientUpdate], _ rule: RobustRule) throws -> [Float] {
    let sorted = updates.sorted { $0.key < $1.key }.map(\.value)
    return try rule.combine(
      HeldUpdates(
        values: try sorted.map {
          try ClippedUpdate($0.difference, length: rules.vectorLength, clip: configuration.clip).values
        },
        weights: sorted.map { min($0.exampleCount, configuration.maximumWeight) }))
  }
}
