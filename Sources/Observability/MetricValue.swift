/// What one series says when it is asked.
package enum MetricValue: Equatable, Sendable {
  case count(UInt64)
  case number(Double)
  case distribution(Distribution)
}

/// How many observations of a histogram fell where.
package struct Distribution: Equatable, Sendable {
  /// Upper bounds, rising, without the last one, which is infinite.
  package let bounds: [Double]
  /// Observations between two bounds, not cumulative; one more than there are bounds.
  package let counts: [UInt64]
  package let sum: Double
  /// The newest of each bucket that had a trace; as many as counts.
  package let exemplars: [Exemplar?]
}

/// One observation that stands for its bucket, with the trace to look it up by.
package struct Exemplar: Equatable, Sendable {
  /// 32 hexadecimal digits.
  package let traceID: String
  package let value: Double
  /// Seconds since 1970-01-01 UTC.
  package let unixSeconds: Double

  package init(traceID: String, value: Double, unixSeconds: Double) {
    self.traceID = traceID
    self.value = value
    self.unixSeconds = unixSeconds
  }
}

/// What counts or measures: a handle that code keeps, so that using it needs no look-up, no lock and no allocation.
package protocol MetricInstrument: AnyObject, Sendable {
  var value: MetricValue { get }
}
