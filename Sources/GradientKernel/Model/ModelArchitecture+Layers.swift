/// What one example of a model is.
package enum InputShape: Hashable, Sendable {
  case features(Int)
  /// Features in this order, row-major: channels, height, width.
  case image(channels: Int, height: Int, width: Int)
  /// Features are token numbers in `0 ..< vocabulary`, as Float.
  case tokens(length: Int, vocabulary: Int)

  /// Numbers in one example.
  package var featureCount: Int {
    switch self {
    case .features(let count): count
    case .image(let channels, let height, let width): channels * height * width
    case .tokens(let length, _): length
    }
  }
}

extension ModelArchitecture {
  /// Height and width of a window, its steps or its margins.
  package struct Extent: Hashable, Sendable {
    package let height: Int
    package let width: Int

    package init(height: Int, width: Int) {
      self.height = height
      self.width = width
    }

    package init(_ side: Int) { self.init(height: side, width: side) }
  }

  /// Where weights start; biases start at zero. `InitialParameters.swift` of `Training` draws them.
  package enum Initialiser: String, CaseIterable, Hashable, Sendable {
    /// Uniform in ±√(6 / inputs): He et al. 2015, for layers before a ReLU.
    case he
    /// Uniform in ±√(6 / (inputs + outputs)): Glorot, Bengio 2010.
    case glorot
    /// Orthonormal rows, or columns if there are fewer: Saxe et al. 2014.
    case orthogonal
    case zeros
  }

  /// One layer as it is asked for; what it makes of its input is a `Stage`.
  package enum Layer: Hashable, Sendable {
    /// On a vector, or on every time step of a sequence: `y = W x + b`.
    case dense(outputs: Int, initialiser: Initialiser)
    /// A cross-correlation with zero padding; the last window that does not fit whole is left out.
    case conv2d(filters: Int, kernel: Extent, stride: Extent, padding: Extent, initialiser: Initialiser)
    /// Without padding; the last window that does not fit whole is left out.
    case maxPool2d(size: Extent, stride: Extent)
    case averagePool2d(size: Extent, stride: Extent)
    case relu
    case tanh
    case sigmoid
    /// In training a number is zero with this probability, the others are divided by `1 − rate`.
    case dropout(rate: Float)
    /// An image as a vector in the order channels, height, width.
    case flatten
    case embedding(dimension: Int)
    /// Every output of the sequence; the state before the first step is zero.
    case lstm(units: Int)
    /// The last time step of a sequence.
    case lastStep

    /// As texts, files and errors name it.
    package var kind: String {
      switch self {
      case .dense: "dense"
      case .conv2d: "conv2d"
      case .maxPool2d: "max-pool"
      case .averagePool2d: "average-pool"
      case .relu: "relu"
      case .tanh: "tanh"
      case .sigmoid: "sigmoid"
      case .dropout: "dropout"
      case .flatten: "flatten"
      case .embedding: "embedding"
      case .lstm: "lstm"
      case .lastStep: "last-step"
      }
    }
  }

  /// What training minimises, as a mean over examples (and time steps); the last layer's outputs go into it as they are.
  package enum Loss: Hashable, Sendable {
    /// `−Σ_c q_c log softmax(z)_c` with `q = (1 − smoothing) · onehot + smoothing / classes`.
    case softmaxCrossEntropy(smoothing: Float)
    /// `Σ_t (z_t − y_t)² / targets`.
    case meanSquaredError
    /// `log(1 + e^z) − y z` of one output and a label of 0 or 1: the sigmoid is part of the loss.
    case binaryCrossEntropy

    /// As texts, files and errors name it.
    package var kind: String {
      switch self {
      case .softmaxCrossEntropy: "softmax-cross-entropy"
      case .meanSquaredError: "mean-squared-error"
      case .binaryCrossEntropy: "binary-cross-entropy"
      }
    }
  }
}
