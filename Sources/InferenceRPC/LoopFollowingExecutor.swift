#if GRPC
  import NIOCore
  import NIOPosix

  /// Runs tasks on the event loop that they are resumed from, which for those of a call is its connection's: what a call
  /// needs is then done on one thread, and none is woken for it.
  final class LoopFollowingExecutor: TaskExecutor {
    private let group: MultiThreadedEventLoopGroup
    private let loops: Set<ObjectIdentifier>

    /// - Parameter group: has to outlive every task.
    init(_ group: MultiThreadedEventLoopGroup) {
      self.group = group
      loops = Set(group.makeIterator().map { ObjectIdentifier($0) })
    }

    func enqueue(_ job: consuming ExecutorJob) {
      let job = UnownedJob(job)
      // The group's next loop is the next connection's, too: it is asked for only where it is needed.
      (current ?? group.next()).execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// The loop of the group whose thread this is.
    private var current: (any EventLoop)? {
      MultiThreadedEventLoopGroup.currentEventLoop.flatMap { loops.contains(ObjectIdentifier($0)) ? $0 : nil }
    }
  }
#endif
