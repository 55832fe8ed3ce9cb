import ClusterConfiguration
import Federation
import GradientKernel
import ModelRegistry
import Rounds
import Tensors

extension SimulationRun {
  /// The same scenario, seed and data at another fidelity.
  ///
  /// - Throws: `data` if the scenario has what the fast fidelity knows nothing of.
  package func at(_ fidelity: SimulationScenario.Fidelity) throws(SimulationError) -> SimulationRun {
    if fidelity == .fast, let (key, found, expected) = scenario.objectionToFast {
      throw .data("key '\(key)': found \(found) at the fast fidelity, expected \(expected)")
    }
    var copy = self
    copy.scenario.fidelity = fidelity
    return copy
  }

  func playFast(
    until: Duration?, observers: [any SimulationObserver], log: @escaping (String) -> Void,
    report: @escaping (SimulatedRound) -> Void
  ) throws -> SimulationResult {
    let federation = FastFederation(
      scenario: scenario, seed: seed, parties: try VirtualParties(scenario.population, seed: seed), datasets: parts,
      threads: threads, judge: { try self.judge($0) }, observers: observers, log: log, report: report)
    let lastMoment = until.map { min($0, scenario.timeLimit) } ?? scenario.timeLimit
    try federation.run(until: VirtualTime.zero + lastMoment)
    let hasEnded = federation.outcome != nil || !federation.violations.isEmpty
    let isCutShort = !hasEnded && lastMoment < scenario.timeLimit
    if !hasEnded, !isCutShort { federation.violated("liveness: the run has not ended after \(scenario.timeLimit)") }
    let (latest, artifact) = try federation.latest
    let parameters = try ParameterSet(artifact.tensors, expecting: scenario.run.model.architecture.layout)
    let metrics = try judge(parameters)
    let seconds = (federation.endedAt ?? VirtualTime.zero + lastMoment).seconds
    let excesses = excesses(bytes: federation.byteCount, up: federation.upByteCount, seconds: seconds)
    let unmet = failures(
      federation.outcome, committed: latest.manifest.version.value, faultsLeft: federation.faultsLeft, metrics)
    return SimulationResult(
      seed: seed, outcome: federation.outcome, rounds: federation.rounds, version: latest.manifest.version,
      modelDigest: latest.manifest.modelDigest, parameters: parameters.values,
      controls: federation.finalControls, heldOut: metrics,
      seconds: seconds, events: federation.eventCount,
      messages: 0,
      bytes: federation.byteCount, bytesUp: federation.upByteCount, outages: federation.outageCount,
      steps: KillableSteps(workers: parts.count),
      recoveries: [], violations: federation.violations, failedExpectations: (isCutShort ? [] : unmet) + excesses,
      unjudged: isCutShort ? unmet : [], isCutShort: isCutShort, logLines: federation.logLines,
      logDigest: federation.logDigest)
  }
}
