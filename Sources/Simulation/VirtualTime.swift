import Federation

/// Virtual time: nanoseconds since the simulation began; no clock of the machine is ever read.
enum VirtualTime {
  static let zero = MonotonicTime(nanoseconds: 0)
  /// What the calendar shows at `zero`: 2026-01-01 00:00:00 UTC, in seconds since 1970.
  static let epoch: UInt64 = 1_767_225_600

  /// Seconds since 1970 at a virtual moment: what the parties' calendars show.
  static func calendar(at time: MonotonicTime) -> UInt64 { epoch + time.nanoseconds / 1_000_000_000 }
}

extension MonotonicTime {
  /// Seconds since the simulation began.
  var seconds: Double { Double(nanoseconds) * 1e-9 }
}

/// What will happen, in the order in which it does: by time, and at one time in the order of scheduling.
struct EventQueue<Event> {
  private struct Entry {
    let time: MonotonicTime
    let number: UInt64
    let event: Event

    func isBefore(_ other: Entry) -> Bool { time == other.time ? number < other.number : time < other.time }
  }

  /// A binary heap: no entry is before its parent, at `(i − 1) / 2`.
  private var heap: [Entry] = []
  private var scheduled: UInt64 = 0

  /// When `next` is due; nil if nothing is scheduled.
  var nextTime: MonotonicTime? { heap.first?.time }

  mutating func schedule(_ event: Event, at time: MonotonicTime) {
    heap.append(Entry(time: time, number: scheduled, event: event))
    scheduled += 1
    var child = heap.count - 1
    while child > 0, heap[child].isBefore(heap[(child - 1) / 2]) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  /// Removes what is due first.
  mutating func next() -> (time: MonotonicTime, event: Event)? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      var parent = 0
      while true {
        var least = parent
        for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].isBefore(heap[least]) {
          least = child
        }
        if least == parent { break }
        heap.swapAt(parent, least)
        parent = least
      }
    }
    return (first.time, first.event)
  }
}
