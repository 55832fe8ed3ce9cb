import Tensors

extension ModelArchitecture {
  /// What a layer hands to the next one, for one example.
  package enum Shape: Hashable, Sendable, CustomStringConvertible {
    case vector(Int)
    case image(channels: Int, height: Int, width: Int)
    /// Row-major, time first.
    case sequence(length: Int, width: Int)

    /// Numbers in it.
    package var count: Int {
      switch self {
      case .vector(let width): width
      case .sequence(let length, let width): length * width
      case .image(let channels, let height, let width): channels * height * width
      }
    }

    /// From the slowest to the fastest.
    package var sides: [Int] {
      switch self {
      case .vector(let width): [width]
      case .image(let channels, let height, let width): [channels, height, width]
      case .sequence(let length, let width): [length, width]
      }
    }

    package var description: String { sides.map(String.init).joined(separator: "x") }

    var phrase: String {
      switch self {
      case .vector: "a vector of \(self)"
      case .image: "an image \(self)"
      case .sequence: "a sequence \(self)"
      }
    }
  }

  /// One layer where it stands: what goes in and out, and where its parameters are.
  package struct Stage: Hashable, Sendable {
    package let layer: Layer
    /// Kind and position from 1, as the table and errors name it: `conv2d 1`.
    package let name: String
    /// Of an embedding: the token numbers, as a sequence of width 1.
    package let input: Shape
    package let output: Shape
    /// Its tensors: weight and bias; of an embedding the weight; of an LSTM weight_ih, weight_hh and bias.
    package let entries: [ParameterLayout.Entry]
    /// Where they lie in the update vector, in the same order.
    package let tensors: [Range<Int>]
    package let parameterCount: Int
    /// Of the products with weights, forward, for one example: two per multiply-add. Other work is left out.
    package let flops: Int
  }

  /// A stage before the layout says where its tensors lie.
  struct Draft {
    var name: String
    var input: Shape
    var output: Shape
    var tensors: [(name: String, shape: [Int])] = []
    var flops = 0
  }

  /// What flows between layers while shapes are inferred.
  enum Flow {
    case tokens(length: Int, vocabulary: Int)
    case values(Shape)

    var phrase: String {
      switch self {
      case .tokens(let length, let vocabulary): "\(length) tokens of \(vocabulary)"
      case .values(let shape): shape.phrase
      }
    }
  }

  /// The flow of the input, with its bounds checked.
  static func flow(of input: InputShape) throws(ArchitectureError) -> Flow {
    func check(_ value: Int, _ what: String, max: Int) throws(ArchitectureError) {
      guard (1...max).contains(value) else {
        throw .layer("input", found: "a \(what) of \(value)", expected: "1 to \(max)")
      }
    }
    switch input {
    case .features(let count):
      try check(count, "number of features", max: widthMax)
      return .values(.vector(count))
    case .image(let channels, let height, let width):
      try check(channels, "number of channels", max: widthMax)
      try check(height, "height", max: widthMax)
      try check(width, "width", max: widthMax)
      let shape = Shape.image(channels: channels, height: height, width: width)
      try checkActivations(shape.count, at: "input")
      return .values(shape)
    case .tokens(let length, let vocabulary):
      try check(length, "length", max: sequenceLengthMax)
      try check(vocabulary, "vocabulary", max: widthMax)
      return .tokens(length: length, vocabulary: vocabulary)
    }
  }

  static func checkActivations(_ count: Int, at name: String) throws(ArchitectureError) {
    guard count <= activationCountMax else {
      throw .layer(name, found: "\(count) numbers for one example so far", expected: "at most \(activationCountMax)")
    }
  }

