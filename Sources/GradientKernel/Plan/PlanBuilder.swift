import CKernels

/// Lays out a network layer by layer.
struct PlanBuilder {
  let architecture: ModelArchitecture
  let isTraining: Bool
  private(set) var input = NetworkPlan.Input.copied
  private(set) var activations: [ActivationLayout] = []
  private(set) var deltas: [ActivationLayout?] = []
  private(set) var steps: [NetworkStep] = []
  private(set) var matrices: [PackedMatrix] = []
  private(set) var rows: [PackedRows] = []
  private(set) var packedCount = 0
  private(set) var choiceCounts: [Int] = []
  private(set) var recurrences: [NetworkStep.LSTM] = []
  private(set) var transposedCount = 0
  private(set) var phases: [NetworkStep.Phase] = []
  private(set) var units: [WeightUnit] = []
  /// Whether a layer with parameters came before, so that gradients flow on.
  private var isTrainable = false
  /// Of an image that was flattened: the place of each number in the order channels, height, width.
  private var flattened: [Int32]?

  init(_ architecture: ModelArchitecture, isTraining: Bool) {
    self.architecture = architecture
    self.isTraining = isTraining
  }

  private var current: Int { activations.count - 1 }

  mutating func addLayers() {
    var next = addInput()
    let layers = architecture.layers
    while next < layers.count {
      next += add(next)
    }
  }

  // MARK: Activations

  /// - Returns: the first layer that is still to be added.
  private mutating func addInput() -> Int {
    let layers = architecture.layers
    func isDense(_ i: Int) -> Bool { if case .dense = layers[i] { true } else { false } }
    switch architecture.input {
    case .image(let channels, let height, let width) where layers[0] != .flatten:
      append(
        .image(height: height, width: width, channels: channels, pitch: channels, border: border(after: 0)))
      return 0
    case .tokens(_, let vocabulary):
      input = .tokens(vocabulary: vocabulary)
      return 0
    case .features, .image:
      // Flattening the data's own order changes nothing.
      let first = layers[0] == .flatten ? 1 : 0
      let count = architecture.featureCount
      input = isDense(first) ? .inPlace : .copied
      append(.rows(steps: 1, width: count, pitch: input == .inPlace ? count : pitch(count)))
      return first
    }
  }

  private mutating func append(_ layout: ActivationLayout, deltaBorder: ModelArchitecture.Extent? = nil) {
    activations.append(layout)
    let border = deltaBorder ?? ModelArchitecture.Extent(0)
    deltas.append(isTraining && isTrainable ? layout.bordered(by: border) : nil)
  }

  /// What the first layer from `index` on that reads an image wants around it.
  private func border(after index: Int) -> ModelArchitecture.Extent {
    for layer in architecture.layers[index...] {
      switch layer {
      case .conv2d(_, _, _, let padding, _): return padding
      case .dropout where !isTraining: continue
      default: return ModelArchitecture.Extent(0)
      }
    }
    return ModelArchitecture.Extent(0)
  }

  private func isRectifier(_ index: Int) -> Bool {
    architecture.layers.indices.contains(index) && architecture.layers[index] == .relu
  }

  private func isMaximum(_ index: Int) -> Bool {
    guard architecture.layers.indices.contains(index), case .maxPool2d = architecture.layers[index] else {
      return false
    }
    return true
  }

  // MARK: Layers

  /// - Returns: how many layers became one step.
  private mutating func add(_ index: Int) -> Int {
    let stage = architecture.stages[index]
    switch stage.layer {
    case .dense(let outputs, _):
      let isRectified = isRectifier(index + 1)
      addDense(stage, outputs, isRectified: isRectified)
      return isRectified ? 2 : 1
    case .conv2d(_, let kernel, let stride, let padding, _):
      // ReLU and maximum commute, and so do their gradients; behind the maximum there are fewer numbers.
      let isRectified = isRectifier(index + 1) && !isMaximum(index + 2)
      addConvolution(
        stage, kernel, stride, padding, isRectified: isRectified, border: border(after: index + (isRectified ? 2 : 1)))
      return isRectified ? 2 : 1
    case .relu where isMaximum(index + 1):
      addPooling(architecture.stages[index + 1], isRectified: true, border: border(after: index + 2))
      return 2
    case .maxPool2d, .averagePool2d:
      addPooling(stage, isRectified: false, border: border(after: index + 1))
    case .relu: addActivation(CK_RELU, border: border(after: index + 1))
    case .tanh: addActivation(CK_TANH, border: border(after: index + 1))
    case .sigmoid: addActivation(CK_SIGMOID, border: border(after: index + 1))
    case .dropout(let rate):
      guard isTraining, rate > 0 else { break }
      let from = current
      append(activations[from].bordered(by: border(after: index + 1)))
      steps.append(.dropout(.init(from: from, to: current, rate: rate, salt: UInt64(index))))
    case .flatten: addFlatten()
    case .embedding(let dimension): addEmbedding(stage, dimension)
    case .lstm(let units): addLSTM(stage, units)
    case .lastStep:
      let from = current
      let pitch = activations[from].rowPitch
      guard case .rows(_, let width, _) = activations[from] else { preconditionFailure("a sequence has rows") }
      append(.rows(steps: 1, width: width, pitch: pitch))
      steps.append(.lastStep(from: from, to: current))
    }
    return 1
  }

