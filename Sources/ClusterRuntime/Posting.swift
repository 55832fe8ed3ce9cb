import ZeroMQ

extension IOLoop {
  /// Runs `body` inside an actor of this loop, after what was posted before: the order of posts is the order of calls.
  func post<Owner: Actor>(to owner: Owner, _ body: @escaping @Sendable (isolated Owner) -> Void) {
    perform { owner.assumeIsolated { body($0) } }
  }
}

extension ComputeThread {
  /// Runs `body` inside an actor of this thread, after what was posted before: the order of posts is the order of calls.
  func post<Owner: Actor>(to owner: Owner, _ body: @escaping @Sendable (isolated Owner) -> Void) {
    perform { owner.assumeIsolated { body($0) } }
  }
}

/// How much waits between two threads, and the bound on it.
///
/// What does not fit is dropped by whoever would have posted it, and counted: a peer can slow its own messages down,
/// never fill this process's memory.
final class Backlog: Sendable {
  private let state: Locked<(waiting: Int, dropped: Int)>
  let limit: Int

  init(limit: Int) {
    self.limit = limit
    state = Locked((0, 0))
  }

  /// True if there is room; the receiver calls `taken` when it is done.
  func enter() -> Bool {
    state.withLock {
      guard $0.waiting < limit else {
        $0.dropped += 1
        return false
      }
      $0.waiting += 1
      return true
    }
  }

  func taken() { state.withLock { $0.waiting -= 1 } }

  var dropped: Int { state.withLock { $0.dropped } }
}
