/// What a server optimizer remembers between two rounds. It belongs to one model version as its parameters do: a version
/// without it cannot be trained on as if nothing had happened.
package struct ServerState: Hashable, Sendable {
  /// Rounds that went into it.
  package var steps: UInt64
  /// Each of shape `[d]`, by name.
  package var vectors: [String: [Float]]

  package init(steps: UInt64 = 0, vectors: [String: [Float]] = [:]) {
    self.steps = steps
    self.vectors = vectors
  }

  /// Replaces a vector, element by element, each rounded once to Float32.
  ///
  /// - Returns: its new values.
  /// - Precondition: the vector is there.
  mutating func update(_ name: String, _ body: (_ old: Double, _ coordinate: Int) -> Double) -> [Float] {
    guard let old = vectors.removeValue(forKey: name) else { preconditionFailure("a state without '\(name)'") }
    let new = old.indices.map { Float(body(Double(old[$0]), $0)) }
    vectors[name] = new
    return new
  }
}

extension ServerState {
  /// The name of c among the vectors of SCAFFOLD.
  package static let controlVariate = "control-variate"

  /// c of SCAFFOLD, shape `[d]`; nil before the first round, where it is zeros, and under other strategies.
  package var control: [Float]? { steps > 0 ? vectors[Self.controlVariate] : nil }
}
