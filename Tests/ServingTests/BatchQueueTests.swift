import Federation
import Serving
import Testing

@Suite("Requests that are computed together")
struct BatchQueueTests {
  private func time(_ milliseconds: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }
  private func queue(_ batch: Int, queued: Int, delay: Duration = .zero) -> Line<String> {
    Line(BatchLimits(batchRowsMax: batch, queuedRowsMax: queued, delay: delay))
  }

  /// A queue that expectations may change.
  private final class Line<Element> {
    private(set) var queue: BatchQueue<Element>

    init(_ limits: BatchLimits) { queue = BatchQueue(limits: limits) }

    var isEmpty: Bool { queue.isEmpty }
    var rows: Int { queue.rows }
    var dueAt: MonotonicTime? { queue.dueAt }
    func isDue(at now: MonotonicTime) -> Bool { queue.isDue(at: now) }
    func take(at now: MonotonicTime) -> BatchQueue<Element>.Batch { queue.take(at: now) }
    func admit(_ element: Element, rows: Int, deadline: MonotonicTime, at now: MonotonicTime) -> Bool {
      queue.admit(element, rows: rows, deadline: deadline, at: now)
    }
  }

  @Test("Requests leave whole, in the order in which they came, as many as fit")
  func order() {
    let queue = queue(4, queued: 100)
    for (name, rows) in [("a", 2), ("b", 2), ("c", 1), ("d", 9), ("e", 1)] {
      #expect(queue.admit(name, rows: rows, deadline: time(100), at: time(0)))
    }
    var batches: [[String]] = []
    while !queue.isEmpty { batches.append(queue.take(at: time(1)).elements) }
    #expect(batches == [["a", "b"], ["c"], ["d"], ["e"]])
    #expect(queue.rows == 0)
  }

  @Test("A full queue takes nothing and loses nothing")
  func full() {
    let queue = queue(2, queued: 4)
    #expect(queue.admit("a", rows: 3, deadline: time(100), at: time(0)))
    #expect(!queue.admit("b", rows: 2, deadline: time(100), at: time(0)))
    #expect(queue.admit("c", rows: 1, deadline: time(100), at: time(0)))
    #expect(queue.rows == 4)
    #expect(queue.take(at: time(0)).elements == ["a"])
    #expect(queue.take(at: time(0)).elements == ["c"])
  }

  @Test("A request that is larger than the queue is taken when it is alone")
  func large() {
    let queue = queue(2, queued: 4)
    #expect(queue.admit("a", rows: 1_000, deadline: time(100), at: time(0)))
    #expect(!queue.admit("b", rows: 1, deadline: time(100), at: time(0)))
    #expect(queue.take(at: time(0)).rows == 1_000)
  }

  @Test("Who waited past the deadline is told apart and not computed")
  func deadlines() {
    let queue = queue(8, queued: 8)
    #expect(queue.admit("a", rows: 1, deadline: time(5), at: time(0)))
    #expect(queue.admit("b", rows: 1, deadline: time(50), at: time(0)))
    let batch = queue.take(at: time(5))
    #expect(batch.expired == ["a"])
    #expect(batch.elements == ["b"])
    #expect(queue.isEmpty)
  }

  @Test("A batch is due when it is full or its oldest request has waited for the delay")
  func due() {
    let queue = queue(2, queued: 8, delay: .milliseconds(3))
    #expect(queue.dueAt == nil)
    #expect(queue.admit("a", rows: 1, deadline: time(100), at: time(1)))
    #expect(!queue.isDue(at: time(3)))
    #expect(queue.isDue(at: time(4)))
    #expect(queue.admit("b", rows: 1, deadline: time(100), at: time(2)))
    #expect(queue.isDue(at: time(2)))
  }

  @Test("Without a delay a batch is due at once")
  func noDelay() {
    let queue = queue(64, queued: 64)
    #expect(queue.admit("a", rows: 1, deadline: time(100), at: time(7)))
    #expect(queue.isDue(at: time(7)))
  }

  @Test("Whatever comes and goes, every request leaves once, and rows add up", arguments: 1...20 as ClosedRange<UInt64>)
  func conservation(seed: UInt64) {
    var state = seed
    func draw(_ bound: UInt64) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % bound)
    }
    let queue = Line<Int>(BatchLimits(batchRowsMax: 8, queuedRowsMax: 32))
    var admitted: [Int: Int] = [:], computed: [Int] = [], expired: [Int] = []
    for step in 0..<2_000 {
      let now = time(UInt64(step))
      let rows = 1 + draw(6)
      if queue.admit(step, rows: rows, deadline: time(UInt64(step + draw(20))), at: now) { admitted[step] = rows }
      if draw(3) == 0 {
        let batch = queue.take(at: now)
        #expect(batch.rows == batch.elements.reduce(0) { $0 + (admitted[$1] ?? 0) })
        #expect(batch.rows <= 8 || batch.elements.count == 1)
        computed += batch.elements
        expired += batch.expired
      }
    }
    while !queue.isEmpty {
      let batch = queue.take(at: time(3_000))
      computed += batch.elements
      expired += batch.expired
    }
    #expect(computed == computed.sorted() && expired == expired.sorted())
    #expect((computed + expired).sorted() == admitted.keys.sorted())
    #expect(queue.rows == 0)
  }
}
