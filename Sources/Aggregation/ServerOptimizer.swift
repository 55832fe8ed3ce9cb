import Federation

/// How the server's model moves once the updates of a round are combined into one difference Δ.
///
/// Δ points where the workers went (`θ_local − θ_server`): it is the *negative* of a gradient, so every method adds
/// where gradient descent subtracts. All arithmetic is `+ − × ÷ √` in binary64, each result that is kept rounded once to
/// Float32, and what is kept is what moves the model: the same bits on every machine, before and after a restart.
package enum ServerOptimizer: Hashable, Sendable {
  /// `θ ← θ + η·Δ` (Reddi et al. 2021, Algorithm 1 with SGD as the server optimizer).
  case sgd
  /// `m ← β·m + Δ; θ ← θ + η·m` (Hsu et al. 2019, FedAvgM).
  case momentum(beta: Double)
  /// `m ← β₁·m + (1 − β₁)·Δ; v ← v + Δ²; θ ← θ + η·m/(√v + τ)` (Reddi et al. 2021, Algorithm 2, FedAdagrad).
  case adagrad(beta1: Double, tau: Double)
  /// As Adagrad with `v ← β₂·v + (1 − β₂)·Δ²` (FedAdam). Without bias correction, as published.
  case adam(beta1: Double, beta2: Double, tau: Double)
  /// As Adagrad with `v ← v − (1 − β₂)·Δ²·sign(v − Δ²)` (FedYogi).
  case yogi(beta1: Double, beta2: Double, tau: Double)
  /// `θ ← θ + η·Δ; c ← c + |S|/N·(−c − Δ/(K·η_l))` (Karimireddy et al. 2020, SCAFFOLD).
  ///
  /// The paper's server adds up a second vector, `c ← c + 1/N·Σ Δc_i`. But with option II `Δc_i = −c − Δ_i/(K·η_l)`, and
  /// c, K and η_l are the same for all: the mean of Δc_i over S follows from the mean of Δ_i alone.
  case controlled

  /// The name in the signed rules of a round.
  package var name: String {
    switch self {
    case .sgd: "sgd"
    case .momentum: "momentum"
    case .adagrad: "adagrad"
    case .adam: "adam"
    case .yogi: "yogi"
    case .controlled: "scaffold"
    }
  }

  private static let firstMoment = "first-moment"
  private static let secondMoment = "second-moment"

  /// Whether it remembers anything from one round to the next.
  package var hasState: Bool { self != .sgd }

  /// What it remembers before the first round: `m = 0` and `v = τ²`, the least that Reddi et al. allow.
  ///
  /// - Parameter count: d.
  package func initialState(count: Int) -> ServerState {
    func filled(_ value: Double) -> [Float] { Array(repeating: Float(value), count: count) }
    return switch self {
    case .sgd: ServerState()
    case .momentum: ServerState(vectors: [Self.firstMoment: filled(0)])
    case .adagrad(_, let tau), .adam(_, _, let tau), .yogi(_, _, let tau):
      ServerState(vectors: [Self.firstMoment: filled(0), Self.secondMoment: filled(tau * tau)])
    case .controlled: ServerState(vectors: [ServerState.controlVariate: filled(0)])
    }
  }

  /// Whether a state is one of this optimizer, for a model of `count` elements.
  package func fits(_ state: ServerState, count: Int) -> Bool {
    let expected = initialState(count: 0)
    return Set(expected.vectors.keys) == Set(state.vectors.keys)
      && state.vectors.values.allSatisfy { $0.count == count && $0.allSatisfy(\.isFinite) }
  }

  /// The model after one step, each value rounded once from binary64.
  ///
  /// - Parameters:
  ///   - model: θ, shape `[d]`.
  ///   - difference: Δ, shape `[d]`.
  ///   - learningRate: η.
  ///   - control: of the round, for `controlled` alone.
  ///   - state: of the model; afterwards of the model that is returned. Unchanged on an error.
  /// - Throws: `modelLength`, `stateMismatch`, `nonFiniteModel`, `nonFiniteState`.
  package func step(
    _ model: [Float], by difference: [Float], learningRate: Double, control: ControlScale? = nil,
    state: inout ServerState
  ) throws(AggregationError) -> [Float] {
    guard model.count == difference.count else {
      throw .modelLength(expected: model.count, found: difference.count)
    }
    guard fits(state, count: model.count) else { throw .stateMismatch(optimizer: name) }
    var next = state
    next.steps += 1
    let moved: [Float]
    switch self {
    case .sgd:
      moved = Self.move(model, learningRate) { Double(difference[$0]) }
    case .momentum(let beta):
      let first = next.update(Self.firstMoment) { beta * $0 + Double(difference[$1]) }
      moved = Self.move(model, learningRate) { Double(first[$0]) }
    case .adagrad(let beta1, let tau):
      moved = Self.adapt(model, by: difference, learningRate, beta1, tau, &next) { $0 + $1 }
    case .adam(let beta1, let beta2, let tau):
      moved = Self.adapt(model, by: difference, learningRate, beta1, tau, &next) { beta2 * $0 + (1 - beta2) * $1 }
    case .yogi(let beta1, let beta2, let tau):
      moved = Self.adapt(model, by: difference, learningRate, beta1, tau, &next) { second, square in
        let change = (1 - beta2) * square
        return second > square ? second - change : second < square ? second + change : second
      }
    case .controlled:
      guard let control else { preconditionFailure("a step of SCAFFOLD without the scale of its round") }
      moved = Self.move(model, learningRate) { Double(difference[$0]) }
      _ = next.update(ServerState.controlVariate) { c, i in
        c + control.participation * (-c - Double(difference[i]) / control.reach)
      }
    }
    if let coordinate = moved.firstIndex(where: { !$0.isFinite }) { throw .nonFiniteModel(coordinate: coordinate) }
    guard fits(next, count: model.count) else { throw .nonFiniteState(optimizer: name) }
    state = next
    return moved
  }

  /// `θ + η·s`, s given by coordinate.
  private static func move(_ model: [Float], _ learningRate: Double, by step: (Int) -> Double) -> [Float] {
    model.indices.map { Float(Double(model[$0]) + learningRate * step($0)) }
  }

  /// The step that the three adaptive methods share; `second` gives v from the old v and Δ².
  private static func adapt(
    _ model: [Float], by difference: [Float], _ learningRate: Double, _ beta1: Double, _ tau: Double,
    _ state: inout ServerState, second: (_ old: Double, _ square: Double) -> Double
  ) -> [Float] {
    let m = state.update(firstMoment) { beta1 * $0 + (1 - beta1) * Double(difference[$1]) }
    let v = state.update(secondMoment) { second($0, Double(difference[$1]) * Double(difference[$1])) }
    return move(model, learningRate) { Double(m[$0]) / (Double(v[$0]).squareRoot() + tau) }
  }
}
