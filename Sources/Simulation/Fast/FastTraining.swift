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
/// that of the data, and of one model and one sum a thread.
final class FastTraining {
  /// What one worker needs of the attempt.
  struct Assignment: Sendable {
    let worker: WorkerID
    /// All its rows.
    let dataset: Dataset
    let roundingSeed: SecretBytes
    /// c_i under SCAFFOLD; nil for zeros.
    let control: [Float]?
    /// Those that it does of what the offer asks for.
    let localEpochs: UInt64
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

  /// One thread's, of all attempts.
  private final class Lane {
    let workspace = TrainingWorkspace()
    /// Made in the attempt in hand.
    var examples: [WorkerID: LocalExamples] = [:]
    var outcome: Outcome?
  }

  /// What all workers of an attempt have in common.
  private struct Attempt: Sendable {
    let work: OfferedWork
    let usesControlVariates: Bool
    /// c under SCAFFOLD; nil for zeros.
    let control: [Float]?
    let keepsUpdates: Bool
  }

  let pool: ThreadPool
  private let lanes: [Lane]
  /// Of those who have trained: rows are scaled and divided once.
  private var examples: [WorkerID: LocalExamples] = [:]

  /// - Parameter threads: the result does not depend on it.
  init(threads: Int) {
    pool = ThreadPool(threads: threads)
    lanes = (0..<pool.count).map { _ in Lane() }
  }

  /// Trains all of them.
  ///
  /// - Parameters:
  ///   - sum: an empty one of the attempt, of which each thread has its own.
  ///   - keepsUpdates: whether each update is needed again.
  func perform(
    _ offer: RoundOffer, on base: ParameterSet, control: [Float]?, by assignments: [Assignment],
    into sum: () throws -> UnmaskedSum, keepsUpdates: Bool
  ) throws -> Outcome {
    let work: OfferedWork
    do throws(LocalWorkError) {
      work = try OfferedWork(
        offer.task, configuration: offer.configuration, attempt: offer.attempt, base: base)
    } catch {
      let failures = assignments.map { ($0.worker, error.description) }
      return Outcome(sum: try sum(), failures: Dictionary(uniqueKeysWithValues: failures))
    }
    let attempt = Attempt(
      work: work, usesControlVariates: offer.usesControlVariates, control: control, keepsUpdates: keepsUpdates)
    for lane in lanes { lane.outcome = Outcome(sum: try sum()) }
    let free = Mutex(Array(lanes.indices))
    nonisolated(unsafe) let shared = lanes  // Each is one part's at a time: whose number was taken out of `free`.
    pool.run(parts: assignments.count) { [examples] place in
      let number = free.withLock { $0.removeLast() }
      defer { free.withLock { $0.append(number) } }
      let assignment = assignments[place]
      Self.perform(attempt, assignment, held: examples[assignment.worker], in: shared[number])
    }
    for lane in lanes {
      examples.merge(lane.examples) { $1 }
      lane.examples = [:]
    }
    var parts = lanes.compactMap { $0.outcome.take() }
    var outcome = parts.removeFirst()
    for part in parts { outcome.merge(part) }
    return outcome
  }

  private static func perform(_ attempt: Attempt, _ assignment: Assignment, held: LocalExamples?, in lane: Lane) {
    guard var outcome = lane.outcome.take() else { return }  // One owner: no sum is copied when it changes.
    defer { lane.outcome = outcome }
    let worker = assignment.worker, work = attempt.work
    do {
      var examples = held
      if examples?.suit(work.task) != true {
        let made = try LocalExamples(assignment.dataset, of: worker, for: work.task)
        lane.examples[worker] = made
        examples = made
      }
      guard let trainer = try examples?.trainer(work.architecture, in: lane.workspace) else { return }
      let controls =
        attempt.usesControlVariates
        ? ControlVariates(server: attempt.control, own: assignment.control) : ControlVariates()
      var result = try work.perform(by: worker, on: trainer, localEpochs: assignment.localEpochs, controls: controls)
      try outcome.sum.add(result.update, from: worker, roundingSeed: assignment.roundingSeed)
      outcome.metrics[worker] = result.update.metrics
      outcome.controls[worker] = result.control
      if attempt.keepsUpdates {
        outcome.kept[worker] = result.update
      } else {
        var difference: [Float] = []
        swap(&difference, &result.update.difference)
        lane.workspace.recycle(difference)
      }
    } catch {
      outcome.failures[worker] = "\(error)"
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
