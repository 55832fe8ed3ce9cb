import CKernels

/// Which part of a pass a thread does.
struct Share {
  var thread: Int
  var threads: Int
  /// Examples of the whole batch.
  var examples: Int
  /// Those that are the thread's wherever work is divided by examples.
  var own: Range<Int>

  init(thread: Int, threads: Int, examples: Int) {
    self.thread = thread
    self.threads = threads
    self.examples = examples
    own = examples * thread / threads..<examples * (thread + 1) / threads
  }

  /// The thread's part of anything else.
  func part(of count: Int) -> Range<Int> { count * thread / threads..<count * (thread + 1) / threads }
}

extension Workspace {
  /// Rows of a dense layer per thread below which its outputs are divided rather than the rows: whoever gets few rows
  /// would read all weights for them.
  private static let rowsMin = 16
  /// Weights below which that is not worth a meeting: 128 KiB.
  private static let sharedWeightsMin = 32_768

  func isShared(_ step: NetworkStep.Dense, _ share: Share) -> Bool {
    share.threads > 1 && share.examples * layouts[step.to].rowsPerExample < Self.rowsMin * share.threads
      && step.inputs * step.panels * Int(CK_PANEL) >= Self.sharedWeightsMin
  }

  /// Everything from the input to the outputs.
  ///
  /// - Parameters:
  ///   - weights: the packed parameters.
  ///   - seed: of dropout; nil drops nothing.
  func forward(_ weights: UnsafePointer<Float>, _ share: Share, crew: ThreadPool?, seed: UInt64?) {
    var wasShared = false
    for step in steps {
      switch step {
      case .dense(let step):
        let isShared = isShared(step, share)
        if isShared || wasShared { crew?.meet() }
        wasShared = isShared
        if isShared {
          dense(
            step, weights, examples: 0..<share.examples, panels: share.part(of: step.panels), thread: share.thread)
        } else {
          dense(step, weights, examples: share.own, panels: 0..<step.panels, thread: share.thread)
        }
        continue
      default:
        if wasShared { crew?.meet() }
        wasShared = false
      }
      switch step {
      case .dense: break
      case .convolution(let step): for example in share.own { convolve(step, weights, example) }
      case .pooling(let step): for example in share.own { pool(step, example) }
      case .activation(let step): for example in share.own { activate(step, example) }
      case .dropout(let step): for example in share.own { drop(step, example, seed: seed) }
      case .embedding(let step): for example in share.own { embed(step, weights, example) }
      case .lstm(let step): if !share.own.isEmpty { remember(step, weights, share.own) }
      case .flatten(let from, let to): for example in share.own { flatten(from, to, example) }
      case .lastStep(let from, let to): for example in share.own { keepLastStep(from, to, example) }
      }
    }
    if wasShared { crew?.meet() }
  }

  // MARK: Steps

  private func dense(
    _ step: NetworkStep.Dense, _ weights: UnsafePointer<Float>, examples: Range<Int>, panels: Range<Int>, thread: Int
  ) {
    let layout = layouts[step.to]
    let first = examples.lowerBound * layout.rowsPerExample, count = examples.count * layout.rowsPerExample
    let inputs = rows[step.from] + first
    let outputs = activations[step.to] + first * layout.rowPitch
    if step.from == 0, let chosen {
      chosen.choose(inputs, count: count, thread: thread)
      if let columns = chosen.list(thread: thread) {
        kernels.pointee.dense_forward_chosen(
          count, columns.count, columns.baseAddress, step.inputs, panels.lowerBound, panels.upperBound, inputs,
          weights + step.weights, weights + step.bias, outputs, layout.rowPitch, step.isRectified ? 1 : 0)
        return
      }
    }
    kernels.pointee.dense_forward(
      count, step.inputs, panels.lowerBound, panels.upperBound, inputs, weights + step.weights, weights + step.bias,
      outputs, layout.rowPitch, step.isRectified ? 1 : 0)
  }

  private func convolve(_ step: NetworkStep.Convolution, _ weights: UnsafePointer<Float>, _ example: Int) {
    var windows = step.windows.windows
    kernels.pointee.conv_forward(
      &windows, 0, step.panels, activation(step.from, example: example), weights + step.weights, weights + step.bias,
      activation(step.to, example: example) + layouts[step.to].interior, step.isRectified ? 1 : 0)
  }

