import CKernels
import Tensors

/// What the threads of a network do next.
struct NetworkTask {
  enum Phase {
    /// Gather rows, forward, losses; back to the deltas if there is a gradient to compute.
    case rows(isTraining: Bool)
    /// Gather rows and forward; probabilities in the last activations.
    case predict
    /// Weight gradients; then update and packing if there is a rule.
    case outputs(UpdateRule?)
  }

  var phase = Phase.predict
  var rowCount = 0
  /// The data set's features, row-major, and the rows of the batch in it; nil for consecutive rows from `firstRow`.
  var features: UnsafePointer<Float>?
  var order: UnsafePointer<Int32>?
  var firstRow = 0
}

extension Network: ParallelWork {
  /// Threads get whole blocks of rows or outputs, so that register tiles stay full.
  private static let block = 4
  /// Multiply-adds below which handing work over costs more than it saves.
  private static let parallelWorkMin = 1 << 16

  // MARK: Entry points

  /// Loss and gradient of the mean loss over the given rows; parameters stay as they are.
  ///
  /// - Parameters:
  ///   - features: shape [n, featureCount], row-major.
  ///   - labels: shape [n], each in `0 ..< classCount`.
  ///   - rows: 1 to `batchCapacity` of the n rows, in the order in which their losses are added.
  @discardableResult
  package func gradient(features: [Float], labels: [Int32], rows: ArraySlice<Int32>) -> BatchResult {
    train(features: features, labels: labels, rows: rows, rule: nil)
  }

  /// One step of SGD on the given rows; parameters as for `gradient`. The loss is that before the step.
  package func step(
    features: [Float], labels: [Int32], rows: ArraySlice<Int32>, rule: UpdateRule
  ) -> BatchResult {
    train(features: features, labels: labels, rows: rows, rule: rule)
  }

  /// Loss and correct classifications over all rows.
  package func evaluate(features: [Float], labels: [Int32]) -> BatchResult {
    precondition(features.count == labels.count * architecture.featureCount, "features and labels are of one data set")
    var result = BatchResult()
    var first = 0
    withFlushedSubnormals {
      features.withUnsafeBufferPointer { features in
        while first < labels.count {
          let count = min(batchCapacity, labels.count - first)
          for row in 0..<count { setLabel(labels[first + row], row: row) }
          task = NetworkTask(
            phase: .rows(isTraining: false), rowCount: count, features: features.baseAddress, order: nil,
            firstRow: first)
          runRows()
          result += summary(rowCount: count)
          first += count
        }
      }
    }
    return result
  }

  /// The probabilities of all classes, shape [n, classCount], for features of shape [n, featureCount].
  package func predict(features: [Float]) -> [Float] {
    precondition(features.count % architecture.featureCount == 0, "features come in whole rows")
    let rowCount = features.count / architecture.featureCount
    let classes = architecture.classCount
    var out: [Float] = []
    out.reserveCapacity(rowCount * classes)
    var first = 0
    withFlushedSubnormals {
      features.withUnsafeBufferPointer { features in
        while first < rowCount {
          let count = min(batchCapacity, rowCount - first)
          task = NetworkTask(
            phase: .predict, rowCount: count, features: features.baseAddress, order: nil, firstRow: first)
          runRows()
          let stride = strides[strides.count - 1]
          for row in 0..<count {
            out.append(
              contentsOf: UnsafeBufferPointer(
                start: activations[activations.count - 1].start + row * stride, count: classes))
          }
          first += count
        }
      }
    }
    return out
  }

  // MARK: Phases

  private func train(
    features: [Float], labels: [Int32], rows: ArraySlice<Int32>, rule: UpdateRule?
  ) -> BatchResult {
    precondition(features.count == labels.count * architecture.featureCount, "features and labels are of one data set")
    precondition((1...batchCapacity).contains(rows.count), "a batch fits the workspaces")
    for (row, example) in rows.enumerated() { setLabel(labels[Int(example)], row: row) }
    if let rule { prepare(for: rule) }
    withFlushedSubnormals {
      features.withUnsafeBufferPointer { features in
        rows.withUnsafeBufferPointer { order in
          task = NetworkTask(
            phase: .rows(isTraining: true), rowCount: rows.count, features: features.baseAddress,
            order: order.baseAddress, firstRow: 0)
          runRows()
          task.phase = .outputs(rule)
          runRows()
        }
      }
    }
    return summary(rowCount: rows.count)
  }

  private func setLabel(_ label: Int32, row: Int) {
    precondition(label >= 0 && label < architecture.classCount, "labels are classes of the model")
    labels[row] = label
  }

  private func prepare(for rule: UpdateRule) {
    if rule.momentum != 0, velocityBuffer == nil { velocityBuffer = FloatBuffer(count: parameterBuffer.count) }
    if rule.proximal != 0, anchorBuffer == nil {
      let anchor = FloatBuffer(count: parameterBuffer.count)
      anchor.start.update(from: parameterBuffer.start, count: parameterBuffer.count)
      anchorBuffer = anchor
    }
  }

