import Glibc
import Synchronization

/// What waits to run on one thread: jobs of actors, and blocks of code, in the order of their arrival.
///
///     open ── stop asked, nothing left ──▶ finished
///
/// Work that arrives after the thread has ended is run by whoever brings it, one piece at a time: an actor whose thread
/// is gone still runs, alone as ever, and no task waits for ever.
final class ExecutorMailbox: @unchecked Sendable {
  enum Item {
    case job(UnownedJob)
    case block(@Sendable () -> Void)
  }

  /// What the thread does next.
  enum Turn {
    /// Run the batch.
    case run
    /// Nothing is there; posting will wake.
    case idle
    /// Nothing is there and the thread was asked to stop.
    case stop
  }

  private struct State {
    var items: [Item] = []
    var isAsleep = false
    var isStopRequested = false
    var isFinished = false
  }

  private let state = Locked(State())
  /// The thread that runs items at present; 0 for none. A pthread_t is never 0 on Linux.
  private let runner = Atomic<pthread_t>(0)

  /// The calling thread is the one that runs items.
  var isCurrent: Bool { runner.load(ordering: .relaxed) == pthread_self() }

  /// The thread declares itself, before its first turn.
  func enter() {
    runner.store(pthread_self(), ordering: .relaxed)
  }

  /// Adds work. True if the caller has to wake the thread.
  func post(_ item: Item, executor: UnownedSerialExecutor) -> Bool {
    let (mustWake, mustRun) = state.withLock { state in
      state.items.append(item)
      guard state.isFinished else {
        let wasAsleep = state.isAsleep
        state.isAsleep = false
        return (wasAsleep, false)
      }
      guard runner.load(ordering: .relaxed) == 0 else { return (false, false) }
      runner.store(pthread_self(), ordering: .relaxed)
      return (false, true)
    }
    if mustRun { runLeftovers(executor: executor) }
    return mustWake
  }

  /// Moves all waiting work into `batch`, which is empty.
  func take(into batch: inout [Item]) -> Turn {
    state.withLock { state in
      swap(&batch, &state.items)
      guard batch.isEmpty else { return .run }
      if state.isStopRequested { return .stop }
      state.isAsleep = true
      return .idle
    }
  }

  /// The thread is awake again: posting need not wake it.
  func awake() {
    state.withLock { $0.isAsleep = false }
  }

  /// True if this is the first request and the caller has to wake the thread.
  func requestStop() -> Bool {
    state.withLock { state in
      let isFirst = !state.isStopRequested
      state.isStopRequested = true
      state.isAsleep = false
      return isFirst
    }
  }

  /// Ends the thread's ownership, unless work has arrived since its last turn.
  func finish() -> Bool {
    state.withLock { state in
      guard state.items.isEmpty else { return false }
      state.isFinished = true
      runner.store(0, ordering: .relaxed)
      return true
    }
  }

  /// Runs the items of `batch` and empties it.
  static func run(_ batch: inout [Item], executor: UnownedSerialExecutor) {
    for item in batch {
      switch item {
      case .job(let job): job.runSynchronously(on: executor)
      case .block(let block): block()
      }
    }
    batch.removeAll(keepingCapacity: true)
  }

  private func runLeftovers(executor: UnownedSerialExecutor) {
    var batch: [Item] = []
    while true {
      let isDone = state.withLock { state in
        swap(&batch, &state.items)
        if batch.isEmpty { runner.store(0, ordering: .relaxed) }
        return batch.isEmpty
      }
      if isDone { return }
      Self.run(&batch, executor: executor)
    }
  }
}
