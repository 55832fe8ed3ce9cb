import CKernels

/// The memory of a network for batches up to a capacity, planned once: nothing is allocated while it computes.
///
/// Threads write to parts of it that do not overlap, between meetings.
final class Workspace: @unchecked Sendable {
  let plan: NetworkPlan
  /// Examples of the largest batch.
  let capacity: Int
  let kernels: UnsafePointer<ck_table>
  let steps: UnsafeMutableBufferPointer<NetworkStep>
  let phases: UnsafeMutableBufferPointer<NetworkStep.Phase>
  let units: UnsafeMutableBufferPointer<WeightUnit>
  let layouts: UnsafeMutableBufferPointer<ActivationLayout>
  /// Meaningless where the plan has no delta.
  let deltaLayouts: UnsafeMutableBufferPointer<ActivationLayout>
  let activations: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>>
  let deltas: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>>
  /// Per activation made of rows: where each row begins, shape [capacity · steps].
  let rows: UnsafeMutableBufferPointer<UnsafeMutablePointer<UnsafePointer<Float>?>>
  /// Factors of dropout, as large as the activation that it gives.
  let masks: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>>
  let choices: UnsafeMutableBufferPointer<UnsafeMutablePointer<UInt32>>
  let recurrences: [Recurrence]
  let transposed: FloatBuffer
  let tokens: UnsafeMutableBufferPointer<Int32>
  let labels: UnsafeMutableBufferPointer<Int32>
  let targets: FloatBuffer
  let losses: FloatBuffer
  let predictions: UnsafeMutableBufferPointer<Int32>
  /// Where features of zero are left out; nil where they are not.
  var chosen: ChosenColumns?
  private let buffers: [FloatBuffer]
  private let rowTables: [UnsafeMutablePointer<UnsafePointer<Float>?>]

  /// The states of an LSTM over time.
  final class Recurrence {
    /// Activations of the gates, and the gradients of their sums; shape [capacity, length, 4 · units].
    let gates: FloatBuffer
    let gateDeltas: FloatBuffer
    /// Shape [capacity, length, units].
    let cells: FloatBuffer
    /// What flows from a time step to the one before it; shape [capacity, units].
    let hiddenCarry: FloatBuffer
    let cellCarry: FloatBuffer
    /// Shape [length, capacity]: the outputs of a time step, as the next one reads them.
    let byTime: UnsafeMutablePointer<UnsafePointer<Float>?>
    /// Shape [capacity, length]: the outputs of the time step before, zeros for the first.
    let before: UnsafeMutablePointer<UnsafePointer<Float>?>
    private let zeros: FloatBuffer

    init(_ step: NetworkStep.LSTM, capacity: Int, outputs: UnsafeMutablePointer<Float>, isTraining: Bool) {
      let numbers = capacity * step.length * step.units
      gates = FloatBuffer(count: 4 * numbers)
      gateDeltas = FloatBuffer(count: isTraining ? 4 * numbers : 0)
      cells = FloatBuffer(count: numbers)
      hiddenCarry = FloatBuffer(count: isTraining ? capacity * step.units : 0)
      cellCarry = FloatBuffer(count: isTraining ? capacity * step.units : 0)
      zeros = FloatBuffer(count: step.units)
      byTime = .allocate(capacity: capacity * step.length)
      before = .allocate(capacity: capacity * step.length)
      for example in 0..<capacity {
        for time in 0..<step.length {
          let row = UnsafePointer(outputs + (example * step.length + time) * step.units)
          (byTime + time * capacity + example).initialize(to: row)
          (before + example * step.length + time).initialize(
            to: time == 0 ? UnsafePointer(zeros.start) : row - step.units)
        }
      }
    }

    deinit {
      byTime.deallocate()
      before.deallocate()
    }
  }

