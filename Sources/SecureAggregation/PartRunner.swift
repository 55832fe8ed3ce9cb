/// Runs the parts of one piece of work on the threads of its owner, so that algorithms say what may run at once and stay
/// free of threads.
///
/// Parts write to places of their own, and what they compute does not depend on how many there are: results are the same
/// for any runner.
package protocol PartRunner {
  /// How many parts run at a time; work is cut into that many.
  var threadCount: Int { get }

  /// Calls `body` once with each of `0..<parts`, in any order and from any thread; returns when all calls have.
  func run(parts: Int, _ body: @Sendable (Int) -> Void)
}

/// One part after another, on the thread of the caller.
package struct SequentialRunner: PartRunner {
  package init() {}

  package var threadCount: Int { 1 }

  package func run(parts: Int, _ body: @Sendable (Int) -> Void) {
    for part in 0..<parts { body(part) }
  }
}

extension PartRunner {
  /// Cuts `elements` into one range a thread, each but the last a multiple of `multiple` long, and runs them.
  ///
  /// No range is shorter than `least` unless it is the only one.
  func forEachRange(
    of elements: Range<Int>, multiple: Int, least: Int = 1, _ body: @Sendable (Range<Int>) -> Void
  ) {
    guard !elements.isEmpty else { return }
    let parts = max(1, min(threadCount, elements.count / max(least, 1)))
    let perPart = ((elements.count + parts - 1) / parts + multiple - 1) / multiple * multiple
    let ranges = (elements.count + perPart - 1) / perPart
    guard ranges > 1 else { return body(elements) }
    run(parts: ranges) { part in
      let start = elements.lowerBound + part * perPart
      body(start..<min(start + perPart, elements.upperBound))
    }
  }
}
