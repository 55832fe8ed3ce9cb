import Federation
import Glibc
import Logging
import Rounds
import Tensors
import Training
import ZeroMQ

/// Local training on a compute thread of its own, so that nothing else of the worker waits for it.
actor Trainer {
  /// What the driver hears.
  enum Delivery: Sendable {
    case trained(AttemptID, LocalResult, WorkTime)
    case failed(AttemptID, reason: String)
    /// A quarter of the work is done: 1…4.
    case progress(AttemptID, quarters: UInt32)
    /// Nothing is in hand any more.
    case idle
  }

  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
  /// The attempt whose training still counts; set from outside while the thread is busy.
  nonisolated let wanted = Locked<AttemptID?>(nil)
  /// Steps done since the beginning, in any attempt: how others see that the thread does not hang.
  nonisolated let steps = Locked<UInt64>(0)

  private let work: any LocalWorking
  private let deliver: @Sendable (Delivery) -> Void

  init(
    thread: ComputeThread, makeWork: @Sendable () -> any LocalWorking,
    deliver: @escaping @Sendable (Delivery) -> Void
  ) {
    self.thread = thread
    self.deliver = deliver
    work = makeWork()
  }

  func perform(_ offer: RoundOffer, on model: HeldModel) {
    defer { deliver(.idle) }
    let attempt = offer.attempt
    guard wanted.withLock({ $0 == attempt }) else { return }
    var quarters: UInt32 = 0
    let started = WorkTime.now
    do throws(LocalWorkError) {
      let result = try work.perform(
        offer.task, configuration: offer.configuration, attempt: attempt, parameters: model.tensors,
        controls: model.controls,
        progress: { fraction in
          steps.withLock { $0 += 1 }
          let now = UInt32(fraction * 4)
          if now > quarters {
            quarters = now
            deliver(.progress(attempt, quarters: now))
          }
        },
        isCancelled: { wanted.withLock { $0 != attempt } })
      deliver(.trained(attempt, result, .now - started))
    } catch {
      if wanted.withLock({ $0 == attempt }) { deliver(.failed(attempt, reason: error.description)) }
    }
  }
}

/// What a worker does with an offered model; in tests also what hangs, or takes long.
protocol LocalWorking {
  func perform(
    _ task: TrainingTask, configuration: RoundConfiguration, attempt: AttemptID, parameters: [NamedTensor],
    controls: ControlVariates, progress: (Double) -> Void, isCancelled: () -> Bool
  ) throws(LocalWorkError) -> LocalResult
}

extension LocalWork: LocalWorking {}

/// How long work took: what passed, and what the processor spent on the thread that did it (other threads of a pool not
/// counted).
struct WorkTime: Hashable, Sendable {
  let seconds: Double
  let processorSeconds: Double

  /// Of this thread, from an arbitrary start.
  static var now: WorkTime {
    var own = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own)
    return WorkTime(
      seconds: Double(MonotonicTime.now.nanoseconds) * 1e-9,
      processorSeconds: Double(own.tv_sec) + Double(own.tv_nsec) * 1e-9)
  }

  static func - (end: WorkTime, start: WorkTime) -> WorkTime {
    WorkTime(
      seconds: end.seconds - start.seconds, processorSeconds: end.processorSeconds - start.processorSeconds)
  }
}
