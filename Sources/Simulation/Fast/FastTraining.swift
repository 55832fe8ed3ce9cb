import Cryptography
import Federation
import GradientKernel
import ModelRegistry
import Rounds
import SecureAggregation
import Synchronization
import Tensors
import Training

/// The work of one attempt's workers, on all cores: each update is made, added to a sum and forgotten, so that memory is
/// that of one model and one sum a thread.
final class FastTraining {
  /// What one worker needs of the attempt.
  struct Assignment: Sendable {
    let worker: WorkerID
    let dataset: Dataset
    let roundingSeed: SecretBytes
    /// c_i under SCAFFOLD; nil for zeros.
    let control: [Float]?
  }

  struct Outcome: Sendable {
    var sum: UnmaskedSum
    /// What each said of the model that it trained on.
    var metrics: [WorkerID: RoundMetrics] = [:]
    /// Who could not train, and why.
    var failures: [WorkerID: String] = [:]
    /// c_i⁺ under SCAFFOLD.
    var controls: [WorkerID: [Float]] = [:]
    /// Single updates, for a rule that compares them.
    var kept: [WorkerID: ClientUpdate] = [:]
  }

  /// One thread's.
  private final class Lane {
    let workspace = TrainingWorkspace()
    var outcome: Outcome

    init(_ sum: UnmaskedSum) { outcome = Outcome(sum: sum) }
  }

  let pool: ThreadPool

  /// - Parameter threads: the result does not depend on it.
  init(threads: Int) { pool = ThreadPool(threads: threads) }

  /// Trains all of them.
  ///
  /// - Parameters:
  ///   - sum: an empty one of the attempt, of which each thread has its own.
  ///   - keepsUpdates: whether each update is needed again.
  func perform(
    _ offer: RoundOffer, on parameters: [NamedTensor], control: [Float]?, by assignments: [Assignment],
    into sum: () throws -> UnmaskedSum, keepsUpdates: Bool
  ) throws -> Outcome {
    let lanes = try (0..<pool.count).map { _ in Lane(try sum()) }
    let free = Mutex(Array(0..<pool.count))
    nonisolated(unsafe) let shared = lanes  // Each is one part's at a time: whose number was taken out of `free`.
    pool.run(parts: assignments.count) { place in
      let number = free.withLock { $0.removeLast() }
      defer { free.withLock { $0.append(number) } }
      Self.perform(
        offer, parameters, control, assignments[place], in: shared[number], keepsUpdates: keepsUpdates)
    }
    var outcome = lanes[0].outcome
    for lane in lanes.dropFirst() { outcome.merge(lane.outcome) }
    return outcome
  }

  private static func perform(
    _ offer: RoundOffer, _ parameters: [NamedTensor], _ control: [Float]?, _ assignment: Assignment, in lane: Lane,
    keepsUpdates: Bool
  ) {
    let worker = assignment.worker
    let work = LocalWork(worker: worker, dataset: assignment.dataset, workspace: lane.workspace)
    do {
      let controls =
        offer.usesControlVariates ? ControlVariates(server: control, own: assignment.control) : ControlVariates()
      let result = try work.perform(
        offer.task, configuration: offer.configuration, attempt: offer.attempt, parameters: parameters,
        controls: controls)
      try lane.outcome.sum.add(result.update, from: worker, roundingSeed: assignment.roundingSeed)
      lane.outcome.metrics[worker] = result.update.metrics
      lane.outcome.controls[worker] = result.control
      if keepsUpdates { lane.outcome.kept[worker] = result.update }
    } catch {
      lane.outcome.failures[worker] = "\(error)"
    }
  }
}

extension FastTraining.Outcome {
  fileprivate mutating func merge(_ other: Self) {
    sum.merge(other.sum)
    metrics.merge(other.metrics) { $1 }
    failures.merge(other.failures) { $1 }
    controls.merge(other.controls) { $1 }
    kept.merge(other.kept) { $1 }
  }
}
