/// What a worker is asked to do with the model of an offer. Bound to the offer: its digest is the configuration's
/// `trainer` field.
package struct TrainingTask: Hashable, Sendable {
  package enum Kind: UInt8, Sendable, CaseIterable {
    /// Evaluate the model on the own hold-out, then train.
    case train = 0
    /// Evaluate only; nothing but the auxiliary vector is reported.
    case evaluate = 1
  }

  package var kind: Kind
  package var aggregation: AggregationMode
  /// The layer stack, as `ModelArchitecture` of the gradient kernel writes it.
  package var architecture: String
  /// Every feature is divided by this before it reaches the model.
  package var dataScale: Double
  /// The fraction of a worker's rows that it keeps for evaluation.
  package var holdOutFraction: Double
  /// Seeds shuffling and the hold-out split; logged, never secret.
  package var seed: UInt64
  package var optimizer: LocalOptimizer

  package init(
    kind: Kind, aggregation: AggregationMode, architecture: String, dataScale: Double, holdOutFraction: Double,
    seed: UInt64, optimizer: LocalOptimizer = LocalOptimizer()
  ) {
    self.kind = kind
    self.aggregation = aggregation
    self.architecture = architecture
    self.dataScale = dataScale
    self.holdOutFraction = holdOutFraction
    self.seed = seed
    self.optimizer = optimizer
  }

  /// The bytes whose SHA-256 is the configuration's `trainer` field.
  package var canonicalBytes: [UInt8] {
    var out = CanonicalBytes(label: "task")
    out.append(kind.rawValue)
    out.append(aggregation.code)
    out.append(prefixed: architecture)
    out.append(dataScale)
    out.append(holdOutFraction)
    out.append(seed)
    out.append(prefixed: optimizer.description)
    return out.bytes
  }
}
