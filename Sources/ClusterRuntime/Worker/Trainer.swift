import Federation
import Logging
import Rounds
import Tensors
import Training
import ZeroMQ

/// Local training on a compute thread of its own, so that nothing else of the worker waits for it.
actor Trainer {
  /// What the driver hears.
  enum Delivery: Sendable {
    case trained(AttemptID, ClientUpdate)
    case failed(AttemptID, reason: String)
    /// A quarter of the work is done: 1…4.
    case progress(AttemptID, quarters: UInt32)
  }

  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
  /// The attempt whose training still counts; set from outside while the thread is busy.
  nonisolated let wanted = Locked<AttemptID?>(nil)

  private let work: LocalWork
  private let deliver: @Sendable (Delivery) -> Void

  init(
    thread: ComputeThread, worker: WorkerID, dataset: Dataset, threads: Int,
    deliver: @escaping @Sendable (Delivery) -> Void
  ) {
    self.thread = thread
    self.deliver = deliver
    work = LocalWork(worker: worker, dataset: dataset, threads: threads)
  }

  func perform(_ offer: RoundOffer, tensors: [NamedTensor]) {
    let attempt = offer.attempt
    guard wanted.withLock({ $0 == attempt }) else { return }
    var quarters: UInt32 = 0
    do throws(LocalWorkError) {
      let update = try work.perform(
        offer.task, configuration: offer.configuration, attempt: attempt, parameters: tensors,
        progress: { fraction in
          let now = UInt32(fraction * 4)
          if now > quarters {
            quarters = now
            deliver(.progress(attempt, quarters: now))
          }
        },
        isCancelled: { wanted.withLock { $0 != attempt } })
      deliver(.trained(attempt, update))
    } catch {
      if wanted.withLock({ $0 == attempt }) { deliver(.failed(attempt, reason: error.description)) }
    }
  }
}
