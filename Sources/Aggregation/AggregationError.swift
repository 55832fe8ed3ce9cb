import Federation

/// Why an aggregation refused an update, a bound or a model: who sent it, and what is wrong with it.
package enum AggregationError: Error, Hashable, Sendable {
  /// The clip is not a positive number in `PlainAccumulator.clipRange`.
  case badClip(Double)
  /// Not in 1…`PlainAccumulator.maximumWeightLimit`.
  case badMaximumWeight(UInt64)
  /// More than `PlainAccumulator.updatesMax` updates.
  case tooManyUpdates(worker: WorkerID)
  /// A second update of the same worker.
  case duplicate(worker: WorkerID)
  /// Elements of the update, or bytes that are no whole number of elements.
  case wrongLength(worker: WorkerID, expected: Int, found: Int)
  case wrongAuxiliaryLength(worker: WorkerID, expected: Int, found: Int)
  /// An auxiliary value outside ±`PlainAccumulator.auxiliaryMagnitudeMax`.
  case auxiliaryOutOfRange(worker: WorkerID, index: Int)
  case nonFiniteValue(worker: WorkerID, coordinate: Int)
  /// The L2 norm is above the clip.
  case normAboveClip(worker: WorkerID, norm: Double)
  /// Zero, or above the maximum.
  case badWeight(worker: WorkerID, weight: UInt64)
  /// Nothing was added.
  case noUpdates
  /// Model and mean difference have different lengths.
  case modelLength(expected: Int, found: Int)
  /// The new model would have a value that is not a number or infinite.
  case nonFiniteModel(coordinate: Int)
}
