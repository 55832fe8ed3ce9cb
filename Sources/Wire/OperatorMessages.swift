import Federation
import ModelRegistry
import Rounds

/// The operator socket, from a command to the coordinator.
package enum OperatorRequest: Hashable, Sendable {
  /// The text of a run file; the coordinator reads it as it would read the file.
  case submitRun(yaml: String)
  case listRuns
  case status
  /// Events with a sequence number above `after`, oldest first, at most `limit`.
  case runEvents(RunID, after: UInt64, limit: UInt32)
  /// Ends the run; a version that is being committed is committed first.
  case stopRun(RunID)
  /// Offers no attempt behind the current one, until the run is resumed.
  case pauseRun(RunID)
  case resumeRun(RunID)
  /// Forgets a run that has ended; its versions stay.
  case deleteRun(RunID)
  case showRun(RunID)
  /// Versions of a model, or the newest of every model.
  case listVersions(ModelName?)
  /// `digits@3`, `digits@champion` or `digits@sha256:…`, as typed.
  case showVersion(reference: String)
  case changeAlias(AliasOrder)
  /// Revokes a version, for good.
  case retireVersion(ModelName, ModelVersion, reason: String)
}

/// The operator socket, from the coordinator to a command.
package enum OperatorReply: Hashable, Sendable {
  case runAccepted(RunID)
  case runs([RunRow])
  case status(CoordinatorStatus)
  case runEvents(RunEvents)
  case runStopping(RunID)
  /// Where the run stands after the request.
  case runChanged(RunRow)
  /// How many versions it made.
  case runDeleted(RunID, versions: UInt64)
  case runDetail(RunDetail)
  /// Sorted by name, newest versions first.
  case versions([VersionRow])
  case versionDetail(VersionDetail)
  case aliasChanged(AliasMove)
  /// What became of the aliases that pointed to it.
  case versionRetired(RetiredVersion, moves: [AliasMove])
  case failed(Failure)
}

/// Where a run stands.
package enum RunState: UInt32, Sendable, CaseIterable {
  case queued = 1
  case running = 2
  case stopping = 3
  case completed = 4
  case stopped = 5
  case failed = 6
  /// Its attempt in hand goes on; the next is not offered.
  case pausing = 7
  case paused = 8

  /// Nothing will happen any more.
  package var isFinal: Bool {
    switch self {
    case .queued, .running, .stopping, .pausing, .paused: false
    case .completed, .stopped, .failed: true
    }
  }
}

package struct RunRow: Hashable, Sendable {
  package let run: RunID
  package let state: RunState
  package let model: ModelName
  package let roundsCommitted: UInt64
  package let roundsPlanned: UInt64
  /// Why the run failed, was stopped or is paused; empty otherwise.
  package let reason: String
  /// Of the last attempt with metrics; nil before there is one.
  package let evaluation: RoundRow.Evaluation?

  package init(
    run: RunID, state: RunState, model: ModelName, roundsCommitted: UInt64, roundsPlanned: UInt64, reason: String,
    evaluation: RoundRow.Evaluation? = nil
  ) {
    self.evaluation = evaluation
    self.run = run
    self.state = state
    self.model = model
    self.roundsCommitted = roundsCommitted
    self.roundsPlanned = roundsPlanned
    self.reason = reason
  }
}

/// All that `murmur run show` shows beside the run's events.
package struct RunDetail: Hashable, Sendable {
  package let run: RunRow
  /// The run file as it was submitted.
  package let configuration: String
  /// Seconds since 1970-01-01 UTC; 0 for a run older than this field.
  package let submittedAt: UInt64
  /// Of the attempt in hand; empty for a run that is not in hand.
  package let phase: String
  /// Workers in the attempt in hand.
  package let cohort: [WorkerID]
  /// Workers that are there, with the labels and threads that the run asks for.
  package let suitedWorkers: UInt32

  package init(
    run: RunRow, configuration: String, submittedAt: UInt64, phase: String, cohort: [WorkerID], suitedWorkers: UInt32
  ) {
    self.run = run
    self.configuration = configuration
    self.submittedAt = submittedAt
    self.phase = phase
    self.cohort = cohort
    self.suitedWorkers = suitedWorkers
  }
}

/// What the coordinator knows of one member of the federation that is a worker.
package struct WorkerRow: Hashable, Sendable {
  package enum State: UInt32, Sendable, CaseIterable {
    case neverSeen = 1
    case live = 2
    case lost = 3
    /// Sent away for a while: nothing is wanted of it.
    case resting = 4
  }

  package let name: WorkerID
  package let organisation: OrganisationID
  package let state: State
  /// Nil outside an attempt.
  package let phase: WorkPhase?
  /// Since its last message; nil if there was none.
  package let lastHeardMilliseconds: UInt64?
  /// Of its last hello; none for a worker that was never seen.
  package let labels: WorkerLabels
  package let threads: UInt32
  /// In whose attempt it is; nil for none.
  package let run: RunID?
  /// Since training last finished a step, as the worker says; 0 while it finishes some.
  package let stalledSeconds: UInt32

  package init(
    name: WorkerID, organisation: OrganisationID, state: State, phase: WorkPhase?, lastHeardMilliseconds: UInt64?,
    labels: WorkerLabels = WorkerLabels(), threads: UInt32 = 0, run: RunID? = nil, stalledSeconds: UInt32 = 0
  ) {
    self.labels = labels
    self.threads = threads
    self.run = run
    self.name = name
    self.organisation = organisation
    self.state = state
    self.phase = phase
    self.lastHeardMilliseconds = lastHeardMilliseconds
    self.stalledSeconds = stalledSeconds
  }
}

