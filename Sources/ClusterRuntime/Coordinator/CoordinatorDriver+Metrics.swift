import Federation
import ModelRegistry
import Observability
import Rounds
import Wire

/// What the driver counts for those who watch it.
extension CoordinatorDriver {
  /// After every event of a machine: which phase it is in.
  func measurePhase(of run: RunID) {
    guard let machine = active[run]?.machine else { return }
    guard let ended = active[run]?.phaseClock.note(machine.phase, at: .now) else { return }
    metrics.phaseEnded(ended.phase, after: ended.duration)
  }

  /// An attempt has ended.
  func measure(_ row: RoundRow, _ outcome: RoundReport.Outcome) {
    let run = row.attempt.run.description
    metrics.roundEnded(run, CoordinatorMetrics.RoundOutcome(outcome), seconds: row.seconds)
    measureUpdates(row)
    metrics.saturatedElements.add(row.saturated)
    if let traffic = row.traffic {
      metrics.moved(traffic.up, .up)
      metrics.moved(traffic.down, .down)
    }
    for (evaluation, split) in [(row.evaluation, CoordinatorMetrics.Split.holdOut), (row.central, .central)] {
      guard let evaluation else { continue }
      metrics.measured(run, .loss, split, evaluation.loss)
      metrics.measured(run, .accuracy, split, evaluation.accuracy)
    }
  }

  /// Each update is counted once: who sent what was refused is among those who dropped out, too.
  private func measureUpdates(_ row: RoundRow) {
    let run = row.attempt.run, reported = UInt64(row.reported), dropped = UInt64(row.dropped)
    let invalid = min(active[run]?.invalidInputs ?? 0, dropped)
    active[run]?.invalidInputs = 0
    let isInSum = row.outcome == .committed
    metrics.counted(isInSum ? reported : 0, .accepted)
    metrics.counted(invalid, .invalid)
    metrics.counted(dropped - invalid + (isInSum ? 0 : reported), .dropped)
  }

  /// A sum has been opened.
  ///
  /// - Parameter average: shape `[d]`.
  func measure(average: [Float], of run: RunID) {
    metrics.averaged(
      run.description, norm: average.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot())
  }

  /// A version that training goes on from.
  func measureLatest(_ stored: StoredVersion) {
    let manifest = stored.manifest
    metrics.latest("\(manifest.model)", "\(manifest.version)", digest: "\(stored.digest)")
  }

  /// Who is there, and what for.
  func measureWorkers() {
    let members = membership.members(role: .worker).map(\.certificate.name)
    let now = MonotonicTime.now
    var counts: [CoordinatorMetrics.WorkerState: Int] = [:]
    for worker in members {
      let state: CoordinatorMetrics.WorkerState =
        if present.contains(worker) {
          scheduler.holder(of: worker) == nil ? .idle : .busy
        } else if let due = resting[worker], now < due {
          .resting
        } else {
          traits[worker] == nil ? .unseen : .lost
        }
      counts[state, default: 0] += 1
    }
    for state in CoordinatorMetrics.WorkerState.allCases { metrics.counted(counts[state] ?? 0, state) }
  }

  func measureRuns() {
    for state in RunState.allCases {
      metrics.counted(runs.values.count { $0.stored.state == state }, runsIn: "\(state)")
    }
  }
}

extension CoordinatorMetrics.RoundOutcome {
  init(_ outcome: RoundReport.Outcome) {
    self =
      switch outcome {
      case .committed: .committed
      case .evaluated: .evaluated
      case .abandoned: .abandoned
      }
  }
}
