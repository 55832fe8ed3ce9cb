import Tensors

/// A model: what goes in, the layers in order, and what training minimises.
///
/// Shapes are inferred and checked when it is made, so whoever holds one holds a model that fits together. Layer i with
/// parameters (counted from 0) has the tensors `layer<i>.weight` and `layer<i>.bias`, an LSTM `layer<i>.weight_ih`,
/// `layer<i>.weight_hh` and `layer<i>.bias`. Texts, formulas and bounds: Protocols/models.md, "Architectures".
package struct ModelArchitecture: Hashable, Sendable {
  /// Layers with parameters; twice as many in all.
  package static let layerCountMax = 64
  /// Features, outputs, filters, units, embedding dimensions, and the vocabulary.
  package static let widthMax = 65_536
  package static let parameterCountMax = 1 << 28
  package static let sequenceLengthMax = 4_096
  /// Sides of windows, strides and paddings.
  package static let extentMax = 1_024
  /// Numbers of the input and of all outputs of one example: a text of a few bytes must not make a worker allocate
  /// without limit.
  package static let activationCountMax = 1 << 22
  /// Numbers in all windows of one convolution over one example, which a matrix product reads from a copy.
  package static let windowCountMax = 1 << 22
  /// Longest text, in bytes: what offers and manifests carry.
  package static let textByteCountMax = 1_024

  package let input: InputShape
  package let layers: [Layer]
  package let loss: Loss
  /// One per layer.
  package let stages: [Stage]
  package let layout: ParameterLayout

  /// - Throws: `ArchitectureError`, with the name of the layer that does not fit.
  package init(input: InputShape, layers: [Layer], loss: Loss) throws(ArchitectureError) {
    guard (1...2 * Self.layerCountMax).contains(layers.count) else {
      throw .wrongLayerCount(found: layers.count, max: 2 * Self.layerCountMax)
    }
    var flow = try Self.flow(of: input)
    var activations = input.featureCount
    var drafts: [Draft] = []
    var parameters = 0
    var weighted = 0
    for (i, layer) in layers.enumerated() {
      let draft = try Self.draft(layer, "\(layer.kind) \(i + 1)", after: flow, index: weighted)
      activations += draft.output.count
      parameters += draft.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
      weighted += draft.tensors.isEmpty ? 0 : 1
      try Self.checkParameters(parameters, at: draft.name)
      try Self.checkActivations(activations, at: draft.name)
      guard weighted <= Self.layerCountMax else {
        throw .layer(
          draft.name, found: "\(weighted) layers with parameters", expected: "at most \(Self.layerCountMax)")
      }
      flow = .values(draft.output)
      drafts.append(draft)
    }
    try Self.check(loss, after: layers[layers.count - 1], drafts[drafts.count - 1])
    guard let layout = try? ParameterLayout(drafts.flatMap(\.tensors)) else {
      preconditionFailure("names are distinct and parameters within their bound")
    }
    self.input = input
    self.layers = layers
    self.loss = loss
    self.layout = layout
    stages = zip(layers, drafts).map { layer, draft in
      let entries = draft.tensors.compactMap { layout[$0.name] }
      return Stage(
        layer: layer, name: draft.name, input: draft.input, output: draft.output, entries: entries,
        tensors: entries.map(\.range), parameterCount: entries.reduce(0) { $0 + $1.range.count }, flops: draft.flops)
    }
    let length = description.utf8.count
    guard length <= Self.textByteCountMax else { throw .tooLong(found: length, max: Self.textByteCountMax) }
  }

  /// The loss has to find what it needs in the last layer.
  private static func check(_ loss: Loss, after layer: Layer, _ draft: Draft) throws(ArchitectureError) {
    guard case .dense = layer else {
      throw .layer(
        draft.name, found: "\(layer.kind) in the last place", expected: "dense: the loss takes its outputs as they are")
    }
    switch (loss, draft.output) {
    case (.softmaxCrossEntropy(let smoothing), .vector(let classes)),
      (.softmaxCrossEntropy(let smoothing), .sequence(_, let classes)):
      guard classes >= 2 else {
        throw .layer(draft.name, found: "1 output", expected: "at least 2 classes for \(loss.kind)")
      }
      guard smoothing >= 0, smoothing < 1 else {
        throw .layer(loss.kind, found: "smoothing \(smoothing)", expected: "a number from 0 to below 1")
      }
    case (.meanSquaredError, .vector), (.binaryCrossEntropy, .vector(1)): return
    case (.binaryCrossEntropy, .vector(let outputs)):
      throw .layer(draft.name, found: "\(outputs) outputs", expected: "1 output for \(loss.kind)")
    case (.meanSquaredError, .sequence), (.binaryCrossEntropy, .sequence):
      throw .layer(
        draft.name, found: draft.output.phrase, expected: "a vector for \(loss.kind); put last-step before it")
    case (_, .image): preconditionFailure("no dense layer makes an image")
    }
  }

  /// Numbers in one example.
  package var featureCount: Int { input.featureCount }
  package var outputShape: Shape { stages[stages.count - 1].output }

  /// Width of the last layer: classes or targets.
  package var outputCount: Int {
    guard case .dense(let outputs, _) = layers[layers.count - 1] else {
      preconditionFailure("the last layer is dense")
    }
    return outputs
  }

  /// Labels are 0 ..< classCount; 0 for a regression, whose targets are numbers.
  package var classCount: Int {
    switch loss {
    case .softmaxCrossEntropy: outputCount
    case .binaryCrossEntropy: 2
    case .meanSquaredError: 0
    }
  }

  /// Labels or targets of one example: a class, one class per time step, or the targets of a regression.
  package var labelsPerExample: Int {
    switch (loss, outputShape) {
    case (.meanSquaredError, _): outputCount
    case (_, .sequence(let length, _)): length
    case (_, _): 1
    }
  }

  /// Floating-point operations forward, for one example.
  package var flops: Int { stages.reduce(0) { $0 + $1.flops } }
}