  private mutating func addDense(_ stage: ModelArchitecture.Stage, _ outputs: Int, isRectified: Bool) {
    guard case .rows(let count, let width, _) = activations[current] else { preconditionFailure("flatten came before") }
    let inputs = flattened ?? identity(width)
    flattened = nil
    let from = current
    isTrainable = true
    append(.rows(steps: count, width: outputs, pitch: pitch(outputs)))
    let weights = addMatrix(stage.tensors[0], outputs: identity(outputs), inputs: inputs, places: width)
    let bias = addBias(stage.tensors[1], columns: identity(outputs))
    let step = NetworkStep.Dense(
      from: from, to: current, weights: weights.offset, bias: bias.offset, inputs: width,
      panels: weights.panels, isRectified: isRectified)
    steps.append(.dense(step))
    addUnits(.dense(step), weights, bias: bias, applications: count)
  }

  private mutating func addFlatten() {
    let from = current
    guard case .image(let height, let width, let channels, let pitch, _) = activations[from] else {
      preconditionFailure("an image is flattened")
    }
    let count = height * width * pitch
    append(.rows(steps: 1, width: count, pitch: GradientKernel.pitch(count)))
    steps.append(.flatten(from: from, to: current))
    flattened = (0..<channels).flatMap { channel in
      (0..<height * width).map { Int32($0 * pitch + channel) }
    }
  }

  private mutating func addPooling(
    _ stage: ModelArchitecture.Stage, isRectified: Bool, border: ModelArchitecture.Extent
  ) {
    let window: ModelArchitecture.Extent
    let stride: ModelArchitecture.Extent
    let isMaximum: Bool
    switch stage.layer {
    case .maxPool2d(let size, let step): (window, stride, isMaximum) = (size, step, true)
    case .averagePool2d(let size, let step): (window, stride, isMaximum) = (size, step, false)
    default: preconditionFailure("\(stage.name) pools nothing")
    }
    guard case .image(_, let height, let width) = stage.output else { preconditionFailure("pools give images") }
    let from = current
    let pitch = activations[from].rowPitch
    guard case .image(_, _, let channels, _, _) = activations[from] else { preconditionFailure("images are pooled") }
    append(.image(height: height, width: width, channels: channels, pitch: pitch, border: border))
    let plan = PoolingPlan(rows: height, columns: width, window: window, stride: stride, channels: pitch)
    var choices: Int?
    if isTraining, isMaximum, isTrainable {
      choices = choiceCounts.count
      choiceCounts.append(height * width * pitch)
    }
    steps.append(
      .pooling(
        .init(
          from: from, to: current, isMaximum: isMaximum, pooling: plan, choices: choices, isRectified: isRectified)))
  }

  private mutating func addActivation(_ function: ck_activation, border: ModelArchitecture.Extent) {
    let from = current
    append(activations[from].bordered(by: border))
    steps.append(.activation(.init(from: from, to: current, function: function)))
  }

  private mutating func addEmbedding(_ stage: ModelArchitecture.Stage, _ dimension: Int) {
    guard case .sequence(let length, _) = stage.output, case .tokens(_, let vocabulary) = architecture.input else {
      preconditionFailure("embeddings follow the tokens")
    }
    isTrainable = true
    append(.rows(steps: length, width: dimension, pitch: pitch(dimension)))
    let table = addRows(stage.tensors[0], rows: vocabulary, width: dimension, columns: identity(dimension))
    let step = NetworkStep.Embedding(to: current, table: table.offset, pitch: table.pitch)
    steps.append(.embedding(step))
    // A unit looks at every token, so there are few.
    let most = max(16, (vocabulary + 7) / 8)
    for first in stride(from: 0, to: vocabulary, by: most) {
      let tokens = first..<min(vocabulary, first + most)
      units.append(
        WeightUnit(
          source: .embedding(step), panel: 0, inputs: tokens,
          weights: table.offset + tokens.lowerBound * table.pitch..<table.offset + tokens.upperBound * table.pitch,
          bias: nil, cost: length + tokens.count * table.pitch))
    }
  }