/// One published version of a model.
package struct ModelRow: Hashable, Sendable {
  package let name: ModelName
  package let version: ModelVersion
  /// Of the manifest.
  package let digest: Digest
  /// That point to this version.
  package let aliases: [Alias]

  package init(name: ModelName, version: ModelVersion, digest: Digest, aliases: [Alias]) {
    self.name = name
    self.version = version
    self.digest = digest
    self.aliases = aliases
  }
}

/// What one attempt at a round came to.
package struct RoundRow: Hashable, Sendable {
  /// Of the model that the round trained on, over the hold-outs of the workers in the sum.
  package struct Evaluation: Hashable, Sendable {
    /// Mean loss, in nats.
    package let loss: Double
    /// Fraction of examples classified correctly.
    package let accuracy: Double
    package init(loss: Double, accuracy: Double) {
      self.loss = loss
      self.accuracy = accuracy
    }
  }

  /// The version that the round made.
  package struct Published: Hashable, Sendable {
    package let version: ModelVersion
    package let modelDigest: Digest
    package init(version: ModelVersion, modelDigest: Digest) {
      self.version = version
      self.modelDigest = modelDigest
    }
  }

  package let attempt: AttemptID
  /// Workers that were offered the round, that are in the sum, and that took part and are not.
  package let cohort: UInt32
  package let reported: UInt32
  package let dropped: UInt32
  /// Nil if nobody evaluated anything.
  package let evaluation: Evaluation?
  /// From the offer to the end.
  package let seconds: Double
  /// Mean bytes that a worker in the sum sent, payload only.
  package let bytesUpPerWorker: UInt64
  /// Nil if nothing was published.
  package let published: Published?
  package let outcome: AttemptOutcome
  /// Why nothing was published; empty otherwise.
  package let reason: String
  /// Elements of updates that were cut off because they did not fit their integers, over all workers in the sum: the
  /// average is then off by more than rounding.
  package let saturated: UInt64
  /// Of the version that the round made, on the coordinator's own data; nil without.
  package let central: Evaluation?
  /// By how many versions the updates were behind; nil where all are of one version.
  package let staleness: Staleness?
  /// Nil where the cohort was not divided.
  package let groups: GroupTally?
  /// Nil where it was not counted: in a simulation, and in an attempt that the coordinator's death cut short.
  package let traffic: Traffic?

  /// Bytes of messages from and to the workers that were asked, payload only.
  package struct Traffic: Hashable, Sendable {
    package var up: UInt64
    package var down: UInt64

    package init(up: UInt64 = 0, down: UInt64 = 0) {
      self.up = up
      self.down = down
    }

    package var total: UInt64 { up + down }
  }

  package init(
    attempt: AttemptID, cohort: UInt32, reported: UInt32, dropped: UInt32, evaluation: Evaluation?, seconds: Double,
    bytesUpPerWorker: UInt64, published: Published?, outcome: AttemptOutcome, reason: String, saturated: UInt64,
    central: Evaluation? = nil, staleness: Staleness? = nil, groups: GroupTally? = nil, traffic: Traffic? = nil
  ) {
    self.traffic = traffic
    self.staleness = staleness
    self.groups = groups
    self.central = central
    self.saturated = saturated
    self.attempt = attempt
    self.cohort = cohort
    self.reported = reported
    self.dropped = dropped
    self.evaluation = evaluation
    self.seconds = seconds
    self.bytesUpPerWorker = bytesUpPerWorker
    self.published = published
    self.outcome = outcome
    self.reason = reason
  }
}

/// All that `murmur status` shows.
package struct CoordinatorStatus: Hashable, Sendable {
  package let federation: FederationID
  package let runs: [RunRow]
  /// Sorted by name.
  package let workers: [WorkerRow]
  package let models: [ModelRow]
  /// The latest attempts, oldest first.
  package let rounds: [RoundRow]

  package init(
    federation: FederationID, runs: [RunRow], workers: [WorkerRow], models: [ModelRow], rounds: [RoundRow]
  ) {
    self.federation = federation
    self.runs = runs
    self.workers = workers
    self.models = models
    self.rounds = rounds
  }
}

/// Something that happened in a run.
package struct RunEvent: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// The run changed its state.
    case run(RunRow)
    /// An attempt ended.
    case round(RoundRow)
  }

  /// From 1 in each run, without gaps.
  package let sequence: UInt64
  package let kind: Kind

  package init(sequence: UInt64, kind: Kind) {
    self.sequence = sequence
    self.kind = kind
  }
}

/// Where the run stands now, and the events that were asked for.
package struct RunEvents: Hashable, Sendable {
  package let run: RunRow
  /// Ascending.
  package let events: [RunEvent]

  package init(run: RunRow, events: [RunEvent]) {
    self.run = run
    self.events = events
  }
}