  init(_ plan: NetworkPlan, capacity: Int, kernels: UnsafePointer<ck_table>) {
    self.plan = plan
    self.capacity = capacity
    self.kernels = kernels
    var buffers: [FloatBuffer] = []
    func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
      let buffer = FloatBuffer(count: count)
      buffers.append(buffer)
      return buffer.start
    }
    let values = plan.activations.enumerated().map { index, layout in
      floats(index == 0 && plan.input == .inPlace ? 0 : capacity * layout.floatsPerExample)
    }
    let gradients = plan.deltas.map { floats(capacity * ($0?.floatsPerExample ?? 0)) }
    let rowTables = plan.activations.enumerated().map { index, layout in
      let count = capacity * layout.rowsPerExample
      let table = UnsafeMutablePointer<UnsafePointer<Float>?>.allocate(capacity: max(1, count))
      for row in 0..<count { (table + row).initialize(to: UnsafePointer(values[index] + row * layout.rowStride)) }
      return table
    }
    var masks = plan.activations.map { _ in floats(0) }
    for case .dropout(let step) in plan.steps {
      masks[step.to] = floats(capacity * plan.activations[step.to].floatsPerExample)
    }
    activations = .copy(of: values)
    deltas = .copy(of: gradients)
    rows = .copy(of: rowTables)
    self.masks = .copy(of: masks)
    steps = .copy(of: plan.steps)
    phases = .copy(of: plan.phases)
    units = .copy(of: plan.units)
    layouts = .copy(of: plan.activations)
    deltaLayouts = .copy(of: plan.deltas.map { $0 ?? .rows(steps: 0, width: 0, pitch: 0) })
    choices = .copy(of: plan.choiceCounts.map { .allocate(capacity: max(1, capacity * $0)) })
    for (pointer, count) in zip(choices, plan.choiceCounts) {
      pointer.initialize(repeating: 0, count: capacity * count)
    }
    let outputsOfSteps = Dictionary(
      uniqueKeysWithValues: plan.recurrences.map { ($0.state, values[$0.to]) })
    recurrences = plan.recurrences.compactMap { step in
      outputsOfSteps[step.state].map {
        Recurrence(step, capacity: capacity, outputs: $0, isTraining: plan.isTraining)
      }
    }
    transposed = FloatBuffer(count: plan.transposedCount)
    let lossRows = capacity * plan.lossRowsPerExample
    let hasTokens = if case .tokens = plan.input { true } else { false }
    tokens = .zeros(hasTokens ? capacity * plan.architecture.featureCount : 0)
    labels = .zeros(lossRows)
    predictions = .zeros(lossRows)
    targets = FloatBuffer(count: lossRows * plan.architecture.outputCount)
    losses = FloatBuffer(count: lossRows)
    self.buffers = buffers
    self.rowTables = rowTables
  }

  deinit {
    for table in rowTables { table.deallocate() }
    for pointer in choices { pointer.deallocate() }
    activations.deallocate()
    deltas.deallocate()
    rows.deallocate()
    masks.deallocate()
    steps.deallocate()
    phases.deallocate()
    units.deallocate()
    layouts.deallocate()
    deltaLayouts.deallocate()
    choices.deallocate()
    tokens.deallocate()
    labels.deallocate()
    predictions.deallocate()
  }

  // MARK: Places

  func activation(_ index: Int, example: Int) -> UnsafeMutablePointer<Float> {
    activations[index] + example * layouts[index].floatsPerExample
  }

  func delta(_ index: Int, example: Int) -> UnsafeMutablePointer<Float> {
    deltas[index] + example * deltaLayouts[index].floatsPerExample
  }

  func hasDelta(_ index: Int) -> Bool { deltaLayouts[index].floatsPerExample > 0 }
}

extension UnsafeMutableBufferPointer {
  /// A copy of plain values that the caller deallocates.
  fileprivate static func copy(of elements: [Element]) -> Self {
    let copy = allocate(capacity: elements.count)
    _ = copy.initialize(from: elements)
    return copy
  }
}

extension UnsafeMutableBufferPointer<Int32> {
  fileprivate static func zeros(_ count: Int) -> Self {
    let all = allocate(capacity: count)
    all.initialize(repeating: 0)
    return all
  }
}
