import Federation

extension Strategy {
  /// How the server's model moves under this strategy.
  package var optimizer: ServerOptimizer {
    func value(_ setting: Setting) -> Double { self[setting] ?? 0 }
    return switch method {
    case .fedAvg, .fedProx, .fedNova, .qFedAvg, .median, .trimmedMean, .krum, .multiKrum, .geometricMedian, .fedBuff:
      .sgd
    case .fedAvgM: .momentum(beta: value(.momentum))
    case .fedAdagrad: .adagrad(beta1: value(.beta1), tau: value(.tau))
    case .fedAdam: .adam(beta1: value(.beta1), beta2: value(.beta2), tau: value(.tau))
    case .fedYogi: .yogi(beta1: value(.beta1), beta2: value(.beta2), tau: value(.tau))
    case .scaffold: .controlled
    }
  }

  /// What the server remembers before the first round of a run.
  package func initialState(count: Int) -> ServerState { optimizer.initialState(count: count) }

  /// The next version of the model.
  ///
  /// - Parameters:
  ///   - model: θ of the base version, shape `[d]`.
  ///   - difference: Δ, in which the updates of the round are combined, shape `[d]`.
  ///   - control: of the round, under SCAFFOLD alone.
  ///   - state: of the base version; afterwards of the version that is returned. Unchanged on an error.
  /// - Throws: `modelLength`, `stateMismatch`, `nonFiniteModel`, `nonFiniteState`; nothing may be published then.
  package func nextModel(
    from model: [Float], difference: [Float], control: ControlScale? = nil, state: inout ServerState
  ) throws(AggregationError) -> [Float] {
    try optimizer.step(model, by: difference, learningRate: serverLearningRate, control: control, state: &state)
  }
}
