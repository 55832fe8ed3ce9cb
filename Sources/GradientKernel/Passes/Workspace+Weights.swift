import CKernels

extension Workspace {
  /// The gradient of a unit's weights over the whole batch, or the step of plain SGD: see `ck_update`.
  ///
  /// - Parameters:
  ///   - target: the packed gradient or the packed parameters.
  ///   - anchor: packed; nil for no pull.
  ///   - columns: the features that are not zero in all of these examples, if the target is added to; nil for any.
  func weightGradient(
    _ unit: WeightUnit, examples: Range<Int>, into target: UnsafeMutablePointer<Float>, keep: Float = 0,
    pull: Float = 0, anchor: UnsafePointer<Float>? = nil, columns: UnsafeBufferPointer<Int32>? = nil
  ) {
    /// What a matrix's panel begins with, at its offset in the packed buffer.
    func update(_ offset: Int) -> ck_update { ck_update(keep: keep, pull: pull, anchor: anchor.map { $0 + offset }) }
    let panel = Int(CK_PANEL)
    switch unit.source {
    case .dense(let step):
      let to = deltaLayouts[step.to]
      let first = examples.lowerBound * to.rowsPerExample, count = examples.count * to.rowsPerExample
      let start = step.weights + unit.panel * step.inputs * panel
      let delta = deltas[step.to] + first * to.rowPitch + unit.panel * panel
      let inputs = rows[step.from] + first
      if step.from == 0, let columns {
        let own = columns.within(unit.inputs)
        kernels.pointee.dense_weight_gradient_chosen(
          count, own.count, own.baseAddress, inputs, delta, to.rowPitch, target + start)
      } else {
        kernels.pointee.dense_weight_gradient(
          count, unit.inputs.lowerBound, unit.inputs.upperBound, inputs, delta, to.rowPitch, target + start,
          update(start))
      }
      bias(unit, count, delta, to.rowPitch, target, update)
    case .recurrentInput(let step):
      let first = examples.lowerBound * step.length, count = examples.count * step.length
      let start = step.inputWeights + unit.panel * step.inputs * panel
      let delta = recurrences[step.state].gateDeltas.start + first * 4 * step.units + unit.panel * panel
      kernels.pointee.dense_weight_gradient(
        count, unit.inputs.lowerBound, unit.inputs.upperBound, rows[step.from] + first, delta, 4 * step.units,
        target + start, update(start))
      bias(unit, count, delta, 4 * step.units, target, update)
    case .recurrent(let step):
      let first = examples.lowerBound * step.length, count = examples.count * step.length
      let start = step.recurrentWeights + unit.panel * step.units * panel
      let state = recurrences[step.state]
      kernels.pointee.dense_weight_gradient(
        count, unit.inputs.lowerBound, unit.inputs.upperBound, state.before + first,
        state.gateDeltas.start + first * 4 * step.units + unit.panel * panel, 4 * step.units, target + start,
        update(start))
    case .convolution(let step):
      convolutionGradient(step, unit, examples, target, keep: keep, update)
    case .embedding(let step):
      embeddingGradient(step, unit, examples, target, update)
    }
  }

  private func bias(
    _ unit: WeightUnit, _ count: Int, _ delta: UnsafePointer<Float>, _ pitch: Int,
    _ target: UnsafeMutablePointer<Float>, _ update: (Int) -> ck_update
  ) {
    guard let bias = unit.bias else { return }
    kernels.pointee.bias_gradient(count, delta, pitch, target + bias.lowerBound, update(bias.lowerBound))
  }

  private func convolutionGradient(
    _ step: NetworkStep.Convolution, _ unit: WeightUnit, _ examples: Range<Int>,
    _ target: UnsafeMutablePointer<Float>, keep: Float, _ update: (Int) -> ck_update
  ) {
    let panel = Int(CK_PANEL)
    let to = deltaLayouts[step.to]
    var windows = step.windows.windows
    windows.out_row = to.linePitch
    windows.out_column = to.rowPitch
    let start = step.weights + unit.panel * step.windows.lines * step.windows.floats * panel
    for example in examples {
      let isFirst = example == examples.lowerBound
      let added = ck_update(keep: 1, pull: 0, anchor: nil)
      let delta = self.delta(step.to, example: example) + to.interior + unit.panel * panel
      kernels.pointee.conv_weight_gradient(
        &windows, unit.inputs.lowerBound, unit.inputs.upperBound, activation(step.from, example: example), delta,
        target + start, isFirst ? update(start) : added)
      guard let bias = unit.bias else { continue }
      for line in 0..<step.windows.rows {
        kernels.pointee.bias_gradient(
          step.windows.columns, delta + line * to.linePitch, to.rowPitch, target + bias.lowerBound,
          isFirst && line == 0 ? update(bias.lowerBound) : added)
      }
    }
  }

  private func embeddingGradient(
    _ step: NetworkStep.Embedding, _ unit: WeightUnit, _ examples: Range<Int>, _ target: UnsafeMutablePointer<Float>,
    _ update: (Int) -> ck_update
  ) {
    let length = layouts[step.to].rowsPerExample
    // With no rows to add up, the kernel writes what the sum starts from.
    for block in stride(from: unit.weights.lowerBound, to: unit.weights.upperBound, by: Int(CK_PANEL)) {
      kernels.pointee.bias_gradient(0, deltas[step.to], step.pitch, target + block, update(block))
    }
    for row in examples.lowerBound * length..<examples.upperBound * length {
      let token = Int(tokens[row])
      guard unit.inputs.contains(token) else { continue }
      kernels.pointee.axpy(step.pitch, 1, deltas[step.to] + row * step.pitch, target + step.table + token * step.pitch)
    }
  }
}

extension UnsafeBufferPointer<Int32> {
  /// Those of ascending columns that are in a range.
  fileprivate func within(_ range: Range<Int>) -> Self {
    let first = places(below: range.lowerBound)
    return UnsafeBufferPointer(rebasing: self[first..<Swift.max(first, places(below: range.upperBound))])
  }

  /// How many are below a column.
  private func places(below column: Int) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < column { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