  private mutating func addLSTM(_ stage: ModelArchitecture.Stage, _ units: Int) {
    guard case .rows(let length, let width, _) = activations[current] else {
      preconditionFailure("a sequence has rows")
    }
    let from = current
    let padded = pitch(units)
    isTrainable = true
    append(.rows(steps: length, width: units, pitch: padded))
    let gates = (0..<4).flatMap { gate in (0..<units).map { Int32(gate * padded + $0) } }
    let inputWeights = addMatrix(stage.tensors[0], outputs: gates, inputs: identity(width), places: width)
    let recurrentWeights = addMatrix(stage.tensors[1], outputs: gates, inputs: identity(units), places: padded)
    let bias = addBias(stage.tensors[2], columns: gates, width: 4 * padded)
    let step = NetworkStep.LSTM(
      from: from, to: current, inputWeights: inputWeights.offset, recurrentWeights: recurrentWeights.offset,
      bias: bias.offset, inputs: width, units: padded, length: length, state: recurrences.count)
    recurrences.append(step)
    steps.append(.lstm(step))
    addUnits(.recurrentInput(step), inputWeights, bias: bias, applications: length)
    addUnits(.recurrent(step), recurrentWeights, bias: nil, applications: length)
  }

  // MARK: Convolutions

  private mutating func addConvolution(
    _ stage: ModelArchitecture.Stage, _ kernel: ModelArchitecture.Extent, _ stride: ModelArchitecture.Extent,
    _ padding: ModelArchitecture.Extent, isRectified: Bool, border: ModelArchitecture.Extent
  ) {
    guard case .image(let filters, let height, let width) = stage.output,
      case .image(let inputHeight, let inputWidth, let channels, let channelPitch, _) = activations[current]
    else { preconditionFailure("\(stage.name) is between images") }
    let from = current
    let hasInputGradient = isTraining && isTrainable
    let vertical = PhaseAxis.all(
      input: inputHeight, output: height, kernel: kernel.height, stride: stride.height, padding: padding.height)
    let horizontal = PhaseAxis.all(
      input: inputWidth, output: width, kernel: kernel.width, stride: stride.width, padding: padding.width)
    isTrainable = true
    append(
      .image(height: height, width: width, channels: filters, pitch: pitch(filters), border: border),
      deltaBorder: hasInputGradient
        ? .init(height: vertical.map(\.border).max() ?? 0, width: horizontal.map(\.border).max() ?? 0) : nil)

    let source = activations[from], output = activations[current]
    let places = kernel.height * kernel.width * channelPitch
    let inputs = (0..<channels).flatMap { channel in
      (0..<kernel.height * kernel.width).map { Int32($0 * channelPitch + channel) }
    }
    let weights = addMatrix(stage.tensors[0], outputs: identity(filters), inputs: inputs, places: places)
    let bias = addBias(stage.tensors[1], columns: identity(filters))
    var step = NetworkStep.Convolution(
      from: from, to: current, weights: weights.offset, bias: bias.offset, panels: weights.panels,
      windows: WindowPlan(
        rows: height, columns: width, lines: kernel.height, floats: kernel.width * channelPitch,
        imagePitch: source.linePitch, rowStep: stride.height * source.linePitch,
        columnStep: stride.width * channelPitch, outRow: output.linePitch, outColumn: output.rowPitch),
      isRectified: isRectified)
    if hasInputGradient { addPhases(to: &step, kernel: kernel, stride: stride, vertical, horizontal) }
    steps.append(.convolution(step))
    for panel in 0..<step.panels {
      for line in 0..<kernel.height {
        let lineFloats = step.windows.floats * Int(CK_PANEL)
        let start = weights.offset + (panel * kernel.height + line) * lineFloats
        units.append(
          WeightUnit(
            source: .convolution(step), panel: panel, inputs: line..<line + 1, weights: start..<start + lineFloats,
            bias: line == 0 ? biasRange(bias, panel) : nil, cost: height * width * lineFloats))
      }
    }
  }

