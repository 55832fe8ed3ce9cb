import CKernels

/// What the threads of a network do next.
struct NetworkTask {
  enum Kind {
    case evaluate
    case predict
    /// Gradients for their own sake.
    case gradient
    case step(OptimizerRule, learningRate: Float)
  }

  var kind = Kind.predict
  /// Examples of this batch.
  var count = 0
  var features: UnsafePointer<Float>?
  var labels: UnsafePointer<Int32>?
  var targets: UnsafePointer<Float>?
  /// The examples of the batch in the data set; nil for consecutive ones from `first`.
  var order: UnsafePointer<Int32>?
  var first = 0

  func example(_ index: Int) -> Int { order.map { Int($0[index]) } ?? first + index }
}

/// The last layer's outputs for some rows of examples, as a pass left them.
package struct ModelOutputs {
  /// Row-major; a row's outputs are side by side.
  let start: UnsafePointer<Float>
  let pitch: Int
  package let rowCount: Int
  package let width: Int
  /// Loss of each row.
  package let losses: UnsafeBufferPointer<Float>

  /// The outputs of a row: logits, or the values of a regression.
  package func row(_ index: Int) -> UnsafeBufferPointer<Float> {
    precondition(index >= 0 && index < rowCount, "row \(index) of \(rowCount)")
    return UnsafeBufferPointer(start: start + index * pitch, count: width)
  }
}

extension Network: ParallelWork {
  // MARK: Entry points

  /// Loss and gradient of the mean loss over the given examples; parameters stay as they are.
  ///
  /// - Parameter rows: 1 to `batchCapacity` of the examples, in the order in which their losses are added.
  @discardableResult
  package func gradient(_ examples: Examples, rows: ArraySlice<Int32>) -> BatchResult {
    train(examples, rows: rows, .gradient)
  }

  /// One step on the given examples. The loss is that before the step.
  ///
  /// - Parameter rows: as for `gradient`.
  package func step(
    _ examples: Examples, rows: ArraySlice<Int32>, rule: OptimizerRule, learningRate: Float
  ) -> BatchResult {
    prepare(for: rule)
    defer { stepCount += 1 }
    return train(examples, rows: rows, .step(rule, learningRate: learningRate))
  }

  /// Losses and correct classifications over all examples.
  ///
  /// - Parameter observe: sees the outputs of one piece after another, with the first row of each.
  package func evaluate(
    _ examples: Examples, observe: (_ firstRow: Int, ModelOutputs) -> Void = { _, _ in }
  ) -> BatchResult {
    let count = examples.count(for: architecture)
    let rowsPerExample = plan.lossRowsPerExample
    var result = BatchResult()
    withPointers(of: examples) {
      for first in stride(from: 0, to: count, by: batchCapacity) {
        task.kind = .evaluate
        task.first = first
        task.count = min(batchCapacity, count - first)
        run()
        result += summary()
        observe(first * rowsPerExample, outputs(rowCount: task.count * rowsPerExample))
      }
    }
    return result
  }

  /// Probabilities, or the values of a regression: shape [n · rows of an example, outputs].
  ///
  /// - Parameter features: shape [n, featureCount].
  package func predict(features: [Float]) -> [Float] {
    precondition(features.count % architecture.featureCount == 0, "features come in whole examples")
    let count = features.count / architecture.featureCount
    let width = architecture.outputCount
    var out: [Float] = []
    out.reserveCapacity(count * plan.lossRowsPerExample * width)
    features.withUnsafeBufferPointer { features in
      task = NetworkTask(features: features.baseAddress)
      for first in stride(from: 0, to: count, by: batchCapacity) {
        task.first = first
        task.count = min(batchCapacity, count - first)
        withFlushedSubnormals { run() }
        let outputs = outputs(rowCount: task.count * plan.lossRowsPerExample)
        for row in 0..<outputs.rowCount { out.append(contentsOf: outputs.row(row)) }
      }
    }
    return out
  }

  private func outputs(rowCount: Int) -> ModelOutputs {
    let layout = plan.activations[plan.outputs]
    return ModelOutputs(
      start: workspace.activations[plan.outputs], pitch: layout.rowPitch, rowCount: rowCount, width: layout.width,
      losses: UnsafeBufferPointer(start: workspace.losses.start, count: rowCount))
  }

  // MARK: Running

  private func train(_ examples: Examples, rows: ArraySlice<Int32>, _ kind: NetworkTask.Kind) -> BatchResult {
    let count = examples.count(for: architecture)
    precondition((1...batchCapacity).contains(rows.count), "a batch fits the workspaces")
    for row in rows { precondition(row >= 0 && row < count, "a batch is of examples that there are") }
    return withPointers(of: examples) {
      rows.withUnsafeBufferPointer { order in
        task.kind = kind
        task.count = order.count
        task.order = order.baseAddress
        run()
        return summary()
      }
    }
  }

