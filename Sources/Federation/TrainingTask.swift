/// What a worker is asked to do with the model of an offer. Bound to the offer: its digest is the configuration's
/// `trainer` field.
package struct TrainingTask: Hashable, Sendable {
  package enum Kind: UInt8, Sendable, CaseIterable {
    /// Evaluate the model on the own hold-out, then train.
    case train = 0
    /// Evaluate only; nothing but the auxiliary vector is reported.
    case evaluate = 1
  }

  /// The server's control variate under SCAFFOLD.
  package struct Control: Hashable, Sendable {
    /// Of the blob: c as raw little-endian Float32, shape `[d]`.
    package var digest: Digest
    /// The first round that went into c. What a worker made its own in a round before that is zeros again: c and all c_i
    /// begin anew where a run goes back to an earlier version.
    package var since: RoundNumber

    package init(digest: Digest, since: RoundNumber) {
      self.digest = digest
      self.since = since
    }
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
  /// Nil where the control variates are zeros, the server's and all workers' own; and under strategies without them.
  package var control: Control?

  package init(
    kind: Kind, aggregation: AggregationMode, architecture: String, dataScale: Double, holdOutFraction: Double,
    seed: UInt64, optimizer: LocalOptimizer = LocalOptimizer(), control: Control? = nil
  ) {
    self.kind = kind
    self.aggregation = aggregation
    self.architecture = architecture
    self.dataScale = dataScale
    self.holdOutFraction = holdOutFraction
    self.seed = seed
    self.optimizer = optimizer
    self.control = control
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
    if let control {
      out.append(control.digest)
      out.append(control.since.value)
    }
    return out.bytes
  }
}
