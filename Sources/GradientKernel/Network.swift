import CKernels
import Tensors

/// Why a network refused parameters or a class of CPU.
package enum KernelError: Error, Equatable, Sendable {
  case wrongLayout(expected: String, found: String)
  case classUnavailable(KernelClass)
  /// A batch of this model needs more memory than a network may take.
  case workspaceTooLarge(byteCount: Int, max: Int)
}

/// What a pass over examples gives.
package struct BatchResult: Hashable, Sendable {
  /// Sum of the losses of all rows, in nats or squares, added in the order of the rows.
  package var lossSum: Double
  /// Rows whose predicted class is their label; 0 for a regression.
  package var correct: Int
  /// Rows: one an example, or one a time step.
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

/// A model with its parameters, gradients and workspaces, on all threads of a pool.
///
/// Workspaces are planned once for `batchCapacity` examples; a step allocates nothing. Threads divide examples, or the
/// weights where few examples meet many of them, and then the units of the weights. Every number is computed by one
/// thread in an order that does not depend on the division, so thread counts give the same bits. One user at a time.
package final class Network {
  /// Of activations, their gradients and states of one batch; parameters come on top.
  package static let workspaceByteCountMax = 4 << 30

  package let architecture: ModelArchitecture
  package let batchCapacity: Int
  package let kernelClass: KernelClass

  let kernels: UnsafePointer<ck_table>
  let pool: ThreadPool
  let plan: NetworkPlan
  let workspace: Workspace
  /// Packed, as all buffers of parameters here.
  let parameters: FloatBuffer
  let gradients: FloatBuffer
  /// What was loaded.
  private(set) var loaded: PackedParameters?
  /// What the optimizer remembers; allocated by the first rule that needs it.
  var firstMoments: FloatBuffer?
  /// Added to the gradient of every step; nil for nothing.
  var correction: FloatBuffer?
  var secondMoments: FloatBuffer?
  /// Multiply-adds of a batch forward below which handing work over costs more than it saves.
  package var workMin = 1 << 19
  /// Units of thread `t` are `unitBounds[t] ..< unitBounds[t + 1]`.
  let unitBounds: [Int]
  /// Squared norm of each unit's gradient.
  let unitNorms: UnsafeMutableBufferPointer<Double>
  /// Room for one example's gradient of one panel, per thread; allocated by the first rule that clips examples.
  var exampleScratch: [FloatBuffer] = []
  /// 1 / (1 − βᵗ) of Adam's step in hand.
  var correction1: Float = 1
  var correction2: Float = 1
  /// Steps since the parameters were loaded.
  var stepCount = 0
  var dropoutSeed: UInt64 = 0
  var task = NetworkTask()

  /// All parameters are zero.
  ///
  /// - Parameters:
  ///   - batchCapacity: the most examples of one step; larger evaluations run in pieces of it.
  ///   - pool: borrowed; networks that share one must not run at the same time.
  /// - Throws: `KernelError.classUnavailable`, `.workspaceTooLarge`.
  package init(
    _ architecture: ModelArchitecture, batchCapacity: Int, pool: ThreadPool, kernelClass: KernelClass = .best
  ) throws(KernelError) {
    precondition(batchCapacity >= 1, "a batch has at least one example")
    guard let kernels = ck_table_for(kernelClass.code) else { throw .classUnavailable(kernelClass) }
    self.architecture = architecture
    self.batchCapacity = batchCapacity
    self.kernelClass = kernelClass
    self.kernels = kernels
    self.pool = pool
    plan = NetworkPlan(architecture, isTraining: true)
    let (byteCount, overflow) = plan.byteCountPerExample.multipliedReportingOverflow(by: batchCapacity)
    guard !overflow, byteCount <= Self.workspaceByteCountMax else {
      throw .workspaceTooLarge(byteCount: overflow ? .max : byteCount, max: Self.workspaceByteCountMax)
    }
    workspace = Workspace(plan, capacity: batchCapacity, kernels: kernels)
    workspace.chosen = plan.choosableInputs.map { ChosenColumns(inputs: $0, threads: pool.count, kernels: kernels) }
    parameters = FloatBuffer(count: plan.packedCount)
    gradients = FloatBuffer(count: plan.packedCount)
    unitBounds = Self.bounds(of: plan.units, threads: pool.count)
    unitNorms = .allocate(capacity: plan.units.count)
    unitNorms.initialize(repeating: 0)
  }

  deinit { unitNorms.deallocate() }

  /// The largest batch of a model up to `most` whose workspace stays small enough for caches and for many networks: 64 MiB,
  /// but one example in any case.
  package static func batchCapacity(for architecture: ModelArchitecture, atMost most: Int) -> Int {
    max(1, min(most, (64 << 20) / max(1, NetworkPlan(architecture, isTraining: true).byteCountPerExample)))
  }

  /// Equal cost for every thread, as far as whole units allow.
  private static func bounds(of units: [WeightUnit], threads: Int) -> [Int] {
    let total = units.reduce(0) { $0 + $1.cost }
    var bounds = [0]
    var cost = 0
    for (index, unit) in units.enumerated() {
      // A unit belongs to the thread in whose share its middle lies.
      while bounds.count < threads, (2 * cost + unit.cost) * threads >= 2 * total * bounds.count {
        bounds.append(index)
      }
      cost += unit.cost
    }
    return bounds + Array(repeating: units.count, count: threads + 1 - bounds.count)
  }

  /// Takes over the parameters; forgets what the optimizer remembers. The same set a second time is not packed again.
  ///
  /// - Parameters:
  ///   - dropoutSeed: with it and the number of the step, dropout is the same every time.
  ///   - correction: what the steps from here on add to their gradients, in the order of the layout; under rules of plain
  ///     SGD without a proximal term alone. No bound on gradients sees it.
  /// - Throws: `KernelError.wrongLayout`; the network is then unchanged.
  /// - Precondition: the correction is as long as the parameters.
  package func load(_ set: ParameterSet, dropoutSeed: UInt64 = 0, correction: [Float]? = nil) throws(KernelError) {
    guard set.layout == architecture.layout else {
      throw .wrongLayout(expected: architecture.layout.description, found: set.layout.description)
    }
    let packed = loaded?.isOf(set) == true ? loaded : nil
    let base = packed ?? PackedParameters(set, plan, kernels: kernels)
    loaded = base
    parameters.start.update(from: base.buffer.start, count: parameters.count)
    firstMoments?.fill(with: 0)
    secondMoments?.fill(with: 0)
    self.correction = correction.map { values in
      precondition(values.count == set.values.count, "a correction has an element for every parameter")
      let buffer = FloatBuffer(count: plan.packedCount)
      plan.pack(values, into: buffer, kernels)
      return buffer
    }
    stepCount = 0
    self.dropoutSeed = dropoutSeed
  }

  /// The parameters now, in the order of the layout.
  package var parameterValues: [Float] { plan.unpack(parameters, kernels) }
  /// Writes the parameters now less those that were loaded, in the order of the layout.
  ///
  /// - Parameter difference: of the layout's count; another array is replaced.
  package func writeDifference(into difference: inout [Float]) {
    guard difference.count == architecture.layout.count else {
      difference = plan.unpack(parameters, less: loaded?.buffer, kernels)
      return
    }
    difference.withUnsafeMutableBufferPointer { plan.unpack(parameters, less: loaded?.buffer, kernels, into: $0) }
  }
  /// The gradient of the last `gradient`, in the order of the layout.
  package var gradientValues: [Float] { plan.unpack(gradients, kernels) }
  package var hasFiniteParameters: Bool { ck_is_finite(parameters.count, parameters.start) == 1 }
}
