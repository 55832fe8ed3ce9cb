import Aggregation
import ClusterConfiguration
import Federation
import ModelRegistry
import Rounds
import Tensors
import Wire
import ZeroMQ

/// One run in hand: its machine, and what the driver keeps beside it.
struct ActiveRun {
  /// As people call it; the machine and everything signed carry `identity`.
  let name: RunID
  let identity: RunID
  let configuration: RunConfiguration
  let template: VersionTemplate
  var machine: RunStateMachine
  var parameters: ParameterSet
  var parent: Digest
  /// What the server optimizer remembers with the base version.
  var serverState: ServerState
  var average: [Float] = []
  var candidate: CoordinatorDriver.Candidate?
  /// Of the attempts in hand whose uploads are open: more than one in an asynchronous run, one of each group of a cohort.
  var uploads: Set<Digest> = []
  /// Who works for the attempt in hand, or has for the last.
  var offeredTo: Set<WorkerID> = []
  var attemptStarted: MonotonicTime
  var phaseClock = PhaseClock()
  /// Inputs of the attempt in hand that were refused for what they were.
  var invalidInputs: UInt64 = 0
  /// Whether this process has offered an attempt of the run.
  var hasOffered = false
  var trafficAtStart: [WorkerID: RoundRow.Traffic]
  /// Bytes of the attempts that have ended in this process.
  var bytesMoved: UInt64 = 0
  /// The disk, and not the run, is why the run is about to end: it can be resumed.
  var isInterrupted = false

  /// Bytes from and to the workers of the attempt in hand.
  func traffic(_ ledger: TrafficLedger) -> RoundRow.Traffic {
    let now = ledger.snapshot
    return offeredTo.reduce(RoundRow.Traffic()) {
      $0 + (now[$1] ?? RoundRow.Traffic()) - (trafficAtStart[$1] ?? RoundRow.Traffic())
    }
  }

  /// An attempt as history names it.
  func recorded(_ attempt: AttemptID) -> AttemptID {
    AttemptID(run: name, round: attempt.round, attempt: attempt.attempt)
  }
}

/// A run that the coordinator knows, in hand or not.
struct RunRecord {
  /// As it was last stored; ahead of the disk only while that takes nothing.
  var stored: StoredRun
  /// Nil if its text cannot be read any more.
  let configuration: RunConfiguration?

  init(_ stored: StoredRun) {
    self.stored = stored
    configuration = try? RunConfiguration.read(ConfigurationFile(path: "run \(stored.name)", text: stored.yaml))
  }
}
