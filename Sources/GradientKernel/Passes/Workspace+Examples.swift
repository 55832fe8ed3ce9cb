import CKernels

extension Workspace {
  /// Brings some examples of a batch, with their labels, to where the passes read them.
  func gather(_ examples: Range<Int>, of task: NetworkTask) {
    let architecture = plan.architecture
    guard let features = task.features else { return }
    let featureCount = architecture.featureCount
    for index in examples {
      let example = task.example(index)
      let source = features + example * featureCount
      switch plan.input {
      case .inPlace: rows[0][index] = source
      case .copied: copy(source, to: index)
      case .tokens(let vocabulary):
        for time in 0..<featureCount {
          let token = Int32(source[time])
          precondition(token >= 0 && Int(token) < vocabulary, "tokens are of the vocabulary")
          tokens[index * featureCount + time] = token
        }
      }
      takeTarget(index, of: example, task)
    }
  }

  private func copy(_ source: UnsafePointer<Float>, to index: Int) {
    let layout = layouts[0]
    let target = activation(0, example: index) + layout.interior
    switch layout {
    case .rows(_, let width, _): target.update(from: source, count: width)
    case .image(let height, let width, let channels, let pitch, _):
      for line in 0..<height {
        let to = target + line * layout.linePitch
        if channels == 1 {
          to.update(from: source + line * width, count: width)
          continue
        }
        for channel in 0..<channels {
          let from = source + (channel * height + line) * width
          for column in 0..<width { to[column * pitch + channel] = from[column] }
        }
      }
    }
  }

  private func takeTarget(_ index: Int, of example: Int, _ task: NetworkTask) {
    let rows = plan.lossRowsPerExample
    if let source = task.labels {
      for row in 0..<rows {
        let label = source[example * rows + row]
        precondition(label >= 0 && Int(label) < plan.architecture.classCount, "labels are classes of the model")
        labels[index * rows + row] = label
        if case .binaryCrossEntropy = plan.architecture.loss { targets.start[index * rows + row] = Float(label) }
      }
    } else if let source = task.targets {
      let width = plan.architecture.outputCount
      (targets.start + index * width).update(from: source + example * width, count: width)
    }
  }

  // MARK: Gradients of single examples

  /// Floats that `clip` needs: those of the largest unit.
  var exampleScratchCount: Int { units.map(\.weights.count).max() ?? 0 }

  /// Scales an example's deltas so that its gradient, times `scale`, is that of a loss whose gradient has a norm of at most
  /// `most`.
  ///
  /// The gradient of a matrix that an example meets once is an outer product, whose norm is the product of two norms
  /// (Goodfellow 2015), so nothing of it is written out; others are computed one unit after another.
  func clip(_ example: Int, to most: Float, scale: Float, scratch: FloatBuffer) {
    var square = 0.0
    for step in steps {
      if case .dense(let step) = step, layouts[step.to].rowsPerExample == 1 {
        square += outerProductNorm(step, example)
      }
    }
    for unit in units {
      if case .dense(let step) = unit.source, layouts[step.to].rowsPerExample == 1 { continue }
      square += norm(of: unit, example, scratch)
    }
    let norm = square.squareRoot()
    scaleDeltas(example, by: scale * (norm > Double(most) ? Float(Double(most) / norm) : 1))
  }

  private func outerProductNorm(_ step: NetworkStep.Dense, _ example: Int) -> Double {
    guard let input = rows[step.from][example] else { return 0 }
    let layout = deltaLayouts[step.to]
    let x = kernels.pointee.sum_of_squares(step.inputs, input)
    let delta = kernels.pointee.sum_of_squares(layout.rowPitch, deltas[step.to] + example * layout.rowPitch)
    return (x + 1) * delta
  }

  private func norm(of unit: WeightUnit, _ example: Int, _ scratch: FloatBuffer) -> Double {
    // The unit's floats come to lie at the beginning of the scratch.
    let start = scratch.start - unit.weights.lowerBound
    var alone = unit
    alone.bias = nil
    weightGradient(alone, examples: example..<example + 1, into: start)
    var square = kernels.pointee.sum_of_squares(unit.weights.count, scratch.start)
    if let bias = unit.bias { square += biasNorm(unit, bias, example, scratch) }
    return square
  }

  private func biasNorm(_ unit: WeightUnit, _ bias: Range<Int>, _ example: Int, _ scratch: FloatBuffer) -> Double {
    var only = unit
    only.inputs = unit.inputs.lowerBound..<unit.inputs.lowerBound
    weightGradient(only, examples: example..<example + 1, into: scratch.start - bias.lowerBound)
    return kernels.pointee.sum_of_squares(bias.count, scratch.start)
  }

  private func scaleDeltas(_ example: Int, by factor: Float) {
    for step in steps {
      switch step {
      case .dense(let step): scaleDelta(step.to, example, factor)
      case .convolution(let step): scaleDelta(step.to, example, factor)
      case .embedding(let step): scaleDelta(step.to, example, factor)
      case .lstm(let step):
        let count = step.length * 4 * step.units
        kernels.pointee.scale(count, factor, recurrences[step.state].gateDeltas.start + example * count)
      case .pooling, .activation, .dropout, .flatten, .lastStep: break
      }
    }
  }

  private func scaleDelta(_ index: Int, _ example: Int, _ factor: Float) {
    kernels.pointee.scale(deltaLayouts[index].floatsPerExample, factor, delta(index, example: example))
  }
}
