import Aggregation
import Federation
import Rounds
import SecureAggregation

/// Recomputes every sum from what the workers put into it, and counts who is in it.
///
/// In secure mode the integers before masking are added aside: the opened sum must be theirs, bit for bit. In plain
/// mode the clipped differences are averaged in binary64, and the opened average must be within the error that
/// `PlainAccumulator` states. An update is held until the coordinator adds the input that was made of it. For a buffer
/// the checker counts by itself how many versions were published since a model was first offered.
struct SumChecker {
  fileprivate struct Contribution {
    let order: WorkerStateMachine.UploadOrder
    let update: ClientUpdate
  }

  /// What the inputs of a sum must add up to.
  fileprivate struct Sum {
    let plan: RunStateMachine.UploadPlan
    /// Ever, before the sum was emptied too.
    var added: Set<WorkerID> = []
    /// Inputs in the sum.
    var count = 0
    /// Versions that were published since the plan.
    var staleness = 0
    /// In secure mode.
    var update: [Int64]
    /// In plain mode, each element times its weight.
    var weighted: [Double]
    /// In plain mode, the least and the largest value of each element.
    var extremes: [ClosedRange<Double>?]
    var auxiliary: [Int64]

    init(_ plan: RunStateMachine.UploadPlan, isPlain: Bool) {
      self.plan = plan
      (update, weighted, extremes, auxiliary) = ([], [], [], [])
      empty(isPlain: isPlain)
    }

    /// The buffer that it was a part of is a version.
    mutating func empty(isPlain: Bool) {
      count = 0
      let length = Int(clamping: plan.configuration.vectorLength)
      update = Array(repeating: 0, count: isPlain ? 0 : length)
      weighted = Array(repeating: 0, count: isPlain ? length : 0)
      extremes = Array(repeating: nil, count: isPlain ? length : 0)
      auxiliary = Array(repeating: 0, count: plan.configuration.auxiliaryLength)
    }
  }

  /// By upload, then worker: those that are not in a sum yet.
  private var contributions: [Digest: [WorkerID: Contribution]] = [:]
  /// By upload: one, or several on models of different age.
  private var sums: [Digest: Sum] = [:]
  /// Of the attempt in hand.
  private var latest: Digest?

  // MARK: From the workers

  /// A worker is about to report.
  mutating func contributed(_ order: WorkerStateMachine.UploadOrder, update: ClientUpdate, by worker: WorkerID) {
    contributions[order.upload, default: [:]][worker] = Contribution(order: order, update: update)
  }

  // MARK: From the coordinator

  /// A new sum begins; what was put into earlier ones is forgotten, but for those that go on beside it.
  mutating func opened(_ plan: RunStateMachine.UploadPlan) {
    latest = plan.upload
    sums = sums.filter { plan.beside.contains($0.key) }
    sums[plan.upload] = Sum(plan, isPlain: plan.aggregation == .plain)
    let known = sums
    contributions = contributions.filter { known[$0.key] != nil }
  }

  /// A version was published.
  mutating func published() {
    for upload in sums.keys { sums[upload]?.staleness += 1 }
  }

  /// An input goes into the sum.
  ///
  /// - Returns: what is wrong with that; nil if nothing is.
  mutating func added(_ upload: Digest, from worker: WorkerID) -> String? {
    guard var sum = sums.removeValue(forKey: upload) else { return "an input of \(worker) to no open sum" }
    defer { sums[upload] = sum }
    guard sum.added.insert(worker).inserted else { return "\(worker) is counted twice in \(upload.short)" }
    guard let contribution = contributions[upload]?.removeValue(forKey: worker) else {
      return "\(worker) never made the input that is counted"
    }
    do throws(Refusal) {
      try sum.add(contribution)
      sum.count += 1
      return nil
    } catch {
      return "the input of \(worker) that is counted cannot be made: \(error.rawValue)"
    }
  }

  /// The masks are off.
  ///
  /// - Parameter roster: of the order's transcript; the survivors are positions in it.
  func opened(_ opened: RoundSum.Opened, order: UnmaskingOrder, roster: [WorkerID]) -> [String] {
    guard let sum = sums[order.transcript] else { return ["a sum that was never begun is open"] }
    let survivors = order.survivors.compactMap { roster.indices.contains($0) ? roster[$0] : nil }
    guard sum.added.sorted() == survivors else {
      return ["the sum holds \(sum.added.sorted()), the survivors are \(survivors)"]
    }
    return compare(opened, sum) { weight throws(Refusal) in
      guard !sum.update.isEmpty else { return [] }
      return try UpdateDecoder.average(
        sum.update, weight: weight,
        rules: EncodingRules(sum.plan.configuration, rosterCount: roster.count), transcript: order.transcript)
    } matches: {
      $0.bitPattern == Float($1).bitPattern
    }
  }

