import ClusterConfiguration
import ClusterRuntime
import Federation
import GradientKernel
import Reports
import Rounds
import Simulation

/// What was recorded of a simulation, as its report wants it.
extension RunHistory {
  /// - Parameter replay: the one command that does it again.
  init(_ result: SimulationResult, of scenario: SimulationScenario, _ recorder: SimulationRecorder, replay: String) {
    self.init(
      isSimulation: true, name: scenario.run.name.text, program: Product.name, outcome: Self.outcome(of: result),
      modelVersion: Int(clamping: result.version.value), seconds: result.seconds, bytes: Double(result.bytes),
      attempts: Self.attempts(recorder, end: result.seconds))
    purpose = scenario.purpose
    seed = result.seed
    self.replay = replay
    violations = result.violations
    expectations = Self.expectations(scenario, result)
    roundsPlanned = Int(clamping: scenario.run.rounds)
    modelDigest = "sha256:\(result.modelDigest)"
    heldOut = Evaluation(result.heldOut)
    if scenario.run.model.architecture.classCount == 0 { forgetAccuracies() }
    messages = result.messages
    events = result.events
    organisations = recorder.organisations.map(\.text)
    outages = recorder.outages.map { outage in
      Outage(
        party: outage.party, kind: Outage.Kind(outage.kind), from: outage.start, to: outage.end)
    }
  }

  /// A regression has no right answers.
  private mutating func forgetAccuracies() {
    heldOut?.accuracy = nil
    for index in attempts.indices {
      attempts[index].evaluation?.accuracy = nil
      attempts[index].central?.accuracy = nil
    }
  }

  private static func outcome(of result: SimulationResult) -> String {
    switch result.outcome {
    case .completed(let version)?: "completed with version \(version)"
    case .failed(let reason)?: "failed: \(reason)"
    case .stopped?: "stopped"
    case nil: result.isCutShort ? "cut short at \(NumberText.duration(result.seconds))" : "not ended"
    }
  }

  private static func expectations(_ scenario: SimulationScenario, _ result: SimulationResult) -> [Expectation] {
    let expected = scenario.expectations
    func judged(_ isMet: Bool) -> Bool? { isMet || !result.isCutShort ? isMet : nil }
    var claims = [
      Expectation(
        claim: "at least \(expected.rounds) rounds commit", found: "\(result.roundsCommitted)",
        isMet: judged(result.roundsCommitted >= expected.rounds))
    ]
    if let least = expected.accuracy {
      let found = result.heldOutAccuracy
      claims.append(
        Expectation(
          claim: "accuracy at least \(NumberText.short(least))",
          found: found.map { NumberText.decimal($0, 4) } ?? "no held-out data", isMet: judged((found ?? 0) >= least)))
    }
    claims += limits(expected, result)
    let other = (result.failedExpectations + result.unjudged).filter { $0.hasPrefix("faults: ") }
    let planned = scenario.faults.count + scenario.coordinatorFaults.count
    if planned > 0 {
      claims.append(
        Expectation(
          claim: "every planned fault happens",
          found: "\(planned - other.count) of \(planned)",
          isMet: judged(other.isEmpty)))
    }
    return claims
  }

  /// What must not be exceeded, ended or not.
  private static func limits(
    _ expected: SimulationScenario.Expectations, _ result: SimulationResult
  ) -> [Expectation] {
    var claims: [Expectation] = []
    if let most = expected.bytesMax {
      claims.append(
        Expectation(
          claim: "at most \(NumberText.bytes(Double(most))) of messages",
          found: NumberText.bytes(Double(result.bytes)), isMet: result.bytes <= most))
    }
    if let most = expected.bytesUpMax {
      claims.append(
        Expectation(
          claim: "at most \(NumberText.bytes(Double(most))) of messages from workers",
          found: NumberText.bytes(Double(result.bytesUp)), isMet: result.bytesUp <= most))
    }
    if let most = expected.virtualTimeMax {
      claims.append(
        Expectation(
          claim: "at most \(NumberText.duration(most / .seconds(1))) of virtual time",
          found: NumberText.duration(result.seconds), isMet: result.seconds <= most / .seconds(1)))
    }
    return claims
  }

  private static func attempts(_ recorder: SimulationRecorder, end: Double) -> [Attempt] {
    var latest = 0
    return recorder.attempts.enumerated().map { index, attempt in
      // A coordinator that dies behind its publication reports nothing; but the round moves only on a commit.
      let next = index + 1 < recorder.attempts.count ? recorder.attempts[index + 1] : nil
      let isSilent = attempt.report == nil && next.map { $0.id.round > attempt.id.round } ?? false
      let found = Attempt(attempt, base: latest, silentVersion: isSilent ? latest + 1 : nil, end: end)
      latest = found.version ?? latest
      return found
    }
  }
}

extension RunHistory.Attempt {
  fileprivate init(_ attempt: SimulationRecorder.Attempt, base: Int, silentVersion: Int?, end: Double) {
    let report = attempt.report
    let (outcome, version, reason): (Outcome, Int?, String?) =
      switch report?.outcome {
      case .committed(let version, _)?: (.committed, Int(clamping: version.value), nil)
      case .evaluated?: (.evaluated, nil, nil)
      case .abandoned(let why)?: (.abandoned, nil, why)
      case nil where silentVersion != nil: (.committed, silentVersion, "the coordinator died before it could say so")
      case nil where attempt.end != nil: (.abandoned, nil, "the coordinator died")
      case nil: (.unfinished, nil, nil)
      }
    let phases = attempt.phases
    self.init(
      round: Int(clamping: attempt.id.round.value), attempt: Int(attempt.id.attempt.value), outcome: outcome,
      reason: reason, start: attempt.start, end: attempt.end ?? end,
      phases: .init(
        selecting: phases[0], setup: phases[1], reporting: phases[2], unmasking: phases[3], closing: phases[4]),
      cohort: attempt.cohort, reported: report?.reported ?? attempt.reported.values.reduce(0, +),
      bytesUp: Double(attempt.bytesUp), bytesDown: Double(attempt.bytesDown),
      baseVersion: report.map { Int(clamping: $0.baseVersion.value) } ?? base,
      evaluation: RunHistory.Evaluation(report?.summary?.metrics), central: RunHistory.Evaluation(report?.central),
      version: version,
      participation: attempt.selected.keys.sorted().map { organisation in
        .init(
          organisation: organisation, selected: attempt.selected[organisation] ?? 0,
          reported: attempt.reported[organisation] ?? 0)
      })
  }
}

extension RunHistory.Evaluation {
  /// Nil if nothing was measured.
  fileprivate init?(_ metrics: RoundMetrics?) {
    guard let loss = metrics?.loss else { return nil }
    self.init(loss: loss, accuracy: metrics?.accuracy)
  }
}

extension RunHistory.Outage.Kind {
  fileprivate init(_ kind: SimulationScenario.Fault.Kind) {
    self =
      switch kind {
      case .crash: .crash
      case .partition: .partition
      case .diskFull: .diskFull
      case .slowDisk: .slowDisk
      case .clockSkew: .clockSkew
      }
  }
}
