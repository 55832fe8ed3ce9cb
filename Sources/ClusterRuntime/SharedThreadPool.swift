import GradientKernel
import SecureAggregation
import Synchronization

/// A pool of threads for callers on any thread, one after another.
final class SharedThreadPool: PartRunner, Sendable {
  let threadCount: Int
  private let pool: Mutex<ThreadPool>

  /// - Parameter threads: at least 1.
  init(threads: Int) {
    let pool = ThreadPool(threads: threads, flushesSubnormals: false)
    threadCount = pool.count
    self.pool = Mutex(pool)
  }

  func run(parts: Int, _ body: @Sendable (Int) -> Void) {
    pool.withLock { $0.run(parts: parts, body) }
  }
}