  /// The masks of a divided cohort are off: the rule's result has to be that of the mean of each group, made anew in
  /// binary64 from the workers' own updates.
  ///
  /// - Parameter rosters: by transcript.
  func opened(_ opened: RoundSum.Opened, order: GroupsOrder, rosters: (Digest) -> [WorkerID]) -> [String] {
    var broken = opened.summary.leftOut.map { "\($0), and its updates keep the rules" }
    var means: [[Float]] = []
    var counts: [AuxiliaryVector.Sums] = []
    for group in order.groups {
      guard let sum = sums[group.upload] else { return ["a sum that was never begun is open"] }
      let roster = rosters(group.upload), rules = sum.plan.configuration
      let survivors = group.unmasking.survivors.compactMap { roster.indices.contains($0) ? roster[$0] : nil }
      if sum.added.sorted() != survivors {
        broken.append("group \(group.place + 1) holds \(sum.added.sorted()), its survivors are \(survivors)")
      }
      if UInt64(survivors.count) < rules.minimumCohort {
        broken.append("group \(group.place + 1) is opened with \(survivors.count) updates")
      }
      do throws(Refusal) {
        let found = try AuxiliaryVector.decode(sum.auxiliary, layout: rules.auxiliaryLayout)
        counts.append(found)
        means.append(
          try UpdateDecoder.average(
            sum.update, weight: found.weight, rules: EncodingRules(rules, rosterCount: roster.count),
            transcript: group.upload
          ).map(Float.init))
      } catch {
        return broken + ["the updates of group \(group.place + 1) cannot be read: \(error.rawValue)"]
      }
    }
    let summary = opened.summary
    if summary.weight != counts.reduce(0, { $0 + $1.weight })
      || summary.workers != counts.reduce(0, { $0 + $1.workers })
      || summary.metrics.correct != counts.reduce(0, { $0 + $1.metrics.correct })
      || summary.metrics.evaluated != counts.reduce(0, { $0 + $1.metrics.evaluated })
      || summary.metrics.lossSum != counts.reduce(0, { $0 + $1.metrics.lossSum })
    {
      broken.append("the opened counts are not the sum of the groups' own")
    }
    let expected = try? order.rules.rule.combine(HeldUpdates(values: means, weights: counts.map(\.weight)))
    if expected.map({ $0.map(\.bitPattern) }) != opened.average.map(\.bitPattern) {
      broken.append("the model's step is not what \(order.rules.rule.name) makes of the groups' means")
    }
    return broken
  }

  /// A plain sum is open.
  func opened(plain opened: RoundSum.Opened) -> [String] {
    guard let latest, let sum = sums[latest] else { return ["a sum that was never begun is open"] }
    let configuration = sum.plan.configuration
    let tolerance = Self.tolerance(configuration)
    if Strategy(parsing: configuration.strategy)?.robustRule != nil {
      return outliers(opened, sum, tolerance: tolerance)
        + compare(opened, sum) { _ throws(Refusal) in
          opened.average.map(Double.init)
        } matches: {
          Double($0) == $1
        }
    }
    return compare(opened, sum) { weight throws(Refusal) in
      sum.weighted.map { $0 / Double(max(1, weight)) }
    } matches: {
      abs(Double($0) - $1) <= tolerance
    }
  }

  /// Rounding to Float32 once at the worker and once at the end, and the fixed-point step of `PlainAccumulator`.
  private static func tolerance(_ rules: RoundConfiguration) -> Double {
    rules.clip * 0x1p-23 + rules.clip * Double(rules.maximumWeight) * 0x1p-49
  }

  /// A buffer is open: each update counts by the versions that it is behind, and the sums begin anew.
  mutating func opened(buffer opened: RoundSum.Opened) -> [String] {
    guard let latest, let current = sums[latest], let strategy = Strategy(parsing: current.plan.configuration.strategy),
      let size = strategy[.buffer], let oldest = strategy[.stalenessMax], let exponent = strategy[.stalenessExponent]
    else { return ["a buffer that was never begun is open"] }
    var broken: [String] = []
    var expected = [Double](repeating: 0, count: opened.average.count)
    var count = 0
    for sum in sums.values.sorted(by: { $0.staleness < $1.staleness }) where sum.count > 0 {
      if Double(sum.staleness) > oldest { broken.append("updates that are \(sum.staleness) versions old are counted") }
      let factor = (0..<Int(2 * exponent)).reduce(1.0) { product, _ in
        product / Double(1 + sum.staleness).squareRoot()
      }
      for (e, value) in sum.weighted.enumerated() where e < expected.count { expected[e] += factor * value }
      count += sum.count
    }
    if Double(count) > size { broken.append("\(count) updates in a buffer of \(size)") }
    if opened.summary.workers != UInt64(count) || opened.summary.weight != UInt64(count) {
      broken.append("the buffer counts \(opened.summary.workers) updates, \(count) were added")
    }
    let sums = try? AuxiliaryVector.decode(current.auxiliary, layout: current.plan.configuration.auxiliaryLayout)
    if opened.summary.metrics != sums?.metrics { broken.append("the metrics are not those of the newest version") }
    let tolerance = Self.tolerance(current.plan.configuration)
    let e = expected.indices.first { abs(Double(opened.average[$0]) - expected[$0] / Double(count)) > tolerance }
    if let e { broken.append("element \(e) of the buffer's mean is not that of the workers' own updates") }
    for upload in self.sums.keys { self.sums[upload]?.empty(isPlain: true) }
    return broken
  }

