import Federation

extension SimulationScenario {
  /// One thing that goes wrong at the coordinator when it comes to a point of a round for the first time.
  package struct CoordinatorFault: Hashable, Sendable {
    /// Where in a round it happens.
    package enum Point: String, CaseIterable, Sendable {
      /// An attempt is to be recorded, and then offered.
      case offer
      /// No more inputs are taken, and their sum is not open.
      case inputs
      /// The sum is open, and nothing of the next version is on the disk.
      case commit
      /// The next version is on the disk, and nobody knows of it.
      case publish
      /// The version is published, and the round reported.
      case published

      static let names: KeyValuePairs<String, Point> = [
        "offer": .offer, "inputs": .inputs, "commit": .commit, "publish": .publish, "published": .published,
      ]
    }

    /// Nil for every round.
    package var round: RoundNumber?
    package var at: Point
    package var kind: Fault.Kind
    /// How long it lasts; nil for ever, of a clock.
    package var duration: Duration?
    /// As that of a worker's fault.
    package var amount: Duration = .zero

    package init(
      round: RoundNumber?, at: Point, kind: Fault.Kind, duration: Duration? = nil, amount: Duration = .zero
    ) {
      self.round = round
      self.at = at
      self.kind = kind
      self.duration = duration
      self.amount = amount
    }

    init(_ section: ConfigurationSection, run: RunConfiguration) throws(ConfigurationError) {
      guard try section.truth("coordinator", default: false) else {
        throw section.error(at: "coordinator", found: "false", expected: "true, or 'worker' with a name")
      }
      guard !section.has("worker") else {
        throw section.error(at: "worker", found: "it beside 'coordinator'", expected: "one of them")
      }
      let round: RoundNumber? = try section.scalar(
        "round", expected: "an integer from 1 to \(run.rounds), or 'every'"
      ) { text in
        if text == "every" { return .some(nil) }
        return UInt64(text).flatMap { (1...run.rounds).contains($0) ? .some(RoundNumber($0)) : nil }
      }
      self.round = round
      at = try section.choice("at", of: Point.names)
      kind = try section.choice("kind", of: Fault.Kind.names)
      guard kind != .partition else {
        throw section.error(
          at: "kind", found: "\"partition\" of the coordinator",
          expected: "'crash', 'disk-full', 'slow-disk' or 'clock-skew'; 'partitions' of the network cut off regions")
      }
      duration = try SimulationScenario.faultDuration(in: section)
      if duration == nil, kind == .crash || kind == .diskFull {
        throw section.error(
          at: "for", found: "no such key", expected: "how long it lasts: no run goes on without its coordinator")
      }
      amount = try SimulationScenario.faultAmount(of: kind, in: section)
    }
  }
}
