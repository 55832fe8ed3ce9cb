import Aggregation
import Cryptography
import Federation
import GradientKernel
import Rounds
import SecureAggregation
import Tensors

extension RunConfiguration {
  /// The plan of this run on a federation.
  ///
  /// - Parameter architecture: of `model.architecture`.
  package func plan(membership: MembershipList, architecture: ModelArchitecture) -> RunPlan {
    let workers = membership.members(role: .worker).count
    func rules(_ task: TrainingTask) -> RoundConfiguration {
      var rules = roundConfiguration(
        vectorLength: UInt64(architecture.layout.count), membership: membership,
        evaluationOnly: task.kind == .evaluate)
      if task.kind == .evaluate { rules.localEpochs = 0 }
      rules.trainer = Digest(unchecked: SHA256.hash(task.canonicalBytes))
      return rules
    }
    let training = task(.train, architecture), evaluation = task(.evaluate, architecture)
    let configuration = rules(training)
    var plan = RunPlan(
      run: name, modelName: model.name, rounds: rounds, configuration: configuration,
      evaluationConfiguration: rules(evaluation), task: training, evaluationTask: evaluation,
      policy: CohortPolicy(configuration, allowPair: cohort.allowPair), cohortTarget: cohortTarget(of: workers),
      expectedWorkers: workers,
      seed: seed)
    plan.attemptsPerRoundMax = maximumAttempts
    plan.patience = cohort.patience
    plan.sampling = cohort.sampling
    plan.reportDeadline = deadlines.report
    plan.buffer = strategy.bufferRules
    plan.groups = strategy.groupRules
    plan.watch = watch
    plan.isMeasuredCentrally = self.evaluation.isCentral
    plan.measurementDeadline = self.evaluation.deadline
    return plan
  }

  private func task(_ kind: TrainingTask.Kind, _ architecture: ModelArchitecture) -> TrainingTask {
    TrainingTask(
      kind: kind, aggregation: aggregation, architecture: architecture.description, dataScale: data.scale,
      holdOutFraction: holdOut, seed: seed, optimizer: training.optimizer)
  }

  /// The goal times the over-selection; everyone without a goal; never more than the maximum.
  package func cohortTarget(of workers: Int) -> Int {
    let most = min(workers, Int(clamping: cohort.maximum))
    guard let goal = cohort.goal else { return most }
    let ratio = cohort.overSelection ?? .init(1, 1)
    let selected = (goal * UInt64(ratio.numerator) + UInt64(ratio.denominator) - 1) / UInt64(ratio.denominator)
    return min(most, Int(clamping: selected))
  }
}
