import Testing

@testable import ZeroMQ

@Suite("Timer queue")
struct TimerQueueTests {
  let start = ContinuousClock.now

  private func drain(_ timers: inout TimerQueue<Int>, by now: ContinuousClock.Instant) -> [Int] {
    var fired: [Int] = []
    let boundary = timers.boundary
    while let payload = timers.popDue(by: now, before: boundary) { fired.append(payload) }
    return fired
  }

  @Test("Timers fire by deadline, equal ones in the order they were set, and none early")
  func order() {
    var timers = TimerQueue<Int>()
    for (index, delay) in [5, 3, 9, 3, 1, 5, 3].enumerated() {
      _ = timers.add(index, at: start + .seconds(delay))
    }
    let first = timers.nextDeadline()
    #expect(first == start + .seconds(1))
    #expect(drain(&timers, by: start) == [])
    #expect(drain(&timers, by: start + .seconds(3)) == [4, 1, 3, 6])
    #expect(drain(&timers, by: start + .seconds(100)) == [0, 5, 2])
    let last = timers.nextDeadline()
    #expect(last == nil)
  }

  @Test("A cancelled timer does not fire and is no deadline; cancelling twice is reported")
  func cancels() {
    var timers = TimerQueue<Int>()
    let first = timers.add(1, at: start + .seconds(1))
    _ = timers.add(2, at: start + .seconds(2))
    let answers = [timers.cancel(first), timers.cancel(first)]
    #expect(answers == [true, false])
    let deadline = timers.nextDeadline()
    #expect(deadline == start + .seconds(2))
    #expect(drain(&timers, by: start + .seconds(3)) == [2])
  }

  @Test("Timers set while others fire wait for the next turn")
  func boundary() {
    var timers = TimerQueue<Int>()
    _ = timers.add(1, at: start)
    let boundary = timers.boundary
    let first = timers.popDue(by: start, before: boundary)
    _ = timers.add(2, at: start)
    let second = timers.popDue(by: start, before: boundary)
    #expect([first, second] == [1, nil])
    #expect(drain(&timers, by: start) == [2])
  }

  @Test("Timers that are set and taken back for ever do not pile up")
  func staysSmall() {
    var timers = TimerQueue<Int>()
    for index in 0..<10_000 {
      let id = timers.add(index, at: start + .seconds(1000 + index))
      if index % 100 != 0 { timers.cancel(id) }
    }
    #expect(timers.count == 100)
    #expect(timers.storedCount <= 266)
    #expect(drain(&timers, by: start + .seconds(20_000)) == (0..<100).map { $0 * 100 })
  }

  @Test("Random schedules fire in the order that sorting gives", arguments: 1...20)
  func agreesWithSorting(seed: UInt64) {
    var state = seed
    func random(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    var timers = TimerQueue<Int>()
    var expected: [(delay: UInt64, index: Int)] = []
    for index in 0..<200 {
      let delay = random(50)
      let id = timers.add(index, at: start + .seconds(delay))
      if random(4) == 0 { timers.cancel(id) } else { expected.append((delay, index)) }
    }
    expected.sort { ($0.delay, $0.index) < ($1.delay, $1.index) }
    #expect(drain(&timers, by: start + .seconds(50)) == expected.map(\.index))
  }
}
