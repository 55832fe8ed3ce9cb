import Aggregation
import Federation
import SecureAggregation
import Tensors

/// The sum of an attempt's inputs: integers in a ring in secure mode, fixed-point numbers in plain mode.
///
/// Exact either way, so the order of additions does not matter, bit for bit; memory is that of one model.
package struct RoundSum: Sendable {
  /// The sum, open: the average is the mean difference that the server optimizer takes.
  package struct Opened: Sendable {
    package let summary: SumSummary
    /// Shape `[d]`; empty in an evaluation-only attempt.
    package let average: [Float]

    init(_ sums: SumSummary, average: [Float]) {
      var summary = sums
      if !average.isEmpty { summary.norm = SquaredNorm(average).value.squareRoot() }
      self.summary = summary
      self.average = average
    }
  }

  private enum Kind: Sendable {
    case secure([RingAccumulator])
    case plain(PlainAccumulator)
  }

  let plan: RunStateMachine.UploadPlan
  private var kind: Kind
  /// Whose plain input keeps the rules, and is not added yet.
  private var checked: Set<WorkerID> = []
  /// Combines the single updates of a training attempt in plain mode; nil if their sum is enough.
  private let robustRule: RobustRule?

  /// - Throws: `fieldValue` for a ring or a bound that no sum can be kept in.
  package init(_ plan: RunStateMachine.UploadPlan) throws(Refusal) {
    self.plan = plan
    let isPlainTraining = plan.aggregation == .plain && plan.configuration.vectorLength > 0
    robustRule = isPlainTraining ? Strategy(parsing: plan.configuration.strategy)?.robustRule : nil
    switch plan.aggregation {
    case .secure:
      var accumulators: [RingAccumulator] = []
      for vector in plan.vectors {
        guard let sum = RingAccumulator(ringBits: vector.ringBits, count: Int(vector.count)) else {
          throw .fieldValue
        }
        accumulators.append(sum)
      }
      kind = .secure(accumulators)
    case .plain:
      do throws(AggregationError) {
        kind = .plain(
          try PlainAccumulator(
            elementCount: Int(clamping: plan.configuration.vectorLength),
            auxiliaryCount: plan.configuration.auxiliaryLength, clip: plan.configuration.clip,
            maximumWeight: plan.configuration.maximumWeight))
      } catch {
        throw .fieldValue
      }
    }
  }

  /// Adds one complete, verified input. One that `check` has taken is not looked at again.
  ///
  /// - Parameter chunk: the bytes of chunk `number`, numbered through all vectors.
  /// - Throws: what the sum refuses, and then it is unchanged; what `chunk` throws, and then it must not be opened, because
  ///   a part may have been added.
  package mutating func add(from worker: WorkerID, chunk: (UInt64) throws -> [UInt8]) throws {
    switch kind {
    case .secure(let accumulators):
      var number: UInt64 = 0
      for (vector, accumulator) in zip(plan.vectors, accumulators) {
        for index in 0..<vector.chunkCount {
          try accumulator.add(try chunk(number), at: vector.elements(ofChunk: index).lowerBound)
          number += 1
        }
      }
    case .plain(var accumulator):
      let isChecked = checked.remove(worker) != nil
      kind = .secure([])  // The accumulator has one owner while it is written, so that nothing of it is copied.
      defer { kind = .plain(accumulator) }
      try Self.readPlain(plan, chunk: chunk) { update, weight, auxiliary in
        try accumulator.add(
          chunks: update, weight: weight, auxiliary: auxiliary, from: worker, isChecked: isChecked)
      }
    }
  }

  /// Whether the content of a plain input keeps the rules (finite, within the norm, a weight); in secure mode nobody can
  /// look.
  ///
  /// - Returns: what the input says of the model that its worker trained on; nil in secure mode.
  package mutating func check(from worker: WorkerID, chunk: (UInt64) throws -> [UInt8]) throws -> RoundMetrics? {
    guard case .plain(let accumulator) = kind else { return nil }
    checked.remove(worker)
    var metrics: RoundMetrics?
    try Self.readPlain(plan, chunk: chunk) { update, weight, auxiliary in
      try accumulator.check(chunks: update, weight: weight, auxiliary: auxiliary, from: worker)
      metrics = try AuxiliaryVector.decode(auxiliary, layout: plan.configuration.auxiliaryLayout).metrics
    }
    checked.insert(worker)
    return metrics
  }

  /// Reads the auxiliary vector of a plain input and hands its update on, chunk by chunk as it is asked for.
  private static func readPlain(
    _ plan: RunStateMachine.UploadPlan, chunk: (UInt64) throws -> [UInt8],
    _ body: (LazyMapCollection<Range<UInt64>, [UInt8]>, _ weight: UInt64, _ auxiliary: [Int64]) throws -> Void
  ) throws {
    var auxiliary: [Int64] = []
    var update: Range<UInt64> = 0..<0
    var number: UInt64 = 0
    for vector in plan.vectors {
      let numbers = number..<number + UInt64(vector.chunkCount)
      number = numbers.upperBound
      guard vector.id == VectorSpecification.auxiliaryID else {
        update = numbers
        continue
      }
      for number in numbers {
        var reader = CanonicalReader(try chunk(number))
        while let value: UInt64 = reader.readInteger() { auxiliary.append(Int64(bitPattern: value)) }
      }
    }
    let sums = try AuxiliaryVector.decode(auxiliary, layout: plan.configuration.auxiliaryLayout)
    // A chunk that cannot be read reads as none, which no length fits; the error is the one that is thrown.
    var failure: (any Error)?
    try withoutActuallyEscaping(chunk) { chunk in
      let chunks = update.lazy.map { number -> [UInt8] in
        do {
          return try chunk(number)
        } catch {
          failure = failure ?? error
          return []
        }
      }
      do {
        try body(chunks, sums.weight, auxiliary)
      } catch {
        throw failure ?? error
      }
      if let failure { throw failure }
    }
  }

  /// Takes the masks off and reads the sum (secure mode), on the threads of `runner`; the same bits for any of them.
  package func open(
    _ order: UnmaskingOrder, rosterCount: Int, on runner: some PartRunner = SequentialRunner()
  ) throws(Refusal) -> Opened {
    guard case .secure(let accumulators) = kind else { throw .fieldValue }
    let terms = try order.terms(plan.vectors, on: runner)
    for (accumulator, terms) in zip(accumulators, terms) {
      accumulator.apply(terms, elements: 0..<accumulator.count, on: runner)
    }
    guard let auxiliary = zip(plan.vectors, accumulators).first(where: { $0.0.id == VectorSpecification.auxiliaryID })
    else { throw .badLength }
    let sums = try AuxiliaryVector.decode(
      auxiliary.1.signedValues, layout: plan.configuration.auxiliaryLayout)
    var average: [Float] = []
    if let update = zip(plan.vectors, accumulators).first(where: { $0.0.id == VectorSpecification.updateID }),
      sums.weight > 0
    {
      average = try UpdateDecoder.average(
        update.1, weight: sums.weight, rules: EncodingRules(plan.configuration, rosterCount: rosterCount),
        transcript: order.transcript, on: runner)
    }
    return Opened(SumSummary(sums), average: average)
  }

  /// Whether every input that was added has to be there again when the sum opens.
  package var keepsInputs: Bool { robustRule != nil }

  /// Reads the sum (plain mode); under a robust rule the average is what the rule makes of the single updates.
  ///
  /// - Parameter inputs: those that were added, if `keepsInputs`.
  /// - Throws: `AggregationError` for inputs that give no model; what reading an input throws.
  package func openPlain(keeping inputs: [WorkerID: any KeptInput] = [:]) throws -> Opened {
    guard case .plain(let accumulator) = kind else { throw Refusal.fieldValue }
    let sums = try AuxiliaryVector.decode(
      accumulator.auxiliarySums, layout: plan.configuration.auxiliaryLayout)
    guard let robustRule else { return Opened(SumSummary(sums), average: try accumulator.mean()) }
    guard inputs.keys.sorted() == accumulator.workers else { throw Refusal.badLength }
    let updates = try KeptUpdates(inputs, plan: plan)
    return Opened(SumSummary(sums), average: try robustRule.combine(updates))
  }

  /// What a buffer of updates moves the model by: `Σ_g s(τ_g)·Σ_k Δ_k ÷ n`, n the updates in it (`strategies.md` §7).
  ///
  /// Only those who trained on the newest version say something of it: the metrics are theirs.
  ///
  /// - Parameter groups: plain sums of one run, youngest first.
  /// - Throws: `AggregationError.noUpdates`.
  package static func open(_ groups: [(sum: RoundSum, group: BufferOrder.Group)]) throws -> Opened {
    var summary = SumSummary(
      weight: 0, workers: 0, clipped: 0, saturated: 0, metrics: RoundMetrics(lossSum: 0, correct: 0, evaluated: 0))
    var sums: [(sum: PlainAccumulator, factor: Double)] = []
    for (sum, group) in groups {
      guard case .plain(let accumulator) = sum.kind else { throw Refusal.fieldValue }
      let auxiliary = try AuxiliaryVector.decode(
        accumulator.auxiliarySums, layout: sum.plan.configuration.auxiliaryLayout)
      sums.append((accumulator, group.factor))
      summary.weight += auxiliary.weight
      summary.workers += auxiliary.workers
      summary.clipped += auxiliary.clipped
      summary.saturated += auxiliary.saturated
      if group.staleness == 0 { summary.metrics = auxiliary.metrics }
    }
    return Opened(summary, average: try PlainAccumulator.mean(of: sums))
  }

  /// The sum is 0 again; whose inputs were in it is remembered.
  package mutating func empty() {
    guard case .plain(var accumulator) = kind else { return }
    kind = .secure([])  // One owner while it is written, as in `add`.
    accumulator.empty()
    kind = .plain(accumulator)
  }

  /// The weight that a plain input states.
  static func weight(of input: any KeptInput, _ plan: RunStateMachine.UploadPlan) throws -> UInt64 {
    var weight: UInt64 = 0
    try readPlain(plan, chunk: { try input.read($0) }) { _, found, _ in weight = found }
    return weight
  }
}

extension SumSummary {
  init(_ sums: AuxiliaryVector.Sums) {
    self.init(
      weight: sums.weight, workers: sums.workers, clipped: sums.clipped, saturated: sums.saturated,
      metrics: sums.metrics, terms: StrategyTerms(steps: sums.weightedSteps, fairness: sums.fairness))
  }
}
