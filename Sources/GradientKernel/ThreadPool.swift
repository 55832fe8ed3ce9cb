import CKernels
import Glibc
import Synchronization

/// Work that threads share. Each thread calls `perform` once; nothing is allocated to hand it over.
package protocol ParallelWork: AnyObject {
  /// - Parameters:
  ///   - thread: from 0, the calling thread.
  ///   - count: how many threads take part.
  func perform(thread: Int, of count: Int)
}

/// A fixed number of threads that start and finish one piece of work together: the caller and `count − 1` others.
///
/// Waiting threads spin for a moment and then sleep; they never spin if there are more threads than cores. One caller
/// at a time.
package final class ThreadPool {
  package let count: Int
  private let shared: Shared
  private var threads: [pthread_t] = []

  /// Cores that the system has online.
  package static var coreCount: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

  /// - Parameters:
  ///   - threads: at least 1; with 1 the caller does everything. Fewer are used if the system refuses more.
  ///   - flushesSubnormals: whether the pool's own threads treat subnormal numbers as zero, as training wants it; not
  ///     where parts must give the same bits on any thread.
  package init(threads count: Int, flushesSubnormals: Bool = true) {
    precondition(count >= 1, "a pool has at least its caller")
    shared = Shared(spins: count <= Self.coreCount ? 2_000 : 0, flushesSubnormals: flushesSubnormals)
    for index in 1..<max(count, 1) {
      let start = Unmanaged.passRetained(Start(shared: shared, index: index))
      var thread = pthread_t()
      let result = pthread_create(
        &thread, nil,
        { argument in
          guard let argument else { return nil }
          let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
          start.shared.serve(index: start.index)
          return nil
        }, start.toOpaque())
      guard result == 0 else {
        start.release()
        break
      }
      threads.append(thread)
    }
    self.count = 1 + threads.count
  }

  deinit {
    shared.stop()
    for thread in threads { pthread_join(thread, nil) }
  }

  /// Runs `perform` on every thread and returns when all have finished.
  package func run(_ work: any ParallelWork) {
    guard count > 1 else { return work.perform(thread: 0, of: 1) }
    shared.start(work, threads: count)
    work.perform(thread: 0, of: count)
    shared.wait()
  }

  /// Waits until every thread of the piece of work in hand has come here; what was written before is seen behind it.
  /// All threads call it equally often.
  package func meet() {
    if count > 1 { shared.meet() }
  }

  /// Calls `body` once with each of `0..<parts`, on whichever thread is free next; returns when all calls have.
  package func run(parts: Int, _ body: @Sendable (Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      let work = Parts(count: parts, body)
      run(work)
      work.body = nil  // Before `body` ends, whoever still holds `work`.
    }
  }

  private final class Parts: ParallelWork {
    private let next = Atomic<Int>(0)
    private let count: Int
    var body: (@Sendable (Int) -> Void)?

    init(count: Int, _ body: @escaping @Sendable (Int) -> Void) {
      self.count = count
      self.body = body
    }

    func perform(thread: Int, of threads: Int) {
      while case let part = next.wrappingAdd(1, ordering: .relaxed).oldValue, part < count { body?(part) }
    }
  }

  private final class Start {
    let shared: Shared
    let index: Int
    init(shared: Shared, index: Int) {
      self.shared = shared
      self.index = index
    }
  }

  /// What caller and threads share. `work` and `threads` are written before `generation` moves and read after.
  private final class Shared: @unchecked Sendable {
    private let generation = Atomic<Int>(0)
    private let unfinished = Atomic<Int>(0)
    private let arrived = Atomic<Int>(0)
    private let meetings = Atomic<Int>(0)
    private let sleepers = Atomic<Int>(0)
    private let isCallerAsleep = Atomic<Bool>(false)
    private let isStopping = Atomic<Bool>(false)
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let started = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let finished = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let spins: Int
    private let flushesSubnormals: Bool
    private var work: (any ParallelWork)?
    private var threads = 1

    init(spins: Int, flushesSubnormals: Bool) {
      self.spins = spins
      self.flushesSubnormals = flushesSubnormals
      pthread_mutex_init(mutex, nil)
      pthread_cond_init(started, nil)
      pthread_cond_init(finished, nil)
    }

    deinit {
      pthread_mutex_destroy(mutex)
      pthread_cond_destroy(started)
      pthread_cond_destroy(finished)
      mutex.deallocate()
      started.deallocate()
      finished.deallocate()
    }

    func start(_ work: any ParallelWork, threads: Int) {
      self.work = work
      self.threads = threads
      unfinished.store(threads - 1, ordering: .relaxed)
      announce()
    }

    func stop() {
      isStopping.store(true, ordering: .relaxed)
      announce()
    }

    // Whoever goes to sleep first announces it and then looks again; whoever has news publishes it and then looks for
    // sleepers. Both in one total order, so one of them sees the other.
    private func announce() {
      generation.wrappingAdd(1, ordering: .sequentiallyConsistent)
      guard sleepers.load(ordering: .sequentiallyConsistent) > 0 else { return }
      pthread_mutex_lock(mutex)
      pthread_cond_broadcast(started)
      pthread_mutex_unlock(mutex)
    }

    // The others are computing and will come: there is nothing to sleep for, but a core may be lent to them.
    func meet() {
      let meeting = meetings.load(ordering: .acquiring)
      guard arrived.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue < threads else {
        arrived.store(0, ordering: .relaxed)
        meetings.wrappingAdd(1, ordering: .releasing)
        return
      }
      var spin = 0
      while meetings.load(ordering: .acquiring) == meeting {
        if spin < spins {
          spin += 1
          ck_spin_pause()
        } else {
          sched_yield()
        }
      }
    }

    func wait() {
      var spin = 0
      while unfinished.load(ordering: .acquiring) != 0 {
        if spin < spins {
          spin += 1
          ck_spin_pause()
          continue
        }
        pthread_mutex_lock(mutex)
        isCallerAsleep.store(true, ordering: .sequentiallyConsistent)
        while unfinished.load(ordering: .sequentiallyConsistent) != 0 { pthread_cond_wait(finished, mutex) }
        isCallerAsleep.store(false, ordering: .relaxed)
        pthread_mutex_unlock(mutex)
      }
      work = nil
    }

    func serve(index: Int) {
      if flushesSubnormals { _ = ck_flush_subnormals() }
      var seen = 0
      while true {
        awaitChange(from: seen)
        seen += 1
        if isStopping.load(ordering: .relaxed) { return }
        work?.perform(thread: index, of: threads)
        let left = unfinished.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue
        guard left == 0, isCallerAsleep.load(ordering: .sequentiallyConsistent) else { continue }
        pthread_mutex_lock(mutex)
        pthread_cond_signal(finished)
        pthread_mutex_unlock(mutex)
      }
    }

    private func awaitChange(from seen: Int) {
      var spin = 0
      while generation.load(ordering: .acquiring) == seen {
        if spin < spins {
          spin += 1
          ck_spin_pause()
          continue
        }
        pthread_mutex_lock(mutex)
        sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
        while generation.load(ordering: .sequentiallyConsistent) == seen { pthread_cond_wait(started, mutex) }
        sleepers.wrappingSubtract(1, ordering: .relaxed)
        pthread_mutex_unlock(mutex)
      }
    }
  }
}
