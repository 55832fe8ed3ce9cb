import CKernels

/// A piece of work between two activations, `from` and `to`. Plain numbers, so that threads share it without counting.
enum NetworkStep: Hashable, Sendable {
  case dense(Dense)
  case convolution(Convolution)
  case pooling(Pooling)
  case activation(Activation)
  case dropout(Dropout)
  case embedding(Embedding)
  case lstm(LSTM)
  case flatten(from: Int, to: Int)
  case lastStep(from: Int, to: Int)

  struct Dense: Hashable, Sendable {
    var from: Int
    var to: Int
    /// First floats of the packed weights and of the bias, here and below.
    var weights: Int
    var bias: Int
    var inputs: Int
    var panels: Int
    var isRectified = false
  }

  struct Convolution: Hashable, Sendable {
    var from: Int
    var to: Int
    var weights: Int
    var bias: Int
    var panels: Int
    var windows: WindowPlan
    var isRectified = false
    /// Those of the plan for the input gradient, one per residue of the stride; none if nobody needs that.
    var phases = 0..<0
  }

  /// The part of a convolution's input gradient at places that lie `line` and `column` beyond a multiple of the stride.
  struct Phase: Hashable, Sendable {
    var transposition: TranspositionPlan
    var windows: WindowPlan
    /// First float of the transposed weights in the workspace's buffer for them.
    var offset: Int
    /// Where the phase's first window begins in the delta of the output, and where its first result lies in that of the
    /// input; in floats from the example's first.
    var source: Int
    var target: Int
  }

  struct Pooling: Hashable, Sendable {
    var from: Int
    var to: Int
    var isMaximum: Bool
    var pooling: PoolingPlan
    /// The choices of a maximum, a buffer of its own.
    var choices: Int?
    var isRectified = false
  }

  struct Activation: Hashable, Sendable {
    var from: Int
    var to: Int
    var function: ck_activation
  }

  struct Dropout: Hashable, Sendable {
    var from: Int
    var to: Int
    var rate: Float
    /// Tells the masks of several dropout layers apart.
    var salt: UInt64
  }

  struct Embedding: Hashable, Sendable {
    var to: Int
    /// First float of the packed vectors, and floats from one to the next.
    var table: Int
    var pitch: Int
  }

  struct LSTM: Hashable, Sendable {
    var from: Int
    var to: Int
    var inputWeights: Int
    var recurrentWeights: Int
    var bias: Int
    var inputs: Int
    /// Padded to whole panels.
    var units: Int
    var length: Int
    /// Which of the workspace's recurrent buffers.
    var state: Int
  }
}

/// `ck_windows` and its relatives are C structures without `Hashable`; these are the same numbers.
struct WindowPlan: Hashable, Sendable {
  var rows: Int
  var columns: Int
  var lines: Int
  var floats: Int
  var imagePitch: Int
  var rowStep: Int
  var columnStep: Int
  var outRow: Int
  var outColumn: Int

  var windows: ck_windows {
    ck_windows(
      rows: rows, columns: columns, window_lines: lines, window_floats: floats, image_pitch: imagePitch,
      row_step: rowStep, column_step: columnStep, out_row: outRow, out_column: outColumn)
  }
}

struct TranspositionPlan: Hashable, Sendable {
  var lines: Int
  var columns: Int
  var channels: Int
  var outputs: Int
  var stride: ModelArchitecture.Extent
  var first: ModelArchitecture.Extent

  var transposition: ck_transposition {
    ck_transposition(
      window_lines: lines, window_columns: columns, channels: channels, outputs: outputs, line_stride: stride.height,
      column_stride: stride.width, first_line: first.height, first_column: first.width)
  }
}

struct PoolingPlan: Hashable, Sendable {
  var rows: Int
  var columns: Int
  var window: ModelArchitecture.Extent
  var stride: ModelArchitecture.Extent
  var channels: Int

