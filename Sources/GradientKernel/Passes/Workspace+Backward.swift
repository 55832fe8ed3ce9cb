import CKernels

extension Workspace {
  /// Turns the weights of convolutions round for their input gradients. Threads divide it by panels.
  func transposeWindows(_ weights: UnsafePointer<Float>, _ share: Share) {
    for case .convolution(let step) in steps {
      for phase in share.part(of: step.phases.count) {
        let phase = phases[step.phases.lowerBound + phase]
        var transposition = phase.transposition.transposition
        ck_transpose_windows(&transposition, weights + step.weights, transposed.start + phase.offset)
      }
    }
  }

  /// From the gradient by the outputs to all others that any weight's gradient needs.
  func backward(_ weights: UnsafePointer<Float>, _ share: Share, crew: ThreadPool?) {
    var wasShared = false
    for index in steps.indices.reversed() {
      switch steps[index] {
      case .dense(let step):
        let isShared = isShared(step, share) && hasDelta(step.from)
        if isShared || wasShared { crew?.meet() }
        wasShared = isShared
        if step.isRectified {
          // Every thread rectifies what is its own, also where inputs are divided.
          rectify(step, share.own)
          if isShared { crew?.meet() }
        }
        guard hasDelta(step.from) else { continue }
        if isShared {
          inputGradient(step, weights, examples: 0..<share.examples, inputs: share.part(of: step.inputs))
        } else {
          inputGradient(step, weights, examples: share.own, inputs: 0..<step.inputs)
        }
        continue
      default:
        if wasShared { crew?.meet() }
        wasShared = false
      }
      switch steps[index] {
      case .dense: break
      case .convolution(let step): for example in share.own { inputGradient(step, example) }
      case .pooling(let step): for example in share.own { poolingGradient(step, example) }
      case .activation(let step): for example in share.own { activationGradient(step, example) }
      case .dropout(let step): for example in share.own { dropoutGradient(step, example) }
      case .embedding: break
      case .lstm(let step): if !share.own.isEmpty { gateGradients(step, weights, share.own) }
      case .flatten(let from, let to): for example in share.own { flattenGradient(from, to, example) }
      case .lastStep(let from, let to): for example in share.own { lastStepGradient(from, to, example) }
      }
    }
    if wasShared { crew?.meet() }
  }

  // MARK: Steps

  private func rectify(_ step: NetworkStep.Dense, _ examples: Range<Int>) {
    let layout = layouts[step.to]
    let first = examples.lowerBound * layout.floatsPerExample, count = examples.count * layout.floatsPerExample
    let delta = deltas[step.to] + first
    kernels.pointee.activate_gradient(CK_RELU, 1, count, activations[step.to] + first, 0, delta, 0, delta, 0)
  }

  private func inputGradient(
    _ step: NetworkStep.Dense, _ weights: UnsafePointer<Float>, examples: Range<Int>, inputs: Range<Int>
  ) {
    let from = deltaLayouts[step.from], to = deltaLayouts[step.to]
    let first = examples.lowerBound * to.rowsPerExample, count = examples.count * to.rowsPerExample
    kernels.pointee.dense_input_gradient(
      count, step.inputs, inputs.lowerBound, inputs.upperBound, step.panels, deltas[step.to] + first * to.rowPitch,
      to.rowPitch, weights + step.weights, deltas[step.from] + first * from.rowPitch, from.rowPitch)
  }

  private func inputGradient(_ step: NetworkStep.Convolution, _ example: Int) {
    let delta = self.delta(step.to, example: example)
    if step.isRectified {
      activationGradient(.init(from: step.to, to: step.to, function: CK_RELU), example)
    }
    guard hasDelta(step.from) else { return }
    let target = self.delta(step.from, example: example)
    let panels = deltaLayouts[step.from].rowPitch / Int(CK_PANEL)
    for index in step.phases {
      let phase = phases[index]
      var windows = phase.windows.windows
      kernels.pointee.conv_forward(
        &windows, 0, panels, delta + phase.source, transposed.start + phase.offset, nil, target + phase.target, 0)
    }
  }

