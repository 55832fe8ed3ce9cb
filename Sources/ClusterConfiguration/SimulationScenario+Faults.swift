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
      /// The next thing that the party has to keep cannot be kept: a worker's process ends, and starts again when there is
      /// room; the coordinator sets the run aside with that reason, and takes it up again.
      case diskFull = "disk-full"
      /// Everything that the party has to keep takes longer, and what depends on it waits.
      case slowDisk = "slow-disk"
      /// The party's calendar is ahead, or behind.
      case clockSkew = "clock-skew"

      static let names: KeyValuePairs<String, Kind> = [
        "crash": .crash, "partition": .partition, "disk-full": .diskFull, "slow-disk": .slowDisk,
        "clock-skew": .clockSkew,
      ]
    }

    package var worker: WorkerID
    package var round: RoundNumber
    package var at: Point
    package var kind: Kind
    /// After this time the worker starts again, is reached again, or has its disk or clock back; nil for never.
    package var duration: Duration?
    /// Of a slow disk, what each write takes; of a clock, how far it is ahead, below zero how far behind.
    package var amount: Duration = .zero

    package init(
      worker: WorkerID, round: RoundNumber, at: Point, kind: Kind, duration: Duration? = nil, amount: Duration = .zero
    ) {
      self.worker = worker
      self.round = round
      self.at = at
      self.kind = kind
      self.duration = duration
      self.amount = amount
    }
  }

  /// The keys of a fault of either kind of party.
  private static let faultKeys = ["worker", "coordinator", "round", "at", "kind", "for", "delay", "by"]

  /// The list `faults`: of workers, and of the coordinator.
  static func faults(in top: ConfigurationSection, population: Population, run: RunConfiguration)
    throws(ConfigurationError) -> (workers: [Fault], coordinator: [CoordinatorFault])
  {
    let sections = try top.sections("faults", keys: faultKeys)
    guard sections.count <= faultCountMax else {
      throw top.error(at: "faults", found: "\(sections.count) faults", expected: "at most \(faultCountMax)")
    }
    var faults: [Fault] = []
    var coordinatorFaults: [CoordinatorFault] = []
    for section in sections {
      if section.has("coordinator") {
        coordinatorFaults.append(try CoordinatorFault(section, run: run))
      } else {
        faults.append(try fault(section, population: population, run: run))
      }
    }
    return (faults, coordinatorFaults)
  }

  private static func fault(
    _ section: ConfigurationSection, population: Population, run: RunConfiguration
  ) throws(ConfigurationError) -> Fault {
    let worker = try worker(in: section, of: population)
    let round: UInt64 = try section.integer("round", in: 1...run.rounds)
    let point: Fault.Point = try section.choice(
      "at",
      of: [
        "advertise-keys": .advertiseKeys, "share-keys": .shareKeys, "check-shares": .checkShares,
        "training": .training, "masked-input": .maskedInput, "reported": .reported,
        "consistency-check": .consistencyCheck, "unmask": .unmask,
      ])
    let kind = try section.choice("kind", of: Fault.Kind.names)
    return Fault(
      worker: worker, round: RoundNumber(round), at: point, kind: kind, duration: try faultDuration(in: section),
      amount: try faultAmount(of: kind, in: section))
  }

  static func faultDuration(in section: ConfigurationSection) throws(ConfigurationError) -> Duration? {
    section.has("for") ? try section.duration("for", in: .milliseconds(1) ... .seconds(7 * 24 * 3600)) : nil
  }

  /// `delay` of a slow disk, `by` of a clock; no other fault has either.
  static func faultAmount(
    of kind: Fault.Kind, in section: ConfigurationSection
  ) throws(ConfigurationError) -> Duration {
    for (key, owner) in [("delay", Fault.Kind.slowDisk), ("by", .clockSkew)] where section.has(key) && kind != owner {
      throw section.error(
        at: key, found: "it beside 'kind: \(kind.rawValue)'", expected: "it beside 'kind: \(owner.rawValue)'")
    }
    switch kind {
    case .crash, .partition, .diskFull: return .zero
    case .slowDisk: return try section.duration("delay", in: .milliseconds(1) ... .seconds(3600))
    case .clockSkew:
      return try section.text("by", expected: "a duration such as \"2h\", or \"-2h\" for a clock that is behind") {
        text in
        let isBehind = text.hasPrefix("-")
        guard let span = Quantity.duration(isBehind ? String(text.dropFirst()) : text), span <= latestMoment else {
          return nil
        }
        return isBehind ? .zero - span : span
      }
    }
  }
}
