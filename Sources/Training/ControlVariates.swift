import Federation

/// What a worker holds of SCAFFOLD (Karimireddy et al. 2020, Algorithm 1) when a round begins.
///
/// Every local step is `y ← y − η_l·(g(y) − c_i + c)`: the drift towards the worker's own optimum, c_i, is replaced by
/// that of all, c.
package struct ControlVariates: Hashable, Sendable {
  /// c, shape `[d]`; nil for zeros.
  package var server: [Float]?
  /// c_i, shape `[d]`; nil for zeros.
  package var own: [Float]?

  package init(server: [Float]? = nil, own: [Float]? = nil) {
    self.server = server
    self.own = own
  }

  /// `c − c_i`, which is added to every gradient; nil for zeros.
  package var correction: [Float]? {
    switch (server, own) {
    case (nil, nil): nil
    case (let c?, nil): c
    case (nil, let own?): own.map { -$0 }
    case (let c?, let own?): zip(c, own).map { $0 - $1 }
    }
  }

  /// `c_i⁺ = c_i − c − Δ_i/(K·η_l)` (option II), each element rounded once.
  ///
  /// Δ_i is what the sum takes of the difference: where its norm is above the clip, it is shortened alike. So c stays the
  /// mean of all c_i.
  ///
  /// - Parameters:
  ///   - difference: `y − x`, shape `[d]`, before the clip.
  ///   - clip: C.
  ///   - reach: K·η_l, above 0.
  package func next(after difference: [Float], clip: Double, reach: Double) -> [Float] {
    let norm = difference.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    let scale = (norm > clip ? clip / norm : 1) / reach
    return difference.indices.map { i in
      Float(Double(own?[i] ?? 0) - Double(server?[i] ?? 0) - Double(difference[i]) * scale)
    }
  }
}

/// What a worker's part in a round comes to.
package struct LocalResult: Sendable {
  /// To report.
  package var update: ClientUpdate
  /// c_i⁺ of SCAFFOLD, which never leaves the worker and is its c_i once the update counts; nil under other strategies.
  package var control: [Float]?

  package init(update: ClientUpdate, control: [Float]? = nil) {
    self.update = update
    self.control = control
  }
}
