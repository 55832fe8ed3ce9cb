import Federation

/// Why an aggregation refused an update, a bound or a model: who sent it, and what is wrong with it.
package enum AggregationError: Error, Hashable, Sendable, CustomStringConvertible {
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
  /// What the server remembers is not of this optimizer, or of a model of another length.
  case stateMismatch(optimizer: String)
  /// What the server would remember has a value that is not a number or infinite.
  case nonFiniteState(optimizer: String)
  /// A rule says nothing about so few updates.
  case tooFewUpdates(found: Int, needed: Int, rule: String)
  /// So few groups have a sum that honest workers could have made that the rule cannot tell which of them lie.
  case tooFewGroups(found: Int, needed: Int, rule: String)
  /// What the sum has to be divided or multiplied by is not a positive number.
  case badNormaliser(Double, strategy: String)
  /// More updates in a sum than there are workers in the federation.
  case populationExceeded(updates: UInt64, population: UInt64)

  package var description: String {
    switch self {
    case .badClip(let clip): "clip: found \(clip), expected a number in \(PlainAccumulator.clipRange)"
    case .badMaximumWeight(let weight):
      "maximum weight: found \(weight), expected 1 to \(PlainAccumulator.maximumWeightLimit)"
    case .tooManyUpdates: "more updates than \(PlainAccumulator.updatesMax)"
    case .duplicate(let worker): "a second update of \(worker)"
    case .wrongLength(let worker, let expected, let found):
      "the update of \(worker): found \(found) elements, expected \(expected)"
    case .wrongAuxiliaryLength(let worker, let expected, let found):
      "the auxiliary vector of \(worker): found \(found) elements, expected \(expected)"
    case .auxiliaryOutOfRange(let worker, let index):
      "the auxiliary vector of \(worker): element \(index) is out of range"
    case .nonFiniteValue(let worker, let coordinate):
      "the update of \(worker): element \(coordinate) is not a finite number"
    case .normAboveClip(let worker, let norm): "the update of \(worker): its norm \(norm) is above the clip"
    case .badWeight(let worker, let weight): "the weight of \(worker): found \(weight), expected 1 to the maximum"
    case .noUpdates: "no updates"
    case .modelLength(let expected, let found): "the model: found \(found) elements, expected \(expected)"
    case .nonFiniteModel(let coordinate): "element \(coordinate) of the new model is not a finite number"
    case .stateMismatch(let optimizer):
      "the server's state: found another, expected one of the optimizer '\(optimizer)'"
    case .tooFewUpdates(let found, let needed, let rule): "\(rule): found \(found) updates, expected at least \(needed)"
    case .tooFewGroups(let found, let needed, let rule):
      "\(rule): found \(found) groups with a sum of honest form, expected at least \(needed)"
    case .badNormaliser(let value, let strategy):
      "\(strategy): its workers' terms come to \(value), expected more than 0"
    case .populationExceeded(let updates, let population):
      "found \(updates) updates in the sum, expected at most \(population), the population of the strategy"
    case .nonFiniteState(let optimizer): "the new state of the optimizer '\(optimizer)' is not finite"
    }
  }
}
