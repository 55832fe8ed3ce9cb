/// Plain mode, sentence by sentence.
extension PrivacyExplanation {
  static func plain(_ role: Role, _ facts: Facts) -> [String] {
    switch role {
    case .networkObserver: network()
    case .worker: ["The new model, and from it the average; not who took part."]
    case .colludingWorkers:
      ["Their own updates and the average; all but one of a round learn the last one's update exactly."]
    case .coordinator:
      [
        "Plain aggregation: it sees every update in clear, by worker, and beside it that worker's own: "
          + facts.auxiliaryFields.joined(separator: ", ") + ".",
        "So does whoever reads its memory, or its disk while a round runs. A worker takes part only if its own law says "
          + "allow-plain.",
        facts.keepsUpdates
          ? "The strategy '\(facts.strategy)' compares single updates: each stays on its disk, in a file without a name, "
            + "until the round ends."
          : nil,
      ].compactMap(\.self)
    case .coordinatorWithWorkers, .coordinatorWithMoreWorkers:
      ["Nothing more: the coordinator alone sees everything."]
    case .repeatedSums: ["Nothing more, for the same reason. Differential privacy is off."]
    case .authority: authority(facts)
    case .consumer: consumer()
    }
  }
}
