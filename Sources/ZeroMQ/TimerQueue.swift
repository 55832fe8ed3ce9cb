/// Deadlines in order; equal ones in the order they were set. A binary heap.
struct TimerQueue<Payload> {
  struct ID: Hashable, Sendable {
    fileprivate let sequence: UInt64
  }

  private struct Entry {
    let deadline: ContinuousClock.Instant
    let sequence: UInt64

    func isBefore(_ other: Entry) -> Bool {
      deadline == other.deadline ? sequence < other.sequence : deadline < other.deadline
    }
  }

  /// Entries whose payload is gone were cancelled; they leave when they reach the top or outnumber the others.
  private var heap: [Entry] = []
  private var payloads: [UInt64: Payload] = [:]
  private var nextSequence: UInt64 = 0

  var count: Int { payloads.count }
  /// Cancelled deadlines included.
  var storedCount: Int { heap.count }

  mutating func add(_ payload: Payload, at deadline: ContinuousClock.Instant) -> ID {
    let id = ID(sequence: nextSequence)
    nextSequence += 1
    payloads[id.sequence] = payload
    heap.append(Entry(deadline: deadline, sequence: id.sequence))
    siftUp(heap.count - 1)
    return id
  }

  /// False if the timer has fired or was cancelled before.
  @discardableResult
  mutating func cancel(_ id: ID) -> Bool {
    guard payloads.removeValue(forKey: id.sequence) != nil else { return false }
    if heap.count > 64, heap.count > 2 * payloads.count {
      heap.removeAll { payloads[$0.sequence] == nil }
      heap.sort { $0.isBefore($1) }
    }
    return true
  }

  mutating func removeAll() {
    heap = []
    payloads = [:]
  }

  /// Marks the end of the timers set so far, for ``popDue(by:before:)``.
  var boundary: ID { ID(sequence: nextSequence) }

  /// Removes the earliest timer if it is due and was set before `boundary`, so that a timer that sets another at once
  /// does not keep its loop for ever.
  mutating func popDue(by now: ContinuousClock.Instant, before boundary: ID) -> Payload? {
    dropCancelled()
    guard let top = heap.first, top.deadline <= now, top.sequence < boundary.sequence else { return nil }
    removeTop()
    return payloads.removeValue(forKey: top.sequence)
  }

  mutating func nextDeadline() -> ContinuousClock.Instant? {
    dropCancelled()
    return heap.first?.deadline
  }

  private mutating func dropCancelled() {
    while let top = heap.first, payloads[top.sequence] == nil { removeTop() }
  }

  private mutating func removeTop() {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    siftDown(0)
  }

  private mutating func siftUp(_ start: Int) {
    var child = start
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].isBefore(heap[parent]) else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  private mutating func siftDown(_ start: Int) {
    var parent = start
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].isBefore(heap[least]) {
        least = child
      }
      guard least != parent else { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