  private func withFlushedSubnormals(_ body: () -> Void) {
    let state = ck_flush_subnormals()
    defer { ck_restore_floating_state(state) }
    body()
  }

  private func runRows() {
    let isWorthSharing = task.rowCount * architecture.layout.count >= Self.parallelWorkMin
    if isWorthSharing { pool.run(self) } else { perform(thread: 0, of: 1) }
  }

  private func summary(rowCount: Int) -> BatchResult {
    var result = BatchResult(count: rowCount)
    for row in 0..<rowCount {
      result.lossSum += Double(losses.start[row])
      if predictions[row] == labels[row] { result.correct += 1 }
    }
    return result
  }

  /// The part of `0 ..< count` that is a thread's: whole blocks, sizes differing by at most one block.
  private func share(of count: Int, thread: Int, threads: Int) -> Range<Int> {
    let blocks = (count + Self.block - 1) / Self.block
    return min(count, blocks * thread / threads * Self.block)..<min(count, blocks * (thread + 1) / threads * Self.block)
  }

  package func perform(thread: Int, of threads: Int) {
    switch task.phase {
    case .rows(let isTraining):
      let rows = share(of: task.rowCount, thread: thread, threads: threads)
      guard !rows.isEmpty else { return }
      forward(rows)
      loss(rows, isTraining: isTraining)
      if isTraining { backward(rows) }
    case .predict:
      let rows = share(of: task.rowCount, thread: thread, threads: threads)
      guard !rows.isEmpty else { return }
      forward(rows)
      let last = strides.count - 1
      kernels.pointee.softmax(
        rows.count, architecture.classCount, activations[last].start + rows.lowerBound * strides[last], strides[last])
    case .outputs(let rule):
      for (i, layer) in layers.enumerated() {
        let outputs = share(of: layer.outputs, thread: thread, threads: threads)
        guard !outputs.isEmpty else { continue }
        weightGradient(layer: i, outputs: outputs)
        if let rule {
          update(layer.weight.lowerBound + outputs.lowerBound * layer.inputs, outputs.count * layer.inputs, by: rule)
          update(layer.bias.lowerBound + outputs.lowerBound, outputs.count, by: rule)
          pack(layer: i, outputs: outputs)
        }
      }
    }
  }

  private func forward(_ rows: Range<Int>) {
    guard let features = task.features else { return }
    let width = architecture.featureCount
    for row in rows {
      let example = task.order.map { Int($0[row]) } ?? task.firstRow + row
      (activations[0].start + row * strides[0]).update(from: features + example * width, count: width)
    }
    for (i, layer) in layers.enumerated() {
      let output = activations[i + 1].start + rows.lowerBound * strides[i + 1]
      kernels.pointee.dense_forward(
        rows.count, layer.inputs, strides[i + 1], activations[i].start + rows.lowerBound * strides[i], strides[i],
        packed[i].start, output, strides[i + 1])
      if i + 1 < layers.count { kernels.pointee.relu(rows.count * strides[i + 1], output) }
    }
  }

  private func loss(_ rows: Range<Int>, isTraining: Bool) {
    let last = strides.count - 1
    let offset = rows.lowerBound * strides[last]
    kernels.pointee.softmax_cross_entropy(
      rows.count, architecture.classCount, activations[last].start + offset, strides[last],
      labels.baseAddress.map { $0 + rows.lowerBound }, 1 / Float(task.rowCount),
      isTraining ? deltas[last].start + offset : nil, strides[last], losses.start + rows.lowerBound,
      predictions.baseAddress.map { $0 + rows.lowerBound })
  }

  private func backward(_ rows: Range<Int>) {
    for i in layers.indices.dropFirst().reversed() {
      let layer = layers[i]
      let delta = deltas[i].start + rows.lowerBound * strides[i]
      kernels.pointee.dense_input_gradient(
        rows.count, layer.inputs, layer.outputs, deltas[i + 1].start + rows.lowerBound * strides[i + 1],
        strides[i + 1], parameterBuffer.start + layer.weight.lowerBound, delta, strides[i])
      kernels.pointee.relu_gradient(
        rows.count * strides[i], activations[i].start + rows.lowerBound * strides[i], delta)
    }
  }

  private func weightGradient(layer i: Int, outputs: Range<Int>) {
    let layer = layers[i]
    kernels.pointee.dense_weight_gradient(
      outputs.lowerBound, outputs.upperBound, layer.inputs, task.rowCount, deltas[i + 1].start, strides[i + 1],
      activations[i].start, strides[i], gradientBuffer.start + layer.weight.lowerBound,
      gradientBuffer.start + layer.bias.lowerBound)
  }

  private func update(_ offset: Int, _ count: Int, by rule: UpdateRule) {
    kernels.pointee.sgd_step(
      count, rule.learningRate, rule.momentum, rule.weightDecay, rule.proximal, gradientBuffer.start + offset,
      rule.proximal == 0 ? nil : anchorBuffer.map { UnsafePointer($0.start + offset) },
      rule.momentum == 0 ? nil : velocityBuffer.map { $0.start + offset }, parameterBuffer.start + offset)
  }
}