  /// What a layer makes of a flow.
  ///
  /// - Parameter index: i of its tensors' names, should it have any.
  static func draft(_ layer: Layer, _ name: String, after flow: Flow, index: Int) throws(ArchitectureError) -> Draft {
    func refuse(_ expected: String) -> ArchitectureError { .layer(name, found: flow.phrase, expected: expected) }
    func check(_ value: Int, _ what: String, in range: ClosedRange<Int> = 1...widthMax) throws(ArchitectureError) {
      guard range.contains(value) else {
        throw .layer(
          name, found: "\(value) \(what)", expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
      }
    }
    func tensor(_ suffix: String, _ shape: [Int]) -> (name: String, shape: [Int]) { ("layer\(index).\(suffix)", shape) }

    switch layer {
    case .dense(let outputs, _):
      try check(outputs, "outputs")
      let output: Shape
      let inputs: Int
      let steps: Int
      switch flow {
      case .values(.vector(let width)): (inputs, steps, output) = (width, 1, .vector(outputs))
      case .values(.sequence(let length, let width)):
        (inputs, steps, output) = (width, length, .sequence(length: length, width: outputs))
      case .values(.image): throw refuse("a vector; put flatten before it")
      case .tokens: throw refuse("a vector or a sequence; put embedding before it")
      }
      return Draft(
        name: name, input: flow.shape, output: output,
        tensors: [tensor("weight", [outputs, inputs]), tensor("bias", [outputs])], flops: 2 * steps * inputs * outputs)

    case .conv2d(let filters, let kernel, let stride, let padding, _):
      guard case .values(.image(let channels, _, _)) = flow else { throw refuse("an image") }
      try check(filters, "filters")
      let size = try windows(of: flow, kernel, stride, padding, at: name)
      let weights = filters * channels * kernel.height * kernel.width
      try checkParameters(weights + filters, at: name)
      // Parameters and activations are within their bounds, so this is below 2^63.
      let output = Shape.image(channels: filters, height: size.height, width: size.width)
      try checkActivations(output.count, at: name)
      let unfolded = weights / filters * size.height * size.width
      guard unfolded <= windowCountMax else {
        throw .layer(name, found: "windows of \(unfolded) numbers", expected: "at most \(windowCountMax)")
      }
      return Draft(
        name: name, input: flow.shape, output: output,
        tensors: [tensor("weight", [filters, channels, kernel.height, kernel.width]), tensor("bias", [filters])],
        flops: 2 * weights * size.height * size.width)

    case .maxPool2d(let window, let stride), .averagePool2d(let window, let stride):
      guard case .values(.image(let channels, _, _)) = flow else { throw refuse("an image") }
      let size = try windows(of: flow, window, stride, nil, at: name)
      return Draft(
        name: name, input: flow.shape, output: .image(channels: channels, height: size.height, width: size.width))

    case .relu, .tanh, .sigmoid, .dropout:
      guard case .values(let shape) = flow else { throw refuse("numbers; put embedding before it") }
      if case .dropout(let rate) = layer, !(rate >= 0 && rate < 1) {
        throw .layer(name, found: "a rate of \(rate)", expected: "a number from 0 to below 1")
      }
      return Draft(name: name, input: shape, output: shape)

    case .flatten:
      guard case .values(.image) = flow else { throw refuse("an image") }
      return Draft(name: name, input: flow.shape, output: .vector(flow.shape.count))

    case .embedding(let dimension):
      guard case .tokens(let length, let vocabulary) = flow else { throw refuse("tokens, straight from the input") }
      try check(dimension, "dimensions")
      return Draft(
        name: name, input: flow.shape, output: .sequence(length: length, width: dimension),
        tensors: [tensor("weight", [vocabulary, dimension])])

    case .lstm(let units):
      guard case .values(.sequence(let length, let width)) = flow else { throw refuse("a sequence") }
      try check(units, "units")
      return Draft(
        name: name, input: flow.shape, output: .sequence(length: length, width: units),
        tensors: [
          tensor("weight_ih", [4 * units, width]), tensor("weight_hh", [4 * units, units]), tensor("bias", [4 * units]),
        ],
        flops: 2 * length * 4 * units * (width + units))

    case .lastStep:
      guard case .values(.sequence(_, let width)) = flow else { throw refuse("a sequence") }
      return Draft(name: name, input: flow.shape, output: .vector(width))
    }
  }

  static func checkParameters(_ count: Int, at name: String) throws(ArchitectureError) {
    guard count <= parameterCountMax else {
      throw .layer(name, found: "\(count) parameters so far", expected: "at most \(parameterCountMax)")
    }
  }

  /// How many windows an image has, along both sides: `⌊(side + 2 · padding − window) / stride⌋ + 1`.
  ///
  /// - Parameter padding: nil for pooling, which has none.
  private static func windows(
    of flow: Flow, _ window: Extent, _ stride: Extent, _ padding: Extent?, at name: String
  ) throws(ArchitectureError) -> Extent {
    guard case .values(.image(_, let height, let width)) = flow else {
      preconditionFailure("windows are of an image")
    }
    func check(_ extent: Extent, _ what: String, from least: Int) throws(ArchitectureError) {
      guard (least...extentMax).contains(extent.height), (least...extentMax).contains(extent.width) else {
        throw .layer(name, found: "\(what) \(extent)", expected: "sides from \(least) to \(extentMax)")
      }
    }
    try check(window, "a window", from: 1)
    try check(stride, "a stride", from: 1)
    let margin = padding ?? Extent(0)
    try check(margin, "a padding", from: 0)
    guard margin.height < window.height, margin.width < window.width else {
      throw .layer(name, found: "a padding \(margin)", expected: "less than the window \(window)")
    }
    let padded = Extent(height: height + 2 * margin.height, width: width + 2 * margin.width)
    guard window.height <= padded.height, window.width <= padded.width else {
      throw .layer(
        name, found: "a window \(window)",
        expected: "at most \(padded), the image\(padding == nil ? "" : " with its padding")")
    }
    return Extent(
      height: (padded.height - window.height) / stride.height + 1,
      width: (padded.width - window.width) / stride.width + 1)
  }
}

extension ModelArchitecture.Flow {
  var shape: ModelArchitecture.Shape {
    switch self {
    case .tokens(let length, _): .sequence(length: length, width: 1)
    case .values(let shape): shape
    }
  }
}
