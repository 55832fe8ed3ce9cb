extension ModelArchitecture: CustomStringConvertible {
  /// The one text of the model, as offers and manifests carry it: `mlp 64-128-10` for a stack that `init(widths:)`
  /// makes, otherwise the input, the layers and the loss: `features 8 > dense 1 zeros : binary-cross-entropy`.
  package var description: String {
    if let widths = multilayerWidths { return "mlp " + widths.map(String.init).joined(separator: "-") }
    let stack = ([input.text] + layers.map(\.text)).joined(separator: " > ")
    return loss == .softmaxCrossEntropy(smoothing: 0) ? stack : "\(stack) : \(loss.text)"
  }

  /// Reads what `description` writes, and presets: `softmax 784-10`, `mcmahan-2nn`, `mcmahan-cnn`,
  /// `char-lstm VOCABULARY [LENGTH]`, `logistic FEATURES`, `linear FEATURES[-TARGETS]`.
  package init(parsing text: String) throws(ArchitectureError) {
    guard text.utf8.count <= Self.textByteCountMax else {
      throw .tooLong(found: text.utf8.count, max: Self.textByteCountMax)
    }
    let words = text.split(separator: " ", omittingEmptySubsequences: true)
    guard let family = words.first else { throw .malformed(text) }
    switch (family, words.count) {
    case ("features", _), ("image", _), ("tokens", _): try self.init(stack: text)
    case ("mlp", 2), ("softmax", 2):
      let widths = try Self.widths(words[1])
      guard family == "mlp" || widths.count == 2 else { throw .malformed(text) }
      try self.init(widths: widths)
    case ("mcmahan-2nn", 1): try self.init(widths: [784, 200, 200, 10])
    case ("mcmahan-cnn", 1): self = try .mcMahanCNN()
    case ("char-lstm", 2): self = try .characterLSTM(vocabulary: Self.width(words[1]))
    case ("char-lstm", 3):
      self = try .characterLSTM(vocabulary: Self.width(words[1]), length: Self.width(words[2]))
    case ("logistic", 2): self = try .logistic(features: Self.width(words[1]))
    case ("linear", 2):
      let widths = try Self.widths(words[1])
      guard widths.count <= 2 else { throw .malformed(text) }
      self = try .linear(features: widths[0], targets: widths.count == 2 ? widths[1] : 1)
    case ("mlp", _), ("softmax", _), ("mcmahan-2nn", _), ("mcmahan-cnn", _), ("char-lstm", _), ("logistic", _),
      ("linear", _):
      throw .malformed(text)
    default: throw .unknownFamily(String(family))
    }
  }

  private static func width(_ text: Substring) throws(ArchitectureError) -> Int {
    guard let width = Int(text), (1...widthMax).contains(width) else { throw .badWidth(String(text)) }
    return width
  }

  private static func widths(_ text: Substring) throws(ArchitectureError) -> [Int] {
    var widths: [Int] = []
    for part in text.split(separator: "-", omittingEmptySubsequences: false) { widths.append(try width(part)) }
    return widths
  }

  /// Reads `INPUT > LAYER > … > LAYER [: LOSS]`.
  private init(stack text: String) throws(ArchitectureError) {
    let halves = text.split(separator: ":", omittingEmptySubsequences: false)
    guard halves.count <= 2 else { throw .malformed(text) }
    let parts = halves[0].split(separator: ">", omittingEmptySubsequences: false)
    var layers: [Layer] = []
    for (i, part) in parts.dropFirst().enumerated() { layers.append(try Layer(parsing: part, position: i + 1)) }
    try self.init(
      input: InputShape(parsing: parts[0]), layers: layers,
      loss: halves.count == 2 ? Loss(parsing: halves[1]) : .softmaxCrossEntropy(smoothing: 0))
  }
}

// MARK: Writing

