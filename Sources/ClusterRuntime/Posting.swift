import Federation
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

/// As ``Backlog``, for the messages of several peers: each has bounds of its own, so that a peer that floods loses its
/// own messages and no others.
final class PeerBacklog: Sendable {
  struct Limits: Sendable {
    /// Of one peer.
    var messages: Int
    /// Of one peer.
    var bytes: Int
    /// Of all peers.
    var totalBytes: Int
  }

  enum Entry: Hashable, Sendable {
    case entered
    /// There is no room. `isNews` says that the peer's message before still had some: worth a line in the log.
    case full(isNews: Bool)
  }

  private struct Account {
    var messages = 0
    var bytes = 0
    var isOverdrawn = false
  }

  private struct State {
    var accounts: [WorkerID: Account] = [:]
    var bytes = 0
  }

  private let limits: Limits
  private let state = Locked(State())

  init(_ limits: Limits) { self.limits = limits }

  /// Takes room for a message; the receiver calls `taken` with the same count when it has it.
  func enter(_ peer: WorkerID, bytes: Int) -> Entry {
    state.withLock { state in
      var account = state.accounts[peer] ?? Account()
      let hasRoom =
        account.messages < limits.messages && account.bytes + bytes <= limits.bytes
        && state.bytes + bytes <= limits.totalBytes
      let isNews = !account.isOverdrawn
      account.isOverdrawn = !hasRoom
      if hasRoom {
        account.messages += 1
        account.bytes += bytes
        state.bytes += bytes
      }
      state.accounts[peer] = account
      return hasRoom ? .entered : .full(isNews: isNews)
    }
  }

  /// For what a peer causes and must not be left out: it counts, whether there is room or not.
  func enterAlways(_ peer: WorkerID) {
    state.withLock { $0.accounts[peer, default: Account()].messages += 1 }
  }

  func hasRoom(for peer: WorkerID) -> Bool {
    state.withLock { ($0.accounts[peer]?.messages ?? 0) < limits.messages }
  }

  func taken(_ peer: WorkerID, bytes: Int) {
    state.withLock {
      $0.accounts[peer]?.messages -= 1
      $0.accounts[peer]?.bytes -= bytes
      $0.bytes -= bytes
    }
  }
}