  /// Whatever a robust rule does, its result lies between the least and the largest of the workers' values.
  private func outliers(_ opened: RoundSum.Opened, _ sum: Sum, tolerance: Double) -> [String] {
    guard opened.average.count == sum.extremes.count else {
      return ["the average has \(opened.average.count) elements instead of \(sum.extremes.count)"]
    }
    let e = opened.average.indices.first { e in
      guard let extremes = sum.extremes[e] else { return true }
      let value = Double(opened.average[e])
      return value < extremes.lowerBound - tolerance || value > extremes.upperBound + tolerance
    }
    return e.map { ["element \($0) of the average lies outside the workers' own updates"] } ?? []
  }

  private func compare(
    _ opened: RoundSum.Opened, _ sum: Sum, average: (UInt64) throws(Refusal) -> [Double],
    matches: (Float, Double) -> Bool
  ) -> [String] {
    do throws(Refusal) {
      let sums = try AuxiliaryVector.decode(sum.auxiliary, layout: sum.plan.configuration.auxiliaryLayout)
      var broken: [String] = []
      let summary = opened.summary
      if summary.weight != sums.weight || summary.workers != sums.workers || summary.metrics != sums.metrics
        || summary.clipped != sums.clipped || summary.saturated != sums.saturated
        || summary.terms != StrategyTerms(steps: sums.weightedSteps, fairness: sums.fairness)
      {
        broken.append("the opened counts are not the sum of the workers' own")
      }
      if summary.workers != UInt64(sum.added.count) {
        broken.append("the sum counts \(summary.workers) inputs, \(sum.added.count) were added")
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

extension WorkerStateMachine.UploadOrder {
  /// The name of the upload: the transcript, or in plain mode the round id.
  fileprivate var upload: Digest {
    switch self {
    case .secure(_, let masking, _): masking.transcript
    case .plain(_, let plain, _): plain.roundID
    }
  }
}

extension SumChecker.Sum {
  fileprivate mutating func add(_ contribution: SumChecker.Contribution) throws(Refusal) {
    let update = contribution.update
    switch contribution.order {
    case .secure(_, let masking, let configuration):
      let rules = try EncodingRules(configuration, rosterCount: masking.rosterCount)
      var encoder: UpdateEncoder?
      if configuration.vectorLength > 0 {
        encoder = try UpdateEncoder(
          update: update.difference, exampleCount: update.exampleCount, rules: rules, transcript: masking.transcript,
          roundingSeed: masking.roundingSeed)
      }
      if let integers = encoder?.encode(0..<rules.vectorLength) {
        for (e, value) in integers.enumerated() { self.update[e] += value }
      }
      try addAuxiliary(
        update, isClipped: encoder?.isClipped ?? false, saturated: encoder?.saturated ?? 0, norm: encoder?.norm, rules)
    case .plain(_, _, let configuration):
      let rules = try EncodingRules(configuration, rosterCount: Int(clamping: configuration.maximumRoster))
      let norm = update.difference.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      let factor = norm > configuration.clip ? configuration.clip / norm : 1
      let weight = Double(min(update.exampleCount, configuration.maximumWeight))
      for (e, value) in update.difference.enumerated() {
        let clipped = Double(value) * factor
        weighted[e] += clipped * weight
        extremes[e] = extremes[e].map { min($0.lowerBound, clipped)...max($0.upperBound, clipped) } ?? clipped...clipped
      }
      try addAuxiliary(
        update, isClipped: norm > configuration.clip, saturated: 0,
        norm: configuration.vectorLength > 0 ? norm : nil, rules)
    }
  }

  private mutating func addAuxiliary(
    _ update: ClientUpdate, isClipped: Bool, saturated: Int, norm: Double?, _ rules: EncodingRules
  ) throws(Refusal) {
    let counts = try AuxiliaryVector.encode(
      layout: plan.configuration.auxiliaryLayout, exampleCount: update.exampleCount, metrics: update.metrics,
      isClipped: isClipped, saturated: saturated, norm: norm, terms: update.terms, rules: rules)
    for (e, value) in counts.enumerated() { auxiliary[e] += value }
  }
}
