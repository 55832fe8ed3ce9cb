import Federation

/// What goes wrong at a point of a round that the scenario names.
extension SimulationScenario {
  /// One thing that goes wrong, the first time that the worker gets to that point of that round.
  package struct Fault: Hashable, Sendable {
    /// Where in a round it happens; a plain round knows `training`, `maskedInput` and `reported` only.
    package enum Point: String, CaseIterable, Sendable {
      /// The worker's keys have left.
      case advertiseKeys = "advertise-keys"
      /// Its sealed shares have left.
      case shareKeys = "share-keys"
      /// Its word on the others' shares has left.
      case checkShares = "check-shares"
      /// Training has ended, nothing of it has left.
      case training = "training"
      /// Half of the chunks of its input that were asked for have left.
      case maskedInput = "masked-input"
      /// Its input was accepted.
      case reported = "reported"
      /// Its agreement with the set of survivors has left.
      case consistencyCheck = "consistency-check"
      /// Its shares have left.
      case unmask = "unmask"
    }

    package enum Kind: String, CaseIterable, Sendable {
      /// The worker is gone, as after signal 9: what it has sent still arrives, what it knew is lost but for its disk.
      case crash
      /// The worker lives on and nothing gets through, in either direction.
      case partition
    }

    package var worker: WorkerID
    package var round: RoundNumber
    package var at: Point
    package var kind: Kind
    /// After this time the worker starts again, or is reached again; nil for never.
    package var duration: Duration?

    package init(worker: WorkerID, round: RoundNumber, at: Point, kind: Kind, duration: Duration? = nil) {
      self.worker = worker
      self.round = round
      self.at = at
      self.kind = kind
      self.duration = duration
    }
  }

  static func faults(in top: ConfigurationSection, population: Population, run: RunConfiguration)
    throws(ConfigurationError) -> [Fault]
  {
    let sections = try top.sections("faults", keys: ["worker", "round", "at", "kind", "for"])
    guard sections.count <= faultCountMax else {
      throw top.error(at: "faults", found: "\(sections.count) faults", expected: "at most \(faultCountMax)")
    }
    var faults: [Fault] = []
    for section in sections {
      let worker = try worker(in: section, of: population)
      faults.append(
        try Fault(
          worker: worker, round: RoundNumber(section.integer("round", in: 1...run.rounds)),
          at: section.choice(
            "at",
            of: [
              "advertise-keys": .advertiseKeys, "share-keys": .shareKeys, "check-shares": .checkShares,
              "training": .training, "masked-input": .maskedInput, "reported": .reported,
              "consistency-check": .consistencyCheck, "unmask": .unmask,
            ]),
          kind: section.choice("kind", of: ["crash": .crash, "partition": .partition]),
          duration: section.has("for")
            ? section.duration("for", in: .milliseconds(1) ... .seconds(7 * 24 * 3600)) : nil))
    }
    return faults
  }
}