  private func withPointers<R>(of examples: Examples, _ body: () -> R) -> R {
    func run(_ labels: UnsafePointer<Int32>?, _ targets: UnsafePointer<Float>?) -> R {
      examples.features.withUnsafeBufferPointer { features in
        task = NetworkTask(features: features.baseAddress, labels: labels, targets: targets)
        defer { task = NetworkTask() }
        return withFlushedSubnormals(body)
      }
    }
    return switch examples.targets {
    case .classes(let labels): labels.withUnsafeBufferPointer { run($0.baseAddress, nil) }
    case .values(let values): values.withUnsafeBufferPointer { run(nil, $0.baseAddress) }
    }
  }

  private func withFlushedSubnormals<R>(_ body: () -> R) -> R {
    let state = ck_flush_subnormals()
    defer { ck_restore_floating_state(state) }
    return body()
  }

  private func run() {
    if task.count * architecture.flops / 2 < workMin {
      perform(thread: 0, of: 1)
    } else {
      pool.run(self)
    }
  }

  private func summary() -> BatchResult {
    var result = BatchResult(count: task.count * plan.lossRowsPerExample)
    for row in 0..<result.count { result.lossSum += Double(workspace.losses.start[row]) }
    guard architecture.classCount > 0 else { return result }
    for row in 0..<result.count where workspace.predictions[row] == workspace.labels[row] { result.correct += 1 }
    return result
  }

  // MARK: On every thread

  package func perform(thread: Int, of count: Int) {
    let task = task
    let share = Share(thread: thread, threads: count, examples: task.count)
    let crew = count > 1 ? pool : nil
    workspace.gather(share.own, of: task)
    switch task.kind {
    case .predict:
      workspace.forward(parameters.start, share, crew: crew, seed: nil)
      workspace.finishPrediction(share.own)
    case .evaluate:
      workspace.forward(parameters.start, share, crew: crew, seed: nil)
      workspace.loss(share.own, scale: 0, withGradient: false)
    case .gradient:
      backward(share, crew, scale: 1, exampleClip: nil)
      eachUnit(of: share) { workspace.weightGradient($0, examples: 0..<task.count, into: gradients.start) }
    case .step(let rule, let rate):
      if rule.isPlain {
        backward(share, crew, scale: -rate, exampleClip: rule.exampleClipNorm)
        let (pull, anchor) = pull(rule, rate)
        let keep = 1 - rate * (rule.weightDecay + rule.proximal)
        let columns = keep == 1 && anchor == nil ? columns(of: share) : nil
        eachUnit(of: share) {
          workspace.weightGradient(
            $0, examples: 0..<task.count, into: parameters.start, keep: keep, pull: pull, anchor: anchor,
            columns: columns)
        }
      } else {
        backward(share, crew, scale: 1, exampleClip: rule.exampleClipNorm)
        update(share, crew, rule, rate)
      }
    }
  }

  /// What a plain step adds to the weights beside the gradient: a part of the loaded parameters, or the correction.
  private func pull(_ rule: OptimizerRule, _ rate: Float) -> (pull: Float, anchor: UnsafePointer<Float>?) {
    if let correction { return (-rate, UnsafePointer(correction.start)) }
    return (rate * rule.proximal, rule.proximal == 0 ? nil : loaded.map { UnsafePointer($0.buffer.start) })
  }

  /// The features that are not zero in the whole batch; nil if that is most of them, or not worth a look.
  private func columns(of share: Share) -> UnsafeBufferPointer<Int32>? {
    guard let chosen = workspace.chosen else { return nil }
    // Alone, a thread has looked through the whole batch on its way forward.
    if share.threads > 1 { chosen.choose(workspace.rows[0], count: share.examples, thread: share.thread) }
    return chosen.list(thread: share.thread)
  }

  /// All deltas, scaled so that products of them with activations are `scale` times the mean gradient.
  private func backward(_ share: Share, _ crew: ThreadPool?, scale: Float, exampleClip: Float?) {
    let hasConvolutions = plan.transposedCount > 0
    if hasConvolutions { workspace.transposeWindows(parameters.start, share) }
    let seed = dropoutSeed &+ UInt64(stepCount) &* 0xD6E8_FEB8_6659_FD93
    workspace.forward(parameters.start, share, crew: crew, seed: seed)
    let mean = scale / Float(share.examples * plan.lossRowsPerExample)
    workspace.loss(share.own, scale: exampleClip == nil ? mean : 1 / Float(plan.lossRowsPerExample), withGradient: true)
    if hasConvolutions { crew?.meet() }
    workspace.backward(parameters.start, share, crew: crew)
    if let exampleClip {
      let scratch = exampleScratch[share.thread]
      for example in share.own {
        workspace.clip(example, to: exampleClip, scale: scale / Float(share.examples), scratch: scratch)
      }
    }
    crew?.meet()
  }

