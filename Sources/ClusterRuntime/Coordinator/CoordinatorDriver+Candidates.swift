import Federation
import Rounds
import Tensors
import Training

/// Versions that are measured before they are published.
extension CoordinatorDriver {
  /// A version that was made and not yet published.
  struct Candidate {
    let attempt: AttemptID
    let release: ModelRelease
  }

  /// Makes the next version, and has it measured on the coordinator's data.
  func prepare(_ order: RunStateMachine.CommitOrder, measuresBase: Bool) {
    guard let current = active, let evaluator else {
      return handle(.failed(reason: "the run measures its versions on data that this coordinator does not have"))
    }
    guard let release = release(order) else { return }
    active?.candidate = Candidate(attempt: order.attempt, release: release)
    let base = measuresBase ? current.parameters : nil
    let architecture = current.configuration.model.architecture, scale = current.configuration.data.scale
    evaluator.thread.post(to: evaluator) { [self] evaluator in
      let result: Result<(RoundMetrics, RoundMetrics?), TrainingError>
      do throws(TrainingError) {
        let before = if let base { try evaluator.measure(base, architecture, scale: scale) } else { RoundMetrics?.none }
        result = .success((try evaluator.measure(release.parameters, architecture, scale: scale), before))
      } catch {
        result = .failure(error)
      }
      thread.post(to: self) { $0.measured(result, attempt: order.attempt) }
    }
  }

  private func measured(
    _ result: Result<(RoundMetrics, RoundMetrics?), TrainingError>, attempt: AttemptID
  ) {
    guard active?.candidate?.attempt == attempt else { return }
    switch result {
    case .success((let metrics, let base)): handle(.candidateMeasured(metrics, base: base))
    case .failure(let error):
      handle(.commitRejected(reason: "not published: on the coordinator's data: \(error)"))
    }
  }
}
