import Synchronization

/// A number that goes up and down.
package final class Gauge: MetricInstrument {
  private let bits: AtomicDouble

  package init(_ initial: Double = 0) { bits = AtomicDouble(initial) }

  package func set(_ value: Double) { bits.set(value) }
  package func set(_ value: some BinaryInteger) { bits.set(Double(value)) }
  /// - Parameter amount: may be negative.
  package func add(_ amount: Double) { bits.add(amount) }

  package var current: Double { bits.value }
  package var value: MetricValue { .number(current) }
}

/// A floating-point number that threads add to without a lock.
///
/// Addition reads, adds and swaps until nobody was in between: a thread that fails lets another one succeed.
final class AtomicDouble: Sendable {
  private let bits: Atomic<UInt64>

  init(_ value: Double) { bits = Atomic(value.bitPattern) }

  var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

  func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

  func add(_ amount: Double) {
    var old = bits.load(ordering: .relaxed)
    while true {
      let new = (Double(bitPattern: old) + amount).bitPattern
      let (isExchanged, found) = bits.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
      if isExchanged { return }
      old = found
    }
  }
}