extension InputShape {
  package var text: String {
    switch self {
    case .features(let count): "features \(count)"
    case .image(let channels, let height, let width): "image \(channels)x\(height)x\(width)"
    case .tokens(let length, let vocabulary): "tokens \(length) of \(vocabulary)"
    }
  }
}

extension ModelArchitecture.Layer {
  /// Its kind and what it was asked for; what is usual is left out.
  package var text: String {
    switch self {
    case .dense(let outputs, let initialiser): "\(kind) \(outputs)\(initialiser.suffix)"
    case .conv2d(let filters, let kernel, let stride, let padding, let initialiser):
      "\(kind) \(filters) \(kernel)" + (stride == .init(1) ? "" : " stride \(stride.shortText)")
        + (padding == .init(0) ? "" : " pad \(padding.shortText)") + initialiser.suffix
    case .maxPool2d(let size, let stride), .averagePool2d(let size, let stride):
      "\(kind) \(size)" + (stride == size ? "" : " stride \(stride.shortText)")
    case .dropout(let rate): "\(kind) \(rate)"
    case .embedding(let dimension): "\(kind) \(dimension)"
    case .lstm(let units): "\(kind) \(units)"
    case .relu, .tanh, .sigmoid, .flatten, .lastStep: kind
    }
  }
}

extension ModelArchitecture.Extent: CustomStringConvertible {
  package var description: String { "\(height)x\(width)" }
  fileprivate var shortText: String { height == width ? "\(height)" : description }
}

extension ModelArchitecture.Initialiser {
  fileprivate var suffix: String { self == .he ? "" : " \(rawValue)" }
}

extension ModelArchitecture.Loss {
  package var text: String {
    if case .softmaxCrossEntropy(let smoothing) = self, smoothing != 0 { return "\(kind) \(smoothing)" }
    return kind
  }
}

// MARK: Reading

extension InputShape {
  init(parsing text: Substring) throws(ArchitectureError) {
    var words = ArchitectureWords(text, of: "input")
    switch words.next() {
    case "features": self = .features(try words.number("a number of features"))
    case "image":
      let sides = try words.sides(3, "channels, height and width such as 1x28x28")
      self = .image(channels: sides[0], height: sides[1], width: sides[2])
    case "tokens":
      let length = try words.number("a number of tokens")
      try words.expect("of")
      self = .tokens(length: length, vocabulary: try words.number("a vocabulary size"))
    default: preconditionFailure("the first word is that of an input")
    }
    try words.end()
  }
}

extension ModelArchitecture.Layer {
  package static let kinds = [
    "dense", "conv2d", "max-pool", "average-pool", "relu", "tanh", "sigmoid", "dropout", "flatten", "embedding", "lstm",
    "last-step",
  ]

  init(parsing text: Substring, position: Int) throws(ArchitectureError) {
    let first = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true).first
    let kind = first.map(String.init).flatMap { Self.kinds.contains($0) ? $0 : nil }
    var words = ArchitectureWords(text, of: "\(kind ?? "layer") \(position)")
    guard words.next() != nil, let kind else {
      throw words.refusal(first, "one of \(Self.kinds.joined(separator: ", "))")
    }
    switch kind {
    case "dense":
      self = .dense(outputs: try words.number("a number of outputs"), initialiser: try words.initialiser())
    case "conv2d":
      self = .conv2d(
        filters: try words.number("a number of filters"), kernel: try words.extent("a kernel such as 5x5"),
        stride: try words.option("stride") ?? .init(1), padding: try words.option("pad") ?? .init(0),
        initialiser: try words.initialiser())
    case "max-pool", "average-pool":
      let size = try words.extent("a window such as 2x2")
      let stride = try words.option("stride") ?? size
      self =
        kind == "max-pool" ? .maxPool2d(size: size, stride: stride) : .averagePool2d(size: size, stride: stride)
    case "relu": self = .relu
    case "tanh": self = .tanh
    case "sigmoid": self = .sigmoid
    case "dropout": self = .dropout(rate: try words.fraction())
    case "flatten": self = .flatten
    case "embedding": self = .embedding(dimension: try words.number("a dimension"))
    case "lstm": self = .lstm(units: try words.number("a number of units"))
    case "last-step": self = .lastStep
    default: preconditionFailure("'\(kind)' is one of the kinds")
    }
    try words.end()
  }
}