  /// - Parameters:
  ///   - image: layout of the pooled image, or of its gradient.
  ///   - output: layout of the results, or of their gradient.
  func pooling(image: ActivationLayout, output: ActivationLayout) -> ck_pooling {
    ck_pooling(
      rows: rows, columns: columns, window_lines: window.height, window_columns: window.width, channels: channels,
      image_pitch: image.linePitch, image_column: image.rowPitch, row_step: stride.height * image.linePitch,
      column_step: stride.width * image.rowPitch, out_row: output.linePitch, out_column: output.rowPitch)
  }
}

/// Some weights that one thread computes the gradient of and moves: what threads divide among themselves.
///
/// Units do not depend on the number of threads, so neither does any sum over them.
struct WeightUnit: Hashable, Sendable {
  enum Source: Hashable, Sendable {
    case dense(NetworkStep.Dense)
    /// The unit's inputs are window lines.
    case convolution(NetworkStep.Convolution)
    case recurrentInput(NetworkStep.LSTM)
    case recurrent(NetworkStep.LSTM)
    /// The unit's inputs are tokens.
    case embedding(NetworkStep.Embedding)
  }

  var source: Source
  var panel: Int
  var inputs: Range<Int>
  /// Floats of the packed buffer.
  var weights: Range<Int>
  /// The panel's bias, if this unit is the one that takes care of it.
  var bias: Range<Int>?
  /// Multiply-adds for one example.
  var cost: Int
}

/// Everything about a network that follows from its architecture: where numbers lie and what is done in which order.
struct NetworkPlan: Hashable, Sendable {
  enum Input: Hashable, Sendable {
    /// Rows of the data set are read where they are.
    case inPlace
    /// Copied into activation 0.
    case copied
    /// Token numbers, into the workspace's buffer for them.
    case tokens(vocabulary: Int)
  }

  let architecture: ModelArchitecture
  /// Whether dropout drops and gradients will be asked for.
  let isTraining: Bool
  let input: Input
  /// 0 is the input.
  let activations: [ActivationLayout]
  /// The gradient by each activation; nil where nobody needs it.
  let deltas: [ActivationLayout?]
  let steps: [NetworkStep]
  let matrices: [PackedMatrix]
  /// Biases and embeddings.
  let rows: [PackedRows]
  /// Floats of the packed parameters.
  let packedCount: Int
  /// Numbers per example that the choices of each maximum take.
  let choiceCounts: [Int]
  let recurrences: [NetworkStep.LSTM]
  /// Floats of all transposed windows.
  let transposedCount: Int
  let phases: [NetworkStep.Phase]
  let units: [WeightUnit]

  /// The last layer's outputs.
  var outputs: Int { activations.count - 1 }
  /// Rows of losses of one example: time steps, or 1.
  var lossRowsPerExample: Int { activations[outputs].rowsPerExample }

  /// What a workspace takes for each example of its capacity.
  var byteCountPerExample: Int {
    var floats = 0
    for layout in activations { floats += layout.floatsPerExample }
    for layout in deltas { floats += layout?.floatsPerExample ?? 0 }
    for case .dropout(let step) in steps { floats += activations[step.to].floatsPerExample }
    for step in recurrences { floats += step.length * step.units * 9 + 2 * step.units }
    return floats * MemoryLayout<Float>.stride + choiceCounts.reduce(0, +) * MemoryLayout<UInt32>.stride
  }

  init(_ architecture: ModelArchitecture, isTraining: Bool) {
    var builder = PlanBuilder(architecture, isTraining: isTraining)
    builder.addLayers()
    self.architecture = architecture
    self.isTraining = isTraining
    input = builder.input
    activations = builder.activations
    deltas = builder.deltas
    steps = builder.steps
    matrices = builder.matrices
    rows = builder.rows
    packedCount = builder.packedCount
    choiceCounts = builder.choiceCounts
    recurrences = builder.recurrences
    transposedCount = builder.transposedCount
    phases = builder.phases
    units = isTraining ? builder.units : []
  }
}
