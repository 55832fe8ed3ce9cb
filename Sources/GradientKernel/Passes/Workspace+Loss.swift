import CKernels

extension Workspace {
  /// Losses and predictions of some examples, and the gradient of `scale · Σ losses` by the outputs if asked for.
  func loss(_ examples: Range<Int>, scale: Float, withGradient: Bool) {
    let outputs = plan.outputs, layout = layouts[outputs]
    let first = examples.lowerBound * layout.rowsPerExample, count = examples.count * layout.rowsPerExample
    let pitch = layout.rowPitch, width = layout.width
    let logits = activations[outputs] + first * pitch
    let gradient = withGradient ? deltas[outputs] + first * pitch : nil
    let rowLosses = losses.start + first
    switch plan.architecture.loss {
    case .softmaxCrossEntropy(let smoothing):
      guard let labels = labels.baseAddress, let predictions = predictions.baseAddress else { return }
      kernels.pointee.softmax_cross_entropy(
        count, width, logits, pitch, labels + first, smoothing, scale, gradient, pitch, rowLosses, predictions + first)
    case .binaryCrossEntropy:
      kernels.pointee.binary_cross_entropy(
        count, width, logits, pitch, targets.start + first * width, scale, gradient, pitch, rowLosses)
      for row in 0..<count { predictions[first + row] = logits[row * pitch] > 0 ? 1 : 0 }
    case .meanSquaredError:
      kernels.pointee.squared_error(
        count, width, logits, pitch, targets.start + first * width, scale, gradient, pitch, rowLosses)
    }
  }

  /// Outputs to probabilities, in place; those of a regression stay as they are.
  func finishPrediction(_ examples: Range<Int>) {
    let outputs = plan.outputs, layout = layouts[outputs]
    let count = examples.count * layout.rowsPerExample, pitch = layout.rowPitch
    let logits = activations[outputs] + examples.lowerBound * layout.rowsPerExample * pitch
    switch plan.architecture.loss {
    case .softmaxCrossEntropy: kernels.pointee.softmax(count, layout.width, logits, pitch)
    case .binaryCrossEntropy: kernels.pointee.activate(CK_SIGMOID, count, layout.width, logits, pitch, logits, pitch)
    case .meanSquaredError: break
    }
  }
}