  /// The last weights first: they were read last, and the first ones are read again next, so that either are still in a
  /// cache that does not hold all of them.
  private func eachUnit(of share: Share, _ body: (WeightUnit) -> Void) {
    for index in units(of: share).reversed() { body(workspace.units[index]) }
  }

  private func units(of share: Share) -> Range<Int> {
    share.threads == 1 ? workspace.units.indices : unitBounds[share.thread]..<unitBounds[share.thread + 1]
  }

  /// Gradients, then the rule's step; with a bound on the norm, the whole gradient comes first.
  private func update(_ share: Share, _ crew: ThreadPool?, _ rule: OptimizerRule, _ rate: Float) {
    for index in units(of: share) {
      let unit = workspace.units[index]
      workspace.weightGradient(unit, examples: 0..<share.examples, into: gradients.start)
      guard rule.clipNorm == nil else {
        var square = kernels.pointee.sum_of_squares(unit.weights.count, gradients.start + unit.weights.lowerBound)
        if let bias = unit.bias {
          square += kernels.pointee.sum_of_squares(bias.count, gradients.start + bias.lowerBound)
        }
        unitNorms[index] = square
        continue
      }
      move(unit.weights, rule, rate)
      if let bias = unit.bias { move(bias, rule, rate) }
    }
    guard let clipNorm = rule.clipNorm else { return }
    crew?.meet()
    var square = 0.0
    for norm in unitNorms { square += norm }
    let norm = square.squareRoot()
    // A norm that is no number scales nothing: the loss or the parameters will say it.
    let factor = norm > Double(clipNorm) ? Float(Double(clipNorm) / norm) : 1
    eachUnit(of: share) { unit in
      for range in [unit.weights, unit.bias ?? 0..<0] {
        if factor != 1 { kernels.pointee.scale(range.count, factor, gradients.start + range.lowerBound) }
        move(range, rule, rate)
      }
    }
  }

  private func move(_ range: Range<Int>, _ rule: OptimizerRule, _ rate: Float) {
    let at = range.lowerBound
    let anchor = rule.proximal == 0 ? nil : loaded.map { UnsafePointer($0.buffer.start + at) }
    switch rule.method {
    case .sgd(let momentum, let nesterov):
      kernels.pointee.sgd_step(
        range.count, rate, momentum, nesterov ? 1 : 0, rule.weightDecay, rule.proximal, gradients.start + at, anchor,
        momentum == 0 ? nil : firstMoments.map { $0.start + at }, parameters.start + at)
      guard let correction else { return }
      kernels.pointee.sgd_step(
        range.count, rate, 0, 0, 0, 0, correction.start + at, nil, nil, parameters.start + at)
    case .adam(let beta1, let beta2, let epsilon, let decoupled):
      guard let firstMoments, let secondMoments else { preconditionFailure("a rule is prepared for before its steps") }
      var adam = ck_adam(
        rate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, decay: decoupled ? 0 : rule.weightDecay,
        decoupled_decay: decoupled ? rule.weightDecay : 0, proximal: rule.proximal,
        correction1: correction1, correction2: correction2)
      kernels.pointee.adam_step(
        range.count, &adam, gradients.start + at, anchor, firstMoments.start + at, secondMoments.start + at,
        parameters.start + at)
    }
  }

  /// Allocates what the rule needs; nothing after its first step.
  private func prepare(for rule: OptimizerRule) {
    func buffer() -> FloatBuffer { FloatBuffer(count: plan.packedCount) }
    precondition(
      correction == nil || (rule.method == .sgd(momentum: 0, nesterov: false) && rule.proximal == 0),
      "a correction goes with plain SGD")
    precondition(rule.proximal == 0 || loaded != nil, "the proximal term pulls towards the loaded parameters")
    switch rule.method {
    case .sgd(let momentum, _):
      if momentum != 0, firstMoments == nil { firstMoments = buffer() }
    case .adam(let beta1, let beta2, _, _):
      if firstMoments == nil { firstMoments = buffer() }
      if secondMoments == nil { secondMoments = buffer() }
      let step = Double(stepCount + 1)
      correction1 = Float(1 / (1 - power(Double(beta1), step)))
      correction2 = Float(1 / (1 - power(Double(beta2), step)))
    }
    if rule.exampleClipNorm != nil, exampleScratch.isEmpty {
      exampleScratch = (0..<pool.count).map { _ in FloatBuffer(count: workspace.exampleScratchCount) }
    }
  }

  /// By repeated squaring: the C library's `pow` differs in the last bit between machines.
  private func power(_ base: Double, _ exponent: Double) -> Double {
    var result = 1.0
    var factor = base
    var left = UInt64(exponent)
    while left > 0 {
      if left & 1 == 1 { result *= factor }
      factor *= factor
      left >>= 1
    }
    return result
  }
}
