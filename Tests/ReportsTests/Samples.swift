import Reports

/// A run of three rounds: the second needs two attempts, the coordinator dies once, a worker for good.
func sampleHistory(name: String = "sample", accuracies: [Double] = [0.2, 0.6, 0.9, 0.95]) -> RunHistory {
  func attempt(
    _ round: Int, _ number: Int, _ outcome: RunHistory.Attempt.Outcome, from start: Double, base: Int, version: Int?,
    reported: Int, reason: String? = nil
  ) -> RunHistory.Attempt {
    RunHistory.Attempt(
      round: round, attempt: number, outcome: outcome, reason: reason, start: start, end: start + 1,
      phases: .init(selecting: 0.5, setup: 0.25, reporting: 0.5, unmasking: 0.25, closing: 0), cohort: 4,
      reported: reported, bytesUp: 3000, bytesDown: 1000, baseVersion: base,
      evaluation: outcome == .abandoned ? nil : .init(loss: 1 - accuracies[base], accuracy: accuracies[base]),
      central: nil, version: version,
      participation: [
        .init(organisation: 0, selected: 2, reported: 2), .init(organisation: 1, selected: 2, reported: reported - 2),
      ])
  }
  var history = RunHistory(
    isSimulation: true, name: name, program: "murmur/test", outcome: "completed with version 3", modelVersion: 3,
    seconds: 10, bytes: 20_000,
    attempts: [
      attempt(1, 0, .committed, from: 1, base: 0, version: 1, reported: 4),
      attempt(2, 0, .abandoned, from: 3, base: 1, version: nil, reported: 2, reason: "too few <left> & gone"),
      attempt(2, 1, .committed, from: 5, base: 1, version: 2, reported: 3),
      attempt(3, 0, .committed, from: 7, base: 2, version: 3, reported: 4),
      attempt(4, 0, .evaluated, from: 9, base: 3, version: nil, reported: 4),
    ])
  history.purpose = "Four <workers> & \"one\" fault."
  history.seed = 7
  history.replay = "murmur simulate sample.yaml --seed 7"
  history.expectations = [.init(claim: "at least 3 rounds commit", found: "3", isMet: true)]
  history.roundsPlanned = 3
  history.modelDigest = "sha256:00ff"
  history.heldOut = .init(loss: 0.11, accuracy: 0.9375)
  history.organisations = ["north", "south"]
  history.outages = [
    .init(party: "worker-4", kind: .crash, from: 3.5, to: nil),
    .init(party: RunHistory.coordinator, kind: .crash, from: 4.2, to: 4.8),
    .init(party: "worker-2", kind: .partition, from: 5, to: 6),
  ]
  return history
}

extension [ReportFile] {
  func text(of name: String) -> String? { first { $0.name == name }?.text }
}
