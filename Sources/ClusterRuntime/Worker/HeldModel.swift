import Federation
import Rounds
import Tensors
import Training

/// All that a worker needs in order to train on an offered model.
struct HeldModel: Sendable {
  var tensors: [NamedTensor] = []
  var controls = ControlVariates()

  init() {}

  /// - Parameter fetched: the tensors of `offer.blobs`.
  /// - Throws: what reading the worker's own control variate throws.
  init(
    _ offer: RoundOffer, fetched: [NamedTensor], own: any ControlVariateKeeping
  ) throws(ControlVariateError) {
    let (model, control) = offer.split(fetched)
    tensors = model
    guard offer.usesControlVariates, let since = offer.task.control?.since else { return }
    controls.server = control
    controls.own = try own.own(
      in: offer.attempt.run, since: since, count: Int(clamping: offer.configuration.vectorLength))
  }
}
