import Federation
import Wire
import ZeroMQ

/// Bytes from and to each worker since the process began: of all that a worker sent, and of what it was sent in rounds and
/// downloads.
final class TrafficLedger: Sendable {
  private let workers = Locked<[WorkerID: RoundRow.Traffic]>([:])

  func received(_ count: Int, from worker: WorkerID) {
    workers.withLock { $0[worker, default: RoundRow.Traffic()].up += UInt64(count) }
  }

  func sent(_ count: Int, to worker: WorkerID) {
    workers.withLock { $0[worker, default: RoundRow.Traffic()].down += UInt64(count) }
  }

  var snapshot: [WorkerID: RoundRow.Traffic] { workers.withLock { $0 } }
}

extension RoundRow.Traffic {
  static func - (a: Self, b: Self) -> Self { Self(up: a.up - b.up, down: a.down - b.down) }
  static func + (a: Self, b: Self) -> Self { Self(up: a.up + b.up, down: a.down + b.down) }
}