extension ModelArchitecture.Loss {
  package static let kinds = ["softmax-cross-entropy", "mean-squared-error", "binary-cross-entropy"]

  init(parsing text: Substring) throws(ArchitectureError) {
    var words = ArchitectureWords(text, of: "loss")
    let kind = words.next()
    switch kind {
    case "softmax-cross-entropy": self = .softmaxCrossEntropy(smoothing: words.isAtEnd ? 0 : try words.fraction())
    case "mean-squared-error": self = .meanSquaredError
    case "binary-cross-entropy": self = .binaryCrossEntropy
    default: throw words.refusal(kind, "one of \(Self.kinds.joined(separator: ", "))")
    }
    try words.end()
  }
}

/// The words of one layer's text, from left to right.
private struct ArchitectureWords {
  private let name: String
  private var rest: ArraySlice<Substring>

  init(_ text: Substring, of name: String) {
    self.name = name
    rest = text.split(separator: " ", omittingEmptySubsequences: true)[...]
  }

  var isAtEnd: Bool { rest.isEmpty }
  mutating func next() -> Substring? { rest.popFirst() }

  func refusal(_ found: Substring?, _ expected: String) -> ArchitectureError {
    .layer(name, found: found.map { "'\($0)'" } ?? "nothing", expected: expected)
  }

  mutating func expect(_ word: String) throws(ArchitectureError) {
    let found = next()
    guard let found, found == word else { throw refusal(found, "'\(word)'") }
  }

  func end() throws(ArchitectureError) {
    guard let word = rest.first else { return }
    throw refusal(word, "the end of the layer")
  }

  mutating func number(_ expected: String) throws(ArchitectureError) -> Int {
    let word = next()
    guard let word, let number = Self.number(word) else { throw refusal(word, expected) }
    return number
  }

  /// That many whole numbers with an x between them.
  mutating func sides(_ count: Int, _ expected: String) throws(ArchitectureError) -> [Int] {
    let word = next()
    let sides = word?.split(separator: "x", omittingEmptySubsequences: false).compactMap(Self.number) ?? []
    guard let word, sides.count == count, word.count(where: { $0 == "x" }) == count - 1 else {
      throw refusal(word, expected)
    }
    return sides
  }

  /// `5x3`, or `5` for `5x5`.
  mutating func extent(_ expected: String) throws(ArchitectureError) -> ModelArchitecture.Extent {
    if let side = rest.first.flatMap(Self.number) {
      rest.removeFirst()
      return .init(side)
    }
    let sides = try sides(2, expected)
    return .init(height: sides[0], width: sides[1])
  }

  /// The extent after a word; nil if the next word is another one.
  mutating func option(_ word: String) throws(ArchitectureError) -> ModelArchitecture.Extent? {
    guard let first = rest.first, first == word else { return nil }
    rest.removeFirst()
    return try extent("a \(word) such as 2 or 2x1")
  }

  mutating func initialiser() throws(ArchitectureError) -> ModelArchitecture.Initialiser {
    guard let word = next() else { return .he }
    guard let initialiser = ModelArchitecture.Initialiser(rawValue: String(word)) else {
      throw refusal(word, "one of \(ModelArchitecture.Initialiser.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return initialiser
  }

  mutating func fraction() throws(ArchitectureError) -> Float {
    let word = next()
    // No hexadecimal numbers, no infinities: decimals as every language reads them.
    guard let word, word.utf8.allSatisfy({ "0123456789.e-".utf8.contains($0) }), let number = Float(word),
      number >= 0, number < 1
    else { throw refusal(word, "a number from 0 to below 1") }
    return number
  }

  private static func number(_ word: Substring) -> Int? {
    word.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(word) : nil
  }
}
