import ClusterConfiguration
import Federation
import Rounds

/// One attempt as it went in virtual time.
package struct SimulatedRound: Hashable, Sendable {
  package let report: RoundReport
  /// Virtual seconds from the beginning of the simulation to the attempt's offer.
  package let startedAt: Double
  /// Virtual seconds from the offer to the end of the attempt.
  package let seconds: Double
  /// Bytes of messages from workers that arrived meanwhile.
  package let bytesUp: UInt64

  package var bytesUpPerWorker: UInt64 { bytesUp / UInt64(max(1, report.reported)) }

  var outcomeName: String {
    switch report.outcome {
    case .committed: "committed"
    case .evaluated: "evaluated"
    case .abandoned: "abandoned"
    }
  }
}

/// Control variates at the end of a run under SCAFFOLD.
package struct SimulatedControls: Hashable, Sendable {
  /// c, shape `[d]`.
  package let server: [Float]
  /// c_i of each worker; nil for zeros.
  package let workers: [[Float]?]
}

/// What came out of a simulation. The same scenario and seed give the same value, on any machine of one CPU class.
package struct SimulationResult: Hashable, Sendable {
  package let seed: UInt64
  package let outcome: RunStateMachine.Outcome?
  /// Every attempt, abandoned ones and the evaluation at the end too.
  package let rounds: [SimulatedRound]
  /// Of the last version.
  package let version: ModelVersion
  package let modelDigest: Digest
  /// Of the last version: its F32 tensors in name order, joined.
  package let parameters: [Float]
  /// Under SCAFFOLD, at the end.
  package let controls: SimulatedControls?
  /// Of the last version on the data that no worker has; nil if none was held out.
  package let heldOut: RoundMetrics?
  /// Virtual seconds until the run had ended.
  package let seconds: Double
  /// Steps of the virtual clock: deliveries, timers, finished work.
  package let events: UInt64
  package let messages: UInt64
  package let bytes: UInt64
  /// Of those, of messages from workers.
  package let bytesUp: UInt64
  /// Deaths of processes and partitions.
  package let outages: UInt64
  /// Moments at which each party could have died.
  package let steps: KillableSteps
  /// Virtual time from each return of the coordinator to its next offer.
  package let recoveries: [Duration]
  /// Claims that a checker or a core found broken, in words; a correct program leaves this empty.
  package let violations: [String]
  /// Expectations of the scenario that were not met, in words.
  package let failedExpectations: [String]
  /// Those that were not met yet when the simulation was cut short.
  package let unjudged: [String]
  /// Whether it was ended at a virtual time that was asked for, before the run had ended.
  package let isCutShort: Bool
  /// Lines of the event log: what happened in those steps that says something.
  package let logLines: Int
  /// SHA-256 of the event log, every line with its line feed.
  package let logDigest: Digest

  package var isAsExpected: Bool { violations.isEmpty && failedExpectations.isEmpty }
  package var heldOutAccuracy: Double? { heldOut?.accuracy }

  /// Rounds that made a version, those too whose coordinator died before it could say so.
  package var roundsCommitted: UInt64 { version.value }

  /// The one command that does it again.
  package func replayCommand(scenario path: String) -> String { "murmur simulate \(path) --seed \(seed)" }
}

/// Why a scenario could not be simulated at all.
package enum SimulationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The scenario's data cannot be read or does not fit.
  case data(String)
  /// A node could not do what its real counterpart can.
  case node(String)

  package var description: String {
    switch self {
    case .data(let problem), .node(let problem): problem
    }
  }
}