  private func poolingGradient(_ step: NetworkStep.Pooling, _ example: Int) {
    guard hasDelta(step.from) else { return }
    let from = deltaLayouts[step.from], to = deltaLayouts[step.to]
    if step.isRectified { activationGradient(.init(from: step.to, to: step.to, function: CK_RELU), example) }
    var pooling = step.pooling.pooling(image: from, output: to)
    let dy = delta(step.to, example: example) + to.interior
    let target = delta(step.from, example: example) + from.interior
    eachLine(of: from) { line, pitch, columns in (target + line).update(repeating: 0, count: columns * pitch) }
    if let index = step.choices {
      kernels.pointee.max_pool_gradient(&pooling, choices[index] + example * plan.choiceCounts[index], dy, target)
    } else {
      kernels.pointee.average_pool_gradient(&pooling, dy, target)
    }
  }

  /// By the activation itself; in place where both ends are one.
  private func activationGradient(_ step: NetworkStep.Activation, _ example: Int) {
    guard hasDelta(step.from) else { return }
    let value = layouts[step.to], from = deltaLayouts[step.from], to = deltaLayouts[step.to]
    let y = activation(step.to, example: example) + value.interior
    let dy = delta(step.to, example: example) + to.interior
    let dx = delta(step.from, example: example) + from.interior
    eachLine(of: value) { line, pitch, count in
      let index = line / max(1, value.linePitch)
      kernels.pointee.activate_gradient(
        step.function, 1, count * pitch, y + line, 0, dy + index * to.linePitch, 0, dx + index * from.linePitch, 0)
    }
  }

  private func dropoutGradient(_ step: NetworkStep.Dropout, _ example: Int) {
    guard hasDelta(step.from) else { return }
    let value = layouts[step.to], from = deltaLayouts[step.from], to = deltaLayouts[step.to]
    let mask = masks[step.to] + example * value.floatsPerExample + value.interior
    let dy = delta(step.to, example: example) + to.interior
    let dx = delta(step.from, example: example) + from.interior
    eachLine(of: value) { line, pitch, count in
      let index = line / max(1, value.linePitch)
      kernels.pointee.multiply(count * pitch, dy + index * to.linePitch, mask + line, dx + index * from.linePitch)
    }
  }

  private func gateGradients(_ step: NetworkStep.LSTM, _ weights: UnsafePointer<Float>, _ examples: Range<Int>) {
    let state = recurrences[step.state]
    let length = step.length, units = step.units, width = 4 * units, panels = width / Int(CK_PANEL)
    let first = examples.lowerBound * length
    let hidden = state.hiddenCarry.start + examples.lowerBound * units
    let cell = state.cellCarry.start + examples.lowerBound * units
    cell.update(repeating: 0, count: examples.count * units)
    for time in (0..<length).reversed() {
      let row = first + time
      let dh = deltas[step.to] + row * units
      if time < length - 1 {
        for example in 0..<examples.count {
          kernels.pointee.axpy(units, 1, hidden + example * units, dh + example * length * units)
        }
      }
      let cells = state.cells.start + row * units
      let gateDeltas = state.gateDeltas.start + row * width
      kernels.pointee.lstm_cell_gradient(
        examples.count, units, state.gates.start + row * width, length * width,
        time > 0 ? UnsafePointer(cells - units) : nil, cells, length * units, dh, length * units, cell, units,
        gateDeltas,
        length * width)
      if time > 0 {
        kernels.pointee.dense_input_gradient(
          examples.count, units, 0, units, panels, gateDeltas, length * width, weights + step.recurrentWeights, hidden,
          units)
      }
    }
    guard hasDelta(step.from) else { return }
    let from = deltaLayouts[step.from]
    kernels.pointee.dense_input_gradient(
      examples.count * length, step.inputs, 0, step.inputs, panels, state.gateDeltas.start + first * width, width,
      weights + step.inputWeights, deltas[step.from] + first * from.rowPitch, from.rowPitch)
  }

  private func flattenGradient(_ from: Int, _ to: Int, _ example: Int) {
    guard hasDelta(from) else { return }
    let layout = deltaLayouts[from]
    let image = delta(from, example: example) + layout.interior
    var source = UnsafePointer(delta(to, example: example))
    eachLine(of: layout) { line, pitch, columns in
      (image + line).update(from: source, count: columns * pitch)
      source += columns * pitch
    }
  }

  private func lastStepGradient(_ from: Int, _ to: Int, _ example: Int) {
    guard hasDelta(from) else { return }
    let layout = deltaLayouts[from]
    let sequence = delta(from, example: example)
    let earlier = (layout.rowsPerExample - 1) * layout.rowPitch
    sequence.update(repeating: 0, count: earlier)
    (sequence + earlier).update(from: delta(to, example: example), count: layout.rowPitch)
  }
}
