import ClusterConfiguration
import Federation
import Rounds

/// Who looks on while a simulation runs, and changes nothing of it.
protocol SimulationObserver: AnyObject {
  /// A message has left; `arrivals` is empty if the network lost it.
  func sent(_ transmission: Transmission, at time: MonotonicTime, arrivals: [MonotonicTime])
  /// Bytes that arrive, of messages that nobody sees: at the fast fidelity.
  func moved(_ bytes: UInt64, _ direction: Direction)
  /// The coordinator carries out an action.
  func performed(_ action: RunStateMachine.Action, at time: MonotonicTime)
  /// - Parameter party: its name; a worker's, or "coordinator".
  func outageBegan(_ kind: SimulationScenario.Fault.Kind, of party: String, at time: MonotonicTime)
  func outageEnded(_ kind: SimulationScenario.Fault.Kind, of party: String, at time: MonotonicTime)
  /// One more event is over.
  func advanced(to time: MonotonicTime)
}

/// Most observers look at some of it.
extension SimulationObserver {
  func sent(_ transmission: Transmission, at time: MonotonicTime, arrivals: [MonotonicTime]) {}
  func moved(_ bytes: UInt64, _ direction: Direction) {}
  func performed(_ action: RunStateMachine.Action, at time: MonotonicTime) {}
  func outageBegan(_ kind: SimulationScenario.Fault.Kind, of party: String, at time: MonotonicTime) {}
  func outageEnded(_ kind: SimulationScenario.Fault.Kind, of party: String, at time: MonotonicTime) {}
  func advanced(to time: MonotonicTime) {}
}

/// The observers of one simulation. It goes the same way with and without them.
package struct SimulationObservers {
  package var recorder: SimulationRecorder?
  package var trace: RoundTrace?
  package var progress: ProgressMeter?
  var others: [any SimulationObserver] = []

  package init() {}

  var all: [any SimulationObserver] {
    let candidates: [(any SimulationObserver)?] = [recorder, trace, progress]
    return candidates.compactMap { $0 } + others
  }
}
