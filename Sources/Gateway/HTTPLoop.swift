import Federation
import Hosting
import NIOCore
import NIOPosix
import Serving
import Synchronization

/// One event loop of a gateway, with what lives on it alone.
package final class HTTPLoop {
  /// Pieces of work on other threads at once, over all loops; more are refused.
  static let asideMax = 64

  package let eventLoop: any EventLoop
  let pool: NIOThreadPool
  private let asideCount: AsideCount
  private let lanes: BatchLimits
  private let observe: (PredictionLane.BatchFigures) -> Void
  /// The requests for predictions that came in on this loop.
  package private(set) lazy var lane = PredictionLane(limits: lanes, thread: self, observe: observe)

  private var dates = HTTPDate()
  /// Now, for the field of that name.
  var date: String { dates.text(at: unixMilliseconds / 1_000) }

  final class AsideCount: Sendable {
    let value = Atomic(0)
  }

  init(
    _ eventLoop: any EventLoop, pool: NIOThreadPool, asideCount: AsideCount, lanes: BatchLimits,
    observe: @escaping (PredictionLane.BatchFigures) -> Void
  ) {
    self.eventLoop = eventLoop
    self.pool = pool
    self.asideCount = asideCount
    self.lanes = lanes
    self.observe = observe
  }
}

extension HTTPLoop: LaneThread {
  package var now: MonotonicTime { MonotonicTime(nanoseconds: NIODeadline.now().uptimeNanoseconds) }

  package var unixMilliseconds: Int { WallClock.unixMilliseconds }

  package func soon(_ body: @escaping () -> Void) { eventLoop.assumeIsolated().execute(body) }

  package func later(at time: MonotonicTime, _ body: @escaping () -> Void) {
    eventLoop.assumeIsolated().scheduleTask(deadline: .uptimeNanoseconds(time.nanoseconds), body)
  }

  package func aside(_ work: @escaping @Sendable () -> [Float], then body: @escaping ([Float]) -> Void) -> Bool {
    guard asideCount.value.wrappingAdd(1, ordering: .relaxed).newValue <= Self.asideMax else {
      asideCount.value.wrappingSubtract(1, ordering: .relaxed)
      return false
    }
    let bound = NIOLoopBound(body, eventLoop: eventLoop)
    let count = asideCount
    pool.submit { [eventLoop] _ in
      // Also when the pool is being shut down: whoever waits gets an answer.
      let result = work()
      count.value.wrappingSubtract(1, ordering: .relaxed)
      eventLoop.execute { bound.value(result) }
    }
    return true
  }
}