  private mutating func addPhases(
    to step: inout NetworkStep.Convolution, kernel: ModelArchitecture.Extent, stride: ModelArchitecture.Extent,
    _ vertical: [PhaseAxis], _ horizontal: [PhaseAxis]
  ) {
    guard let input = deltas[step.from], let output = deltas[step.to] else {
      preconditionFailure("gradients flow through this convolution")
    }
    let outputs = output.rowPitch, first = phases.count
    for y in vertical {
      for x in horizontal {
        phases.append(
          .init(
            transposition: TranspositionPlan(
              lines: kernel.height, columns: kernel.width, channels: input.rowPitch, outputs: outputs, stride: stride,
              first: .init(height: y.first, width: x.first)),
            windows: WindowPlan(
              rows: y.count, columns: x.count, lines: y.taps, floats: x.taps * outputs, imagePitch: output.linePitch,
              rowStep: output.linePitch, columnStep: outputs, outRow: stride.height * input.linePitch,
              outColumn: stride.width * input.rowPitch),
            offset: transposedCount,
            source: output.interior + y.start * output.linePitch + x.start * outputs,
            target: input.interior + y.phase * input.linePitch + x.phase * input.rowPitch))
        transposedCount += y.taps * x.taps * outputs * input.rowPitch
      }
    }
    step.phases = first..<phases.count
  }

  // MARK: Parameters

  private func identity(_ count: Int) -> [Int32] { (0..<Int32(count)).map { $0 } }

  private mutating func addMatrix(_ tensor: Range<Int>, outputs: [Int32], inputs: [Int32], places: Int)
    -> PackedMatrix
  {
    let width = Int(outputs.max() ?? 0) + 1
    let matrix = PackedMatrix(
      offset: packedCount, places: places, panels: panelCount(width), tensor: tensor, outputs: outputs, inputs: inputs)
    packedCount += matrix.floatCount
    matrices.append(matrix)
    return matrix
  }

  private mutating func addRows(_ tensor: Range<Int>, rows count: Int, width: Int, columns: [Int32])
    -> PackedRows
  {
    let new = PackedRows(offset: packedCount, rows: count, pitch: pitch(width), tensor: tensor, columns: columns)
    packedCount += new.floatCount
    rows.append(new)
    return new
  }

  private mutating func addBias(_ tensor: Range<Int>, columns: [Int32], width: Int? = nil) -> PackedRows {
    addRows(tensor, rows: 1, width: width ?? columns.count, columns: columns)
  }

  private func biasRange(_ bias: PackedRows, _ panel: Int) -> Range<Int> {
    let start = bias.offset + panel * Int(CK_PANEL)
    return start..<start + Int(CK_PANEL)
  }

  /// Units of at most 192 inputs of one panel: 12 KiB, so that an optimizer finds the gradient in the first cache.
  private mutating func addUnits(
    _ source: WeightUnit.Source, _ matrix: PackedMatrix, bias: PackedRows?, applications: Int
  ) {
    let most = 192
    let panel = Int(CK_PANEL)
    for p in 0..<matrix.panels {
      let start = matrix.offset + p * matrix.places * panel
      for first in stride(from: 0, to: matrix.places, by: most) {
        let inputs = first..<min(matrix.places, first + most)
        units.append(
          WeightUnit(
            source: source, panel: p, inputs: inputs,
            weights: start + inputs.lowerBound * panel..<start + inputs.upperBound * panel,
            bias: first == 0 ? bias.map { biasRange($0, p) } : nil, cost: applications * inputs.count * panel))
      }
    }
  }
}

/// One direction of the input gradient of a convolution, for places that lie `phase` beyond a multiple of the stride.
///
/// Place `y = phase + stride · j` is reached by output `⌊(y + padding) / stride⌋ − m` through the window's line
/// `(y + padding) mod stride + stride · m`.
struct PhaseAxis: Hashable, Sendable {
  let phase: Int
  /// Places of this phase.
  let count: Int
  /// The first window line that reaches them, and how many do.
  let first: Int
  let taps: Int
  /// The output where the first place's window begins; below zero in the border.
  let start: Int
  /// Outputs beyond either end that windows touch.
  let border: Int

  /// The phases that any window reaches.
  static func all(input: Int, output: Int, kernel: Int, stride: Int, padding: Int) -> [PhaseAxis] {
    (0..<min(stride, input)).compactMap { phase in
      let first = (phase + padding) % stride
      guard first < kernel else { return nil }
      let count = (input - phase + stride - 1) / stride
      let taps = (kernel - first + stride - 1) / stride
      let start = (phase + padding) / stride - (taps - 1)
      let end = start + count - 1 + taps
      return PhaseAxis(
        phase: phase, count: count, first: first, taps: taps, start: start,
        border: max(0, -start, end - output))
    }
  }
}
