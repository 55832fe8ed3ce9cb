import Federation
import Rounds
import SecureAggregation

/// Recomputes every sum from what the workers put into it, and counts who is in it.
///
/// In secure mode the integers before masking are added aside: the opened sum must be theirs, bit for bit. In plain
/// mode the clipped differences are averaged in binary64, and the opened average must be within the error that
/// `PlainAccumulator` states.
struct SumChecker {
  private enum Contribution {
    case secure(update: [Int64], auxiliary: [Int64])
    case plain(update: [Double], weight: UInt64, auxiliary: [Int64])
  }

  private struct Inputs {
    let plan: RunStateMachine.UploadPlan
    var added: [WorkerID] = []
  }

  /// By upload, then worker.
  private var contributions: [Digest: [WorkerID: Contribution]] = [:]
  private var inputs: Inputs?

  // MARK: From the workers

  /// A worker is about to report: its integers before any mask.
  mutating func contributed(
    _ order: WorkerStateMachine.UploadOrder, update: ClientUpdate, by worker: WorkerID
  ) throws(Refusal) {
    switch order {
    case .secure(_, let masking, let configuration):
      let rules = try EncodingRules(configuration, rosterCount: masking.rosterCount)
      var encoder: UpdateEncoder?
      if configuration.vectorLength > 0 {
        encoder = try UpdateEncoder(
          update: update.difference, exampleCount: update.exampleCount, rules: rules, transcript: masking.transcript,
          roundingSeed: masking.roundingSeed)
      }
      let auxiliary = try AuxiliaryVector.encode(
        layout: configuration.auxiliaryLayout, exampleCount: update.exampleCount, metrics: update.metrics,
        isClipped: encoder?.isClipped ?? false, saturated: encoder?.saturated ?? 0, norm: encoder?.norm, rules: rules)
      keep(
        .secure(update: encoder?.encode(0..<rules.vectorLength) ?? [], auxiliary: auxiliary), masking.transcript, worker
      )
    case .plain(_, let plain, let configuration):
      let rules = try EncodingRules(configuration, rosterCount: Int(clamping: configuration.maximumRoster))
      let norm = update.difference.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      let factor = norm > configuration.clip ? configuration.clip / norm : 1
      let auxiliary = try AuxiliaryVector.encode(
        layout: configuration.auxiliaryLayout, exampleCount: update.exampleCount, metrics: update.metrics,
        isClipped: norm > configuration.clip, saturated: 0, norm: configuration.vectorLength > 0 ? norm : nil,
        rules: rules)
      keep(
        .plain(
          update: update.difference.map { Double($0) * factor },
          weight: min(update.exampleCount, configuration.maximumWeight), auxiliary: auxiliary),
        plain.roundID, worker)
    }
  }

  private mutating func keep(_ contribution: Contribution, _ upload: Digest, _ worker: WorkerID) {
    contributions[upload, default: [:]][worker] = contribution
  }

  // MARK: From the coordinator

  /// A new sum begins; what was put into earlier ones is forgotten.
  mutating func opened(_ plan: RunStateMachine.UploadPlan) {
    inputs = Inputs(plan: plan)
    contributions = contributions.filter { $0.key == plan.upload }
  }

  /// An input goes into the sum.
  ///
  /// - Returns: what is wrong with that; nil if nothing is.
  mutating func added(_ upload: Digest, from worker: WorkerID) -> String? {
    guard var current = inputs, current.plan.upload == upload else { return "an input of \(worker) to no open sum" }
    if current.added.contains(worker) { return "\(worker) is counted twice in \(upload.short)" }
    current.added.append(worker)
    inputs = current
    return contributions[upload]?[worker] == nil ? "\(worker) never made the input that is counted" : nil
  }

  /// The masks are off.
  ///
  /// - Parameter roster: of the order's transcript; the survivors are positions in it.
  func opened(_ opened: RoundSum.Opened, order: UnmaskingOrder, roster: [WorkerID]) -> [String] {
    guard let inputs, inputs.plan.upload == order.transcript else { return ["a sum that was never begun is open"] }
    let survivors = order.survivors.compactMap { roster.indices.contains($0) ? roster[$0] : nil }
    guard inputs.added.sorted() == survivors else {
      return ["the sum holds \(inputs.added.sorted()), the survivors are \(survivors)"]
    }
    let configuration = inputs.plan.configuration
    var update = [Int64](repeating: 0, count: Int(clamping: configuration.vectorLength))
    var auxiliary = [Int64](repeating: 0, count: configuration.auxiliaryLength)
    for worker in survivors {
      guard case .secure(let own, let counts)? = contributions[order.transcript]?[worker] else { continue }
      for (e, value) in own.enumerated() { update[e] += value }
      for (e, value) in counts.enumerated() { auxiliary[e] += value }
    }
    return compare(opened, auxiliary: auxiliary) { weight throws(Refusal) in
      guard !update.isEmpty else { return [] }
      return try UpdateDecoder.average(
        update, weight: weight,
        rules: EncodingRules(configuration, rosterCount: roster.count), transcript: order.transcript)
    } matches: {
      $0.bitPattern == Float($1).bitPattern
    }
  }

  /// A plain sum is open.
  func opened(plain opened: RoundSum.Opened) -> [String] {
    guard let inputs else { return ["a sum that was never begun is open"] }
    let configuration = inputs.plan.configuration
    var update = [Double](repeating: 0, count: Int(clamping: configuration.vectorLength))
    var auxiliary = [Int64](repeating: 0, count: configuration.auxiliaryLength)
    for worker in inputs.added.sorted() {
      guard case .plain(let own, let weight, let counts)? = contributions[inputs.plan.upload]?[worker] else { continue }
      for (e, value) in own.enumerated() { update[e] += value * Double(weight) }
      for (e, value) in counts.enumerated() { auxiliary[e] += value }
    }
    // Rounding to Float32 once at the worker and once at the end, and the fixed-point step of `PlainAccumulator`.
    let tolerance = configuration.clip * 0x1p-23 + configuration.clip * Double(configuration.maximumWeight) * 0x1p-49
    return compare(opened, auxiliary: auxiliary) { weight throws(Refusal) in
      update.map { $0 / Double(max(1, weight)) }
    } matches: {
      abs(Double($0) - $1) <= tolerance
    }
  }

  private func compare(
    _ opened: RoundSum.Opened, auxiliary: [Int64], average: (UInt64) throws(Refusal) -> [Double],
    matches: (Float, Double) -> Bool
  ) -> [String] {
    guard let inputs else { return [] }
    do throws(Refusal) {
      let sums = try AuxiliaryVector.decode(auxiliary, layout: inputs.plan.configuration.auxiliaryLayout)
      var broken: [String] = []
      let summary = opened.summary
      if summary.weight != sums.weight || summary.workers != sums.workers || summary.metrics != sums.metrics
        || summary.clipped != sums.clipped || summary.saturated != sums.saturated
      {
        broken.append("the opened counts are not the sum of the workers' own")
      }
      if summary.workers != UInt64(inputs.added.count) {
        broken.append("the sum counts \(summary.workers) inputs, \(inputs.added.count) were added")
      }
      let expected = sums.weight > 0 ? try average(sums.weight) : []
      if opened.average.count != expected.count {
        broken.append("the average has \(opened.average.count) elements instead of \(expected.count)")
      } else if let e = expected.indices.first(where: { !matches(opened.average[$0], expected[$0]) }) {
        broken.append("element \(e) of the average is not that of the workers' own updates")
      }
      return broken
    } catch {
      return ["the sum of the workers' own updates cannot be read: \(error.rawValue)"]
    }
  }
}
