import Aggregation
import Federation
import SecureAggregation

/// Everything a run does that does not depend on who takes part.
package struct RunPlan: Sendable {
  package var run: RunID
  package var modelName: ModelName
  /// Training rounds; one evaluation-only round follows the last.
  package var rounds: UInt64
  /// The rules of a training attempt.
  package var configuration: RoundConfiguration
  /// The rules of the evaluation-only attempt at the end: no update vector.
  package var evaluationConfiguration: RoundConfiguration
  package var task: TrainingTask
  package var evaluationTask: TrainingTask
  package var policy: CohortPolicy
  /// The most workers in one cohort.
  package var cohortTarget: Int
  /// The first attempt is offered when so many workers are here; later ones, or that one at the gather deadline, as soon
  /// as those who are here could commit it.
  package var expectedWorkers: Int
  package var gatherDeadline: Duration = .seconds(10)
  package var attemptsPerRoundMax: UInt32 = 3
  package var retryDelay: Duration = .milliseconds(500)
  /// How long one wait for workers may last.
  package var patience: Duration = .seconds(24 * 3600)
  package var sampling: CohortSampling = .uniform
  /// Nil if the configuration's deadline stands, whatever was observed.
  package var reportDeadline: ReportDeadline?
  /// Nil if a round is one cohort on one version.
  package var buffer: BufferRules?
  /// Nil if all updates of a round are in one sum, or each is seen by itself.
  package var groups: GroupRules?
  package var watch = WatchRules()
  /// Whether the coordinator measures each version on data of its own before it publishes it.
  package var isMeasuredCentrally = false
  /// How long that may take.
  package var measurementDeadline: Duration = .seconds(600)
  /// Whether attempts are those of the simulator's fast fidelity (`AbridgedAttempt`).
  package var isAbridged = false
  /// How long the run lasted before this process.
  package var elapsed: Duration = .zero
  /// Bytes of messages from and to the run's workers before this process.
  package var bytesMoved: UInt64 = 0
  /// Seeds the selection of cohorts.
  package var seed: UInt64

  package init(
    run: RunID, modelName: ModelName, rounds: UInt64, configuration: RoundConfiguration,
    evaluationConfiguration: RoundConfiguration, task: TrainingTask, evaluationTask: TrainingTask,
    policy: CohortPolicy, cohortTarget: Int, expectedWorkers: Int, seed: UInt64
  ) {
    self.run = run
    self.modelName = modelName
    self.rounds = rounds
    self.configuration = configuration
    self.evaluationConfiguration = evaluationConfiguration
    self.task = task
    self.evaluationTask = evaluationTask
    self.policy = policy
    self.cohortTarget = cohortTarget
    self.expectedWorkers = expectedWorkers
    self.seed = seed
  }

  /// Fewest workers in one sum.
  package var minimumWorkers: Int { max(1, policy.minimumCohort) }
}

/// The committed model that the next attempt trains on.
package struct BaseModel: Hashable, Sendable {
  package let version: ModelVersion
  package let modelDigest: Digest
  package let tensors: [TensorReference]
  /// The server's control variate with this version; nil where it is zeros, and under strategies without one.
  package var control: ControlBlob.Reference?

  package init(
    version: ModelVersion, modelDigest: Digest, tensors: [TensorReference], control: ControlBlob.Reference? = nil
  ) {
    self.control = control
    self.version = version
    self.modelDigest = modelDigest
    self.tensors = tensors
  }
}

/// What an open sum says: the auxiliary vector of all who are counted. The update itself stays with the driver.
package struct SumSummary: Hashable, Sendable {
  /// Σω: summed capped weights, in examples.
  package var weight: UInt64
  package var workers: UInt64
  package var clipped: UInt64
  package var saturated: UInt64
  package var metrics: RoundMetrics
  /// Summed terms of the strategy: `Σ w_k·‖a_k‖₁` and `Σ h_k ÷ L`; 0 where it has none.
  package var terms: StrategyTerms
  /// L2 norm of the mean update; nil in an evaluation-only attempt.
  package var norm: Double?
  /// Groups whose sum no honest workers could have made: nothing of them is in any of these numbers.
  package var leftOut: [LeftOutGroup] = []

  package init(
    weight: UInt64, workers: UInt64, clipped: UInt64, saturated: UInt64, metrics: RoundMetrics,
    terms: StrategyTerms = StrategyTerms(), norm: Double? = nil
  ) {
    self.terms = terms
    self.norm = norm
    self.weight = weight
    self.workers = workers
    self.clipped = clipped
    self.saturated = saturated
    self.metrics = metrics
  }
}

/// One line about one attempt, committed or not.
package struct RoundReport: Hashable, Sendable {
  package enum Outcome: Hashable, Sendable {
    case committed(ModelVersion, modelDigest: Digest)
    /// The evaluation-only round: metrics, no new version.
    case evaluated
    case abandoned(reason: String)
  }

  package let attempt: AttemptID
  /// The version whose metrics these are: the one the round trained on.
  package let baseVersion: ModelVersion
  /// In an asynchronous run whoever reported or left since the last version; who still trains is not among them.
  package let cohort: Int
  package let reported: Int
  package let dropped: Int
  /// Nil when the attempt was abandoned.
  package let summary: SumSummary?
  /// Of the version that the attempt made, on the coordinator's data; nil without.
  package var central: RoundMetrics?
  /// By how many versions the updates were behind; nil where all are of one version.
  package var staleness: Staleness?
  /// Nil where the cohort was not divided.
  package var groups: GroupTally?
  package let outcome: Outcome
}
