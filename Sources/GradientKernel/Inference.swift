import CKernels
import Tensors

/// A model ready to predict: packed once, shared by any number of sessions, never changed.
package final class InferenceModel: Sendable {
  package let architecture: ModelArchitecture
  package let kernelClass: KernelClass
  let plan: NetworkPlan
  private let parameters: Parameters

  /// Written before anybody else sees it, and never again.
  private struct Parameters: @unchecked Sendable {
    let buffer: FloatBuffer
  }

  /// - Throws: `KernelError`.
  package init(_ set: ParameterSet, of architecture: ModelArchitecture, kernelClass: KernelClass = .best)
    throws(KernelError)
  {
    guard set.layout == architecture.layout else {
      throw .wrongLayout(expected: architecture.layout.description, found: set.layout.description)
    }
    guard let kernels = ck_table_for(kernelClass.code) else { throw .classUnavailable(kernelClass) }
    self.architecture = architecture
    self.kernelClass = kernelClass
    plan = NetworkPlan(architecture, isTraining: false)
    parameters = Parameters(buffer: FloatBuffer(count: plan.packedCount))
    plan.pack(set.values, into: parameters.buffer, kernels)
  }

  /// The packed parameters.
  var weights: UnsafePointer<Float> { UnsafePointer(parameters.buffer.start) }
  /// Bytes that the model takes, sessions aside.
  package var byteCount: Int { parameters.buffer.count * MemoryLayout<Float>.stride }
}

/// Room for predictions of one model: one user at a time, no locks, no allocation, and the same bits for an example
/// whatever the batch that it is in.
package final class InferenceSession {
  package static let batchCapacityMax = 256

  package let model: InferenceModel
  package let batchCapacity: Int
  /// Numbers of one example's prediction: classes or targets, times time steps.
  package let outputCount: Int
  private let workspace: Workspace

  /// - Parameter batchCapacity: the most examples of one call, 1 to `batchCapacityMax`.
  package init(_ model: InferenceModel, batchCapacity: Int) {
    precondition((1...Self.batchCapacityMax).contains(batchCapacity), "a session takes 1 to 256 examples")
    guard let kernels = ck_table_for(model.kernelClass.code) else {
      preconditionFailure("the model was made for kernels of this machine")
    }
    self.model = model
    self.batchCapacity = batchCapacity
    workspace = Workspace(model.plan, capacity: batchCapacity, kernels: kernels)
    outputCount = model.architecture.outputCount * model.plan.lossRowsPerExample
  }

  /// Probabilities, or the values of a regression.
  ///
  /// - Parameters:
  ///   - features: shape [n, featureCount] with 1 ≤ n ≤ batchCapacity.
  ///   - predictions: shape [n, outputCount].
  /// - Precondition: tokens are of the vocabulary.
  package func predict(_ features: UnsafeBufferPointer<Float>, into predictions: UnsafeMutableBufferPointer<Float>) {
    let count = features.count / model.architecture.featureCount
    precondition((1...batchCapacity).contains(count), "a session takes 1 to \(batchCapacity) examples")
    precondition(features.count == count * model.architecture.featureCount, "features come in whole examples")
    precondition(predictions.count == count * outputCount, "predictions have room for every example")
    guard let target = predictions.baseAddress else { return }
    let state = ck_flush_subnormals()
    defer { ck_restore_floating_state(state) }
    var task = NetworkTask(features: features.baseAddress)
    task.count = count
    let share = Share(thread: 0, threads: 1, examples: count)
    workspace.gather(share.own, of: task)
    workspace.forward(model.weights, share, crew: nil, seed: nil)
    workspace.finishPrediction(share.own)
    let layout = workspace.layouts[model.plan.outputs]
    let source = workspace.activations[model.plan.outputs]
    for row in 0..<count * layout.rowsPerExample {
      (target + row * layout.width).update(from: source + row * layout.rowPitch, count: layout.width)
    }
  }
}