  private func pool(_ step: NetworkStep.Pooling, _ example: Int) {
    let from = layouts[step.from], to = layouts[step.to]
    var pooling = step.pooling.pooling(image: from, output: to)
    let image = activation(step.from, example: example) + from.interior
    let output = activation(step.to, example: example) + to.interior
    if step.isMaximum {
      kernels.pointee.max_pool(
        &pooling, image, output, step.choices.map { choices[$0] + example * plan.choiceCounts[$0] })
    } else {
      kernels.pointee.average_pool(&pooling, image, output)
    }
    guard step.isRectified else { return }
    eachLine(of: to) { line, width, columns in
      kernels.pointee.activate(CK_RELU, 1, columns * width, output + line, 0, output + line, 0)
    }
  }

  /// Calls `body` with each line of an image, or with the one of a vector or sequence: its offset from the interior, the
  /// floats of a row or pixel, and how many of these there are. Padding is part of it.
  func eachLine(of layout: ActivationLayout, _ body: (_ line: Int, _ pitch: Int, _ count: Int) -> Void) {
    switch layout {
    case .rows(let steps, _, let pitch): body(0, pitch, steps)
    case .image(let height, let width, _, let pitch, _):
      for line in 0..<height { body(line * layout.linePitch, pitch, width) }
    }
  }

  private func activate(_ step: NetworkStep.Activation, _ example: Int) {
    let from = layouts[step.from], to = layouts[step.to]
    let x = activation(step.from, example: example) + from.interior
    let y = activation(step.to, example: example) + to.interior
    // The sigmoid of the padding would not be zero, so only a row's numbers are passed.
    let width = from.width
    eachLine(of: from) { line, pitch, count in
      let target = line / max(1, from.linePitch) * to.linePitch
      kernels.pointee.activate(step.function, count, width, x + line, pitch, y + target, to.rowPitch)
    }
  }

  private func drop(_ step: NetworkStep.Dropout, _ example: Int, seed: UInt64?) {
    let from = layouts[step.from], to = layouts[step.to]
    let count = to.floatsPerExample
    let mask = masks[step.to] + example * count
    if let seed {
      ck_dropout_factors(count, seed &+ step.salt &* 0x9E37_79B9_7F4A_7C15, UInt64(example * count), step.rate, mask)
    } else {
      mask.update(repeating: 1, count: count)
    }
    let x = activation(step.from, example: example) + from.interior
    let y = activation(step.to, example: example) + to.interior
    eachLine(of: from) { line, pitch, columns in
      let target = line / max(1, from.linePitch) * to.linePitch
      kernels.pointee.multiply(columns * pitch, x + line, mask + to.interior + target, y + target)
    }
  }

  private func embed(_ step: NetworkStep.Embedding, _ weights: UnsafePointer<Float>, _ example: Int) {
    let length = layouts[step.to].rowsPerExample
    let to = activation(step.to, example: example)
    for time in 0..<length {
      let vector = weights + step.table + Int(tokens[example * length + time]) * step.pitch
      (to + time * step.pitch).update(from: vector, count: step.pitch)
    }
  }

  private func remember(_ step: NetworkStep.LSTM, _ weights: UnsafePointer<Float>, _ examples: Range<Int>) {
    let state = recurrences[step.state]
    let length = step.length, units = step.units, width = 4 * units, panels = width / Int(CK_PANEL)
    let first = examples.lowerBound * length
    kernels.pointee.dense_forward(
      examples.count * length, step.inputs, 0, panels, rows[step.from] + first, weights + step.inputWeights,
      weights + step.bias, state.gates.start + first * width, width, 0)
    for time in 0..<length {
      let row = first + time
      let gates = state.gates.start + row * width
      let cells = state.cells.start + row * units
      if time > 0 {
        kernels.pointee.dense_forward(
          examples.count, units, 0, panels, state.byTime + (time - 1) * capacity + examples.lowerBound,
          weights + step.recurrentWeights, nil, gates, length * width, 0)
      }
      kernels.pointee.lstm_cell(
        examples.count, units, gates, length * width, time > 0 ? UnsafePointer(cells - units) : nil, cells,
        length * units, activations[step.to] + row * units, length * units)
    }
  }

  private func flatten(_ from: Int, _ to: Int, _ example: Int) {
    let layout = layouts[from]
    let image = activation(from, example: example) + layout.interior
    var target = activation(to, example: example)
    eachLine(of: layout) { line, pitch, columns in
      target.update(from: image + line, count: columns * pitch)
      target += columns * pitch
    }
  }

  private func keepLastStep(_ from: Int, _ to: Int, _ example: Int) {
    let layout = layouts[from]
    let last = activation(from, example: example) + (layout.rowsPerExample - 1) * layout.rowPitch
    activation(to, example: example).update(from: last, count: layout.rowPitch)
  }
}
