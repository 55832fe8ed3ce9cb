import CKernels
import Tensors

/// Why a network refused parameters or a class of CPU.
package enum KernelError: Error, Equatable, Sendable {
  case wrongLayout(expected: String, found: String)
  case classUnavailable(KernelClass)
  /// A layer or a loss, by name, that this kernel does not compute.
  case unsupported(String)
}

/// How one step moves the parameters: `g = gradient + weightDecay · w + proximal · (w − anchor)`,
/// `v = momentum · v + g`, `w −= learningRate · v`.
package struct UpdateRule: Hashable, Sendable {
  package var learningRate: Float
  package var momentum: Float
  package var weightDecay: Float
  package var proximal: Float

  package init(learningRate: Float, momentum: Float = 0, weightDecay: Float = 0, proximal: Float = 0) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.proximal = proximal
  }
}

/// What a pass over examples gives.
package struct BatchResult: Hashable, Sendable {
  /// Sum of the examples' losses, in nats, added in the order of the examples.
  package var lossSum: Double
  package var correct: Int
  package var count: Int

  package init(lossSum: Double = 0, correct: Int = 0, count: Int = 0) {
    self.lossSum = lossSum
    self.correct = correct
    self.count = count
  }

  package static func += (a: inout BatchResult, b: BatchResult) {
    a.lossSum += b.lossSum
    a.correct += b.correct
    a.count += b.count
  }
}

/// One dense layer and where its tensors lie in the update vector.
struct DenseLayer {
  let inputs: Int
  let outputs: Int
  let weight: Range<Int>
  let bias: Range<Int>
}

extension ModelArchitecture {
  fileprivate var denseLayers: [DenseLayer] {
    stages.filter { $0.parameterCount > 0 }.map {
      DenseLayer(inputs: $0.input.count, outputs: $0.output.count, weight: $0.tensors[0], bias: $0.tensors[1])
    }
  }
}

/// A stack of dense layers with its parameters, gradients and workspaces; trains by SGD on softmax cross-entropy.
///
/// Workspaces are planned once for `batchCapacity` rows; a step allocates nothing. A step is two forks: the rows of the
/// batch forward and back, then the outputs of every layer (weight gradient, update, packing). Every number is computed
/// by one thread in an order that does not depend on the split, so thread counts give the same bits.
/// One user at a time.
package final class Network {
  package let architecture: ModelArchitecture
  let layers: [DenseLayer]
  package let batchCapacity: Int
  package let kernelClass: KernelClass

  let kernels: UnsafePointer<ck_table>
  let pool: ThreadPool
  let parameterBuffer: FloatBuffer
  let gradientBuffer: FloatBuffer
  /// Allocated by the first rule that needs them.
  var velocityBuffer: FloatBuffer?
  var anchorBuffer: FloatBuffer?
  /// Activations after layer `i − 1`, shape [batchCapacity, stride]; 0 is the input.
  let activations: [FloatBuffer]
  /// Gradient of the loss by the outputs of layer `i − 1`; 0 is unused and empty.
  let deltas: [FloatBuffer]
  /// Per layer, shape [inputs + 1, stride of outputs]: transposed weights, then the bias.
  let packed: [FloatBuffer]
  /// Distance between rows per width, a multiple of the kernels' column multiple.
  let strides: [Int]
  let losses: FloatBuffer
  let labels: UnsafeMutableBufferPointer<Int32>
  let predictions: UnsafeMutableBufferPointer<Int32>
  var task = NetworkTask()

  /// All parameters are zero.
  ///
  /// - Parameters:
  ///   - batchCapacity: the most rows of one step; larger evaluations run in pieces of it.
  ///   - pool: borrowed; networks that share one must not run at the same time.
  /// - Throws: `KernelError.classUnavailable`; `.unsupported` for all but dense layers with ReLU and softmax.
  package init(
    _ architecture: ModelArchitecture, batchCapacity: Int, pool: ThreadPool, kernelClass: KernelClass = .best
  ) throws(KernelError) {
    precondition(batchCapacity >= 1, "a batch has at least one row")
    guard let kernels = ck_table_for(kernelClass.code) else { throw .classUnavailable(kernelClass) }
    guard let widths = architecture.multilayerWidths else { throw .unsupported(architecture.description) }
    let multiple = Int(CK_COLUMN_MULTIPLE)
    let strides = widths.map { ($0 + multiple - 1) / multiple * multiple }
    self.architecture = architecture
    layers = architecture.denseLayers
    self.batchCapacity = batchCapacity
    self.kernelClass = kernelClass
    self.kernels = kernels
    self.pool = pool
    self.strides = strides
    parameterBuffer = FloatBuffer(count: architecture.layout.count)
    gradientBuffer = FloatBuffer(count: architecture.layout.count)
    activations = strides.map { FloatBuffer(count: batchCapacity * $0) }
    deltas = strides.enumerated().map { FloatBuffer(count: $0 == 0 ? 0 : batchCapacity * $1) }
    packed = layers.enumerated().map { FloatBuffer(count: ($1.inputs + 1) * strides[$0 + 1]) }
    losses = FloatBuffer(count: batchCapacity)
    labels = .allocate(capacity: batchCapacity)
    predictions = .allocate(capacity: batchCapacity)
    labels.initialize(repeating: 0)
    predictions.initialize(repeating: 0)
  }

  deinit {
    labels.deallocate()
    predictions.deallocate()
  }

  /// Takes over the parameters and forgets velocity and anchor.
  ///
  /// - Throws: `KernelError.wrongLayout`; the network is then unchanged.
  package func load(_ parameters: ParameterSet) throws(KernelError) {
    guard parameters.layout == architecture.layout else {
      throw .wrongLayout(expected: architecture.layout.description, found: parameters.layout.description)
    }
    parameterBuffer.copy(from: parameters.values)
    velocityBuffer?.fill(with: 0)
    anchorBuffer?.start.update(from: parameterBuffer.start, count: parameterBuffer.count)
    for (i, layer) in layers.enumerated() { pack(layer: i, outputs: 0..<layer.outputs) }
  }

  /// The parameters now, in the order of the layout.
  package var parameterValues: [Float] { parameterBuffer.values }
  /// The gradient of the last `gradient` or `step`, in the order of the layout.
  package var gradientValues: [Float] { gradientBuffer.values }
  package var hasFiniteParameters: Bool { ck_is_finite(parameterBuffer.count, parameterBuffer.start) == 1 }

  func pack(layer index: Int, outputs: Range<Int>) {
    let layer = layers[index]
    ck_pack_weights(
      outputs.lowerBound, outputs.upperBound, layer.inputs, parameterBuffer.start + layer.weight.lowerBound,
      parameterBuffer.start + layer.bias.lowerBound, packed[index].start, strides[index + 1])
  }
}
