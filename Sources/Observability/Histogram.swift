import Synchronization

/// The upper bounds of a histogram's buckets, without the infinite last one.
package struct HistogramBuckets: Hashable, Sendable {
  /// Most bounds of a histogram: each is a time series.
  package static let countMax = 32

  package let bounds: [Double]

  /// - Parameter bounds: finite, rising, 1 to `countMax`.
  package init(_ bounds: [Double]) {
    precondition(!bounds.isEmpty && bounds.count <= Self.countMax, "found \(bounds.count) bounds")
    precondition(bounds.allSatisfy(\.isFinite), "the infinite bucket is there by itself")
    precondition(zip(bounds, bounds.dropFirst()).allSatisfy(<), "bounds rise")
    self.bounds = bounds
  }

  /// Requests: 50 µs to 10 s.
  package static let seconds = HistogramBuckets([
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  ])
  /// Rounds and their phases: 5 ms to an hour.
  package static let roundSeconds = HistogramBuckets([
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600,
  ])
  /// Rows of a batch: 1 to 256.
  package static let rows = HistogramBuckets([1, 2, 4, 8, 16, 32, 64, 128, 256])
  /// What libraries record, of any unit.
  package static let powersOfTen = HistogramBuckets([
    0.000_001, 0.000_01, 0.000_1, 0.001, 0.01, 0.1, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000,
  ])
}

/// Observations counted by size.
///
/// One atomic addition for the bucket and one for the sum. A reader may see a count whose value is not in the sum yet;
/// the total is the sum of the buckets, so that those always agree.
package final class Histogram: MetricInstrument {
  package let buckets: HistogramBuckets
  /// Owned here; one more than there are bounds. Only atomic operations touch what is behind it.
  nonisolated(unsafe) private let counts: UnsafeMutablePointer<Atomic<UInt64>>
  private let sum = AtomicDouble(0)
  private let exemplars: Mutex<[Exemplar?]>

  package init(_ buckets: HistogramBuckets) {
    self.buckets = buckets
    let count = buckets.bounds.count + 1
    counts = .allocate(capacity: count)
    for i in 0..<count { (counts + i).initialize(to: Atomic(0)) }
    exemplars = Mutex(Array(repeating: nil, count: count))
  }

  deinit {
    counts.deinitialize(count: buckets.bounds.count + 1)
    counts.deallocate()
  }

  /// - Parameter value: not a number counts as infinite.
  package func observe(_ value: Double) { count(value, in: bucket(of: value)) }

  package func observe(_ duration: Duration) { observe(duration.inSeconds) }

  /// Also keeps the trace of a sampled observation beside its bucket; never waits for another thread that does.
  ///
  /// - Parameters:
  ///   - trace: nil for none.
  ///   - unixSeconds: when it was observed.
  package func observe(_ value: Double, trace: TraceContext?, at unixSeconds: @autoclosure () -> Double) {
    let bucket = bucket(of: value)
    count(value, in: bucket)
    guard let trace, trace.isSampled else { return }
    let exemplar = Exemplar(traceID: trace.traceID, value: value, unixSeconds: unixSeconds())
    exemplars.withLockIfAvailable { $0[bucket] = exemplar }
  }

  private func bucket(of value: Double) -> Int {
    let bounds = buckets.bounds
    var i = 0
    // An upper bound belongs to its bucket; not a number is below none.
    while i < bounds.count, !(value <= bounds[i]) { i += 1 }
    return i
  }

  private func count(_ value: Double, in bucket: Int) {
    counts[bucket].wrappingAdd(1, ordering: .relaxed)
    sum.add(value)
  }

  package var distribution: Distribution {
    Distribution(
      bounds: buckets.bounds, counts: (0...buckets.bounds.count).map { counts[$0].load(ordering: .relaxed) },
      sum: sum.value, exemplars: exemplars.withLock { $0 })
  }

  package var value: MetricValue { .distribution(distribution) }
}

extension TraceContext {
  /// Whether its sender keeps the trace (W3C Trace Context §3.2.2.5.1).
  package var isSampled: Bool { flags & 1 == 1 }
}

extension Duration {
  /// Seconds as a binary fraction, for people and histograms.
  var inSeconds: Double {
    let (whole, attoseconds) = components
    return Double(whole) + Double(attoseconds) * 1e-18
  }
}
