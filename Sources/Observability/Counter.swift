import Synchronization

/// A number that only grows.
package final class Counter: MetricInstrument {
  private let count = Atomic<UInt64>(0)

  package init() {}

  /// One atomic addition. What is behind 2^64 begins at 0 again, which a reader takes for a restart.
  package func add(_ amount: UInt64 = 1) { count.wrappingAdd(amount, ordering: .relaxed) }

  package var total: UInt64 { count.load(ordering: .relaxed) }
  package var value: MetricValue { .count(total) }
}
