import GradientKernel
import Synchronization
import Testing

@Suite("Thread pools")
struct ThreadPoolTests {
  private final class Tally: ParallelWork {
    let calls: UnsafeMutableBufferPointer<Int>
    init(threads: Int) {
      calls = .allocate(capacity: threads)
      calls.initialize(repeating: 0)
    }
    deinit { calls.deallocate() }
    func perform(thread: Int, of count: Int) { calls[thread] += count }
  }

  @Test("Every thread does its part of every run once, also when threads outnumber cores", arguments: [1, 2, 3, 9])
  func everyPart(threads: Int) {
    let tally = Tally(threads: threads)
    let pool = ThreadPool(threads: threads)
    for _ in 0..<2_000 { pool.run(tally) }
    #expect(Array(tally.calls) == Array(repeating: 2_000 * threads, count: threads))
  }

  @Test("Every part runs once, however many there are", arguments: [1, 2, 3], [0, 1, 2, 100])
  func parts(threads: Int, parts: Int) {
    let pool = ThreadPool(threads: threads)
    let calls = Mutex([Int](repeating: 0, count: parts))
    for _ in 0..<50 {
      pool.run(parts: parts) { part in calls.withLock { $0[part] += 1 } }
    }
    #expect(calls.withLock { $0 } == Array(repeating: 50, count: parts))
  }

  private final class Relay: ParallelWork {
    let pool: ThreadPool
    let marks: UnsafeMutableBufferPointer<Int>
    let misses = Atomic<Int>(0)
    init(threads: Int) {
      pool = ThreadPool(threads: threads)
      marks = .allocate(capacity: threads)
      marks.initialize(repeating: 0)
    }
    deinit { marks.deallocate() }
    func perform(thread: Int, of count: Int) {
      for round in 1...200 {
        marks[thread] = round
        pool.meet()
        for other in 0..<count where marks[other] != round { misses.wrappingAdd(1, ordering: .relaxed) }
        pool.meet()
      }
    }
  }

  @Test("Whoever has met sees what all others wrote before", arguments: [1, 2, 3, 5])
  func meetings(threads: Int) {
    let relay = Relay(threads: threads)
    relay.pool.run(relay)
    #expect(relay.misses.load(ordering: .relaxed) == 0)
  }
}
