extension ModelArchitecture {
  /// The presets and the form of their texts, for messages.
  package static let presetNames =
    "mlp, softmax, mcmahan-2nn, mcmahan-cnn, char-lstm, logistic and linear"

  /// Dense layers with a ReLU between them, for softmax cross-entropy: what the text `mlp 64-128-10` means.
  ///
  /// - Parameter widths: features, hidden widths, classes.
  package init(widths: [Int]) throws(ArchitectureError) {
    guard (2...Self.layerCountMax + 1).contains(widths.count) else {
      throw .wrongLayerCount(found: widths.count - 1, max: Self.layerCountMax)
    }
    for width in widths where !(1...Self.widthMax).contains(width) { throw .badWidth(String(width)) }
    let dense = widths.dropFirst().map { [Layer.dense(outputs: $0, initialiser: .he)] }
    try self.init(
      input: .features(widths[0]), layers: Array(dense.joined(separator: [.relu])),
      loss: .softmaxCrossEntropy(smoothing: 0))
  }

  /// The widths of a stack that `init(widths:)` makes; nil for every other one.
  package var multilayerWidths: [Int]? {
    guard case .features(let features) = input, loss == .softmaxCrossEntropy(smoothing: 0) else { return nil }
    var widths = [features]
    for (i, layer) in layers.enumerated() {
      switch layer {
      case .dense(let outputs, .he) where i.isMultiple(of: 2): widths.append(outputs)
      case .relu where !i.isMultiple(of: 2): continue
      default: return nil
      }
    }
    return layers.count.isMultiple(of: 2) ? nil : widths
  }

  /// The CNN of McMahan et al. 2017 for MNIST: 1,663,370 parameters.
  package static func mcMahanCNN() throws(ArchitectureError) -> ModelArchitecture {
    func convolution(_ filters: Int) -> [Layer] {
      [
        .conv2d(filters: filters, kernel: Extent(5), stride: Extent(1), padding: Extent(2), initialiser: .he), .relu,
        .maxPool2d(size: Extent(2), stride: Extent(2)),
      ]
    }
    return try ModelArchitecture(
      input: .image(channels: 1, height: 28, width: 28),
      layers: convolution(32) + convolution(64) + [
        .flatten, .dense(outputs: 512, initialiser: .he), .relu, .dense(outputs: 10, initialiser: .he),
      ],
      loss: .softmaxCrossEntropy(smoothing: 0))
  }

  /// The next character after every one, as the Shakespeare model of McMahan et al. 2017, small enough for a CPU: one
  /// LSTM of 256 where the paper has two.
  package static func characterLSTM(vocabulary: Int, length: Int = 64) throws(ArchitectureError) -> ModelArchitecture {
    try ModelArchitecture(
      input: .tokens(length: length, vocabulary: vocabulary),
      layers: [.embedding(dimension: 32), .lstm(units: 256), .dense(outputs: vocabulary, initialiser: .he)],
      loss: .softmaxCrossEntropy(smoothing: 0))
  }

  /// Logistic regression; its loss is convex, so it starts at zero.
  package static func logistic(features: Int) throws(ArchitectureError) -> ModelArchitecture {
    try ModelArchitecture(
      input: .features(features), layers: [.dense(outputs: 1, initialiser: .zeros)], loss: .binaryCrossEntropy)
  }

  /// Linear regression; its loss is convex, so it starts at zero.
  package static func linear(features: Int, targets: Int = 1) throws(ArchitectureError) -> ModelArchitecture {
    try ModelArchitecture(
      input: .features(features), layers: [.dense(outputs: targets, initialiser: .zeros)], loss: .meanSquaredError)
  }
}
