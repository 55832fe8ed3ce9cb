import Federation
import Synchronization

/// What one version has done since it was loaded: the statistics extension of the Open Inference Protocol. Any thread may
/// add to it.
package final class VersionStatistics: Sendable {
  /// How often, and how long together.
  package struct Total: Hashable, Sendable {
    package var count = 0
    package var nanoseconds = 0
  }

  package struct Figures: Hashable, Sendable {
    /// Rows that were predicted.
    package var inferences = 0
    /// Batches that were computed.
    package var executions = 0
    /// Milliseconds since 1970-01-01 UTC of the last answer; 0 for none.
    package var lastInference = 0
    package var success = Total()
    package var failure = Total()
    package var queue = Total()
    package var computing = Total()
  }

  private let inferences = Atomic(0)
  private let executions = Atomic(0)
  private let lastInference = Atomic(0)
  private let successes = Atomic(0)
  private let successTime = Atomic(0)
  private let failures = Atomic(0)
  private let failureTime = Atomic(0)
  private let queueTime = Atomic(0)
  private let computeTime = Atomic(0)

  init() {}

  /// Counts a batch.
  func computed(rows: Int, in duration: Duration) {
    inferences.add(rows, ordering: .relaxed)
    executions.add(1, ordering: .relaxed)
    computeTime.add(duration.inNanoseconds, ordering: .relaxed)
  }

  /// Counts a request that was answered.
  ///
  /// - Parameters:
  ///   - total: from its arrival to its answer.
  ///   - waiting: of it, in the queue.
  ///   - unixMilliseconds: now.
  func answered(in total: Duration, waiting: Duration, unixMilliseconds: Int) {
    successes.add(1, ordering: .relaxed)
    successTime.add(total.inNanoseconds, ordering: .relaxed)
    queueTime.add(waiting.inNanoseconds, ordering: .relaxed)
    lastInference.store(unixMilliseconds, ordering: .relaxed)
  }

  /// Counts a request that got no answer.
  package func failed(in total: Duration) {
    failures.add(1, ordering: .relaxed)
    failureTime.add(total.inNanoseconds, ordering: .relaxed)
  }

  /// Now; figures of requests in hand may be apart by one.
  package var figures: Figures {
    func read(_ value: borrowing Atomic<Int>) -> Int { value.load(ordering: .relaxed) }
    let answered = read(successes)
    return Figures(
      inferences: read(inferences), executions: read(executions), lastInference: read(lastInference),
      success: Total(count: answered, nanoseconds: read(successTime)),
      failure: Total(count: read(failures), nanoseconds: read(failureTime)),
      queue: Total(count: answered, nanoseconds: read(queueTime)),
      computing: Total(count: read(executions), nanoseconds: read(computeTime)))
  }
}

extension Duration {
  /// Whole nanoseconds, at most `Int.max`.
  var inNanoseconds: Int {
    let (seconds, attoseconds) = components
    let (product, overflow) = Int(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? .max : product &+ Int(attoseconds / 1_000_000_000)
  }
}
