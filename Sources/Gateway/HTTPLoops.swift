import Hosting
import NIOCore
import NIOPosix
import Serving

/// The loops of a server, each found by the event loop that it belongs to.
final class HTTPLoops: Sendable {
  private let loops: [ObjectIdentifier: NIOLoopBound<HTTPLoop>]

  init(
    _ group: MultiThreadedEventLoopGroup, pool: NIOThreadPool, batches: BatchLimits,
    observe: @escaping @Sendable (PredictionLane.BatchFigures) -> Void
  ) {
    let asideCount = HTTPLoop.AsideCount()
    var loops: [ObjectIdentifier: NIOLoopBound<HTTPLoop>] = [:]
    for eventLoop in group.makeIterator() {
      let made = eventLoop.submit {
        NIOLoopBound(
          HTTPLoop(eventLoop, pool: pool, asideCount: asideCount, lanes: batches, observe: observe),
          eventLoop: eventLoop)
      }
      loops[ObjectIdentifier(eventLoop)] = try? made.wait()
    }
    self.loops = loops
  }

  func has(_ eventLoop: any EventLoop) -> Bool { loops[ObjectIdentifier(eventLoop)] != nil }

  /// - Precondition: on that loop, which is one of the group's.
  func loop(of eventLoop: any EventLoop) -> HTTPLoop {
    guard let bound = loops[ObjectIdentifier(eventLoop)] else {
      preconditionFailure("a channel lives on a loop of its server's group")
    }
    return bound.value
  }
}
