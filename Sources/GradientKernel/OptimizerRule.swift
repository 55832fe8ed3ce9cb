/// How one step moves the parameters, given the gradient of the mean loss of its batch.
package struct OptimizerRule: Hashable, Sendable {
  package enum Method: Hashable, Sendable {
    /// `v = momentum · v + g`, `w −= η · v`; with Nesterov's look-ahead `w −= η · (g + momentum · v)`.
    case sgd(momentum: Float, nesterov: Bool)
    /// Kingma, Ba 2015. Decoupled, weight decay shrinks the weights beside the step (AdamW: Loshchilov, Hutter 2019).
    case adam(beta1: Float, beta2: Float, epsilon: Float, decoupled: Bool)
  }

  package var method: Method
  /// λ: adds `λ · w` to the gradient, or shrinks `w` by `η · λ` a step if decoupled.
  package var weightDecay: Float
  /// μ: adds `μ · (w − w₀)` to the gradient, with the loaded parameters as w₀ (FedProx: Li et al. 2020).
  package var proximal: Float
  /// The most that the L2 norm of the batch's gradient may be, weight decay and the proximal term aside; nil for any.
  package var clipNorm: Float?
  /// The most that the L2 norm of each example's gradient may be before they are averaged (Abadi et al. 2016).
  package var exampleClipNorm: Float?

  package init(
    _ method: Method = .sgd(momentum: 0, nesterov: false), weightDecay: Float = 0, proximal: Float = 0,
    clipNorm: Float? = nil, exampleClipNorm: Float? = nil
  ) {
    self.method = method
    self.weightDecay = weightDecay
    self.proximal = proximal
    self.clipNorm = clipNorm
    self.exampleClipNorm = exampleClipNorm
  }

  /// Whether a step is linear in the gradient and keeps nothing: then it is added to the weights as it is computed.
  var isPlain: Bool { method == .sgd(momentum: 0, nesterov: false) && clipNorm == nil }
}
