import GradientKernel

/// A model in YAML: its input, a list of layers and its loss, or the name of a preset.
///
/// A file of its own, or these keys in a run's mapping `model`.
package enum ModelFile {
  static let keys = ["preset", "input", "layers", "loss"]

  /// Reads a model file.
  package static func load(path: String) throws(ConfigurationError) -> ModelArchitecture {
    try read(ConfigurationFile(path: path, expected: "a model file"))
  }

  /// Reads a model file that is in memory.
  package static func read(_ file: ConfigurationFile) throws(ConfigurationError) -> ModelArchitecture {
    try architecture(in: file.top(keys: keys), texts: ["preset"])
  }

  /// What a run is for: a text, a file, or the keys of a model file.
  static func architecture(ofRun section: ConfigurationSection) throws(ConfigurationError) -> ModelArchitecture {
    guard section.has("file") else { return try architecture(in: section, texts: ["architecture", "preset"]) }
    if let other = section.present.first(where: { ["architecture"].contains($0) || keys.contains($0) }) {
      throw section.error(at: other, found: "it beside 'file'", expected: "one of them")
    }
    guard section.file.isOnDisk else {
      throw section.error(
        at: "file", found: "the name of a file", expected: "the model itself, where the run is not in a file")
    }
    return try load(path: section.file.resolve(section.text("file", expected: "a model file")))
  }

  /// - Parameter texts: keys of which one may hold the whole model in one line.
  private static func architecture(
    in section: ConfigurationSection, texts: [String]
  ) throws(ConfigurationError) -> ModelArchitecture {
    let hasStack = section.has("layers") || section.has("input")
    guard let key = texts.first(where: section.has) ?? (hasStack ? nil : texts.first) else {
      return try stack(in: section)
    }
    if let other = section.present.first(where: { $0 != key && (texts.contains($0) || keys.contains($0)) }) {
      throw section.error(at: other, found: "it beside '\(key)'", expected: "one of them")
    }
    let expected = "a layer stack such as 'mlp 64-128-10'"
    let text = try section.text(key, expected: expected)
    do throws(ArchitectureError) {
      return try ModelArchitecture(parsing: text)
    } catch {
      guard case .layer(let name, let found, let expected) = error else {
        return try section.text(key, expected: expected) { _ in nil }
      }
      throw section.error(at: key, found: "\(found) at \(name)", expected: expected)
    }
  }

  private static func stack(in section: ConfigurationSection) throws(ConfigurationError) -> ModelArchitecture {
    let input = try input(section.alternative("input", of: ["features", "image", "tokens"]))
    let items = try section.alternatives("layers", of: ModelArchitecture.Layer.kinds)
    var layers: [ModelArchitecture.Layer] = []
    for item in items { layers.append(try layer(item)) }
    let loss: ModelArchitecture.Loss =
      try section.has("loss")
      ? loss(section.alternative("loss", of: ModelArchitecture.Loss.kinds)) : .softmaxCrossEntropy(smoothing: 0)
    do throws(ArchitectureError) {
      return try ModelArchitecture(input: input, layers: layers, loss: loss)
    } catch {
      throw problem(error, in: section, items)
    }
  }

  /// At the layer, if it is one that does not fit.
  private static func problem(
    _ error: ArchitectureError, in section: ConfigurationSection, _ items: [ConfigurationAlternative]
  ) -> ConfigurationError {
    switch error {
    case .layer(let name, let found, let expected):
      let words = name.split(separator: " ")
      if words.count == 2, let position = Int(words[1]), items.indices.contains(position - 1) {
        return items[position - 1].error(found: "\(found) at \(name)", expected: expected)
      }
      return section.error(at: name == "input" ? "input" : "loss", found: found, expected: expected)
    case .wrongLayerCount(let found, let max):
      return section.error(at: "layers", found: "\(found) layers", expected: "1 to \(max)")
    case .tooLong(let found, let max):
      return section.error(
        at: "layers", found: "a model whose text has \(found) characters", expected: "at most \(max)")
    case .unknownFamily, .malformed, .badWidth:
      preconditionFailure("a list of layers has no text that could be wrong")
    }
  }

  // MARK: Parts

  private static let sizes = 0...Int(Int32.max)

  private static func input(_ item: ConfigurationAlternative) throws(ConfigurationError) -> InputShape {
    switch item.word {
    case "features":
      return .features(try item.settings(keys: ["count"], short: "count").integer("count", in: sizes))
    case "image":
      let sides = try item.settings(keys: ["sides"], short: "sides").integers(
        "sides", expected: "channels, height and width, such as [1, 28, 28]"
      ) { $0.count == 3 }
      return .image(channels: sides[0], height: sides[1], width: sides[2])
    case "tokens":
      let section = try item.settings(keys: ["length", "vocabulary"])
      return .tokens(
        length: try section.integer("length", in: sizes), vocabulary: try section.integer("vocabulary", in: sizes))
    default: preconditionFailure("'\(item.word)' is one of the inputs")
    }
  }

  private static func loss(_ item: ConfigurationAlternative) throws(ConfigurationError) -> ModelArchitecture.Loss {
    switch item.word {
    case "softmax-cross-entropy":
      guard !item.isAlone else { return .softmaxCrossEntropy(smoothing: 0) }
      let section = try item.settings(keys: ["smoothing"])
      return .softmaxCrossEntropy(smoothing: try fraction("smoothing", in: section))
    case "mean-squared-error":
      try item.checkAlone()
      return .meanSquaredError
    case "binary-cross-entropy":
      try item.checkAlone()
      return .binaryCrossEntropy
    default: preconditionFailure("'\(item.word)' is one of the losses")
    }
  }

  private static func layer(_ item: ConfigurationAlternative) throws(ConfigurationError) -> ModelArchitecture.Layer {
    switch item.word {
    case "dense":
      let section = try item.settings(keys: ["outputs", "initialiser"], short: "outputs")
      return .dense(outputs: try section.integer("outputs", in: sizes), initialiser: try initialiser(in: section))
    case "conv2d":
      let section = try item.settings(keys: ["filters", "kernel", "stride", "padding", "initialiser"])
      return .conv2d(
        filters: try section.integer("filters", in: sizes), kernel: try extent("kernel", in: section),
        stride: section.has("stride") ? try extent("stride", in: section) : .init(1),
        padding: section.has("padding") ? try extent("padding", in: section) : .init(0),
        initialiser: try initialiser(in: section))
    case "max-pool":
      let (size, stride) = try pooling(item)
      return .maxPool2d(size: size, stride: stride)
    case "average-pool":
      let (size, stride) = try pooling(item)
      return .averagePool2d(size: size, stride: stride)
    case "dropout":
      return .dropout(rate: try fraction("rate", in: item.settings(keys: ["rate"], short: "rate")))
    case "embedding":
      let section = try item.settings(keys: ["dimension"], short: "dimension")
      return .embedding(dimension: try section.integer("dimension", in: sizes))
    case "lstm":
      return .lstm(units: try item.settings(keys: ["units"], short: "units").integer("units", in: sizes))
    default:
      try item.checkAlone()
      switch item.word {
      case "relu": return .relu
      case "tanh": return .tanh
      case "sigmoid": return .sigmoid
      case "flatten": return .flatten
      case "last-step": return .lastStep
      default: preconditionFailure("'\(item.word)' is one of the layers")
      }
    }
  }

  private typealias Extent = ModelArchitecture.Extent

  private static func pooling(_ item: ConfigurationAlternative) throws(ConfigurationError) -> (Extent, Extent) {
    let section = try item.settings(keys: ["size", "stride"], short: "size")
    let size = try extent("size", in: section)
    return (size, section.has("stride") ? try extent("stride", in: section) : size)
  }

  private static func extent(_ key: String, in section: ConfigurationSection) throws(ConfigurationError) -> Extent {
    let sides = try section.integers(key, expected: "a whole number, or height and width such as [5, 3]") {
      (1...2).contains($0.count)
    }
    return Extent(height: sides[0], width: sides[sides.count - 1])
  }

  private static func fraction(_ key: String, in section: ConfigurationSection) throws(ConfigurationError) -> Float {
    Float(
      try section.number(key, expected: "a number from 0 to below 1") { $0 >= 0 && Float($0) < 1 })
  }

  private static func initialiser(
    in section: ConfigurationSection
  ) throws(ConfigurationError) -> ModelArchitecture.Initialiser {
    try section.choice(
      "initialiser", default: .he, of: ["he": .he, "glorot": .glorot, "orthogonal": .orthogonal, "zeros": .zeros])
  }
}
