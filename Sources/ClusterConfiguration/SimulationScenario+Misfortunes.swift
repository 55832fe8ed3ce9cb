import Federation

/// What chance did once, written down so that it happens again.
extension SimulationScenario {
  /// A death or a partition at one step of one party.
  ///
  /// A step is a moment at which a party could die: between two actions of its machine, behind each durable record, and
  /// behind each message. Each party counts its own, from 1, over all its lives.
  package struct Misfortune: Hashable, Sendable {
    package enum Party: Hashable, Sendable {
      case coordinator
      /// By its place among the workers.
      case worker(Int)
    }

    package var party: Party
    package var step: Int
    /// The coordinator knows `crash` alone.
    package var kind: Fault.Kind
    /// After this time the party starts again, or is reached again.
    package var duration: Duration

    package init(_ party: Party, step: Int, kind: Fault.Kind = .crash, duration: Duration) {
      self.party = party
      self.step = step
      self.kind = kind
      self.duration = duration
    }
  }

  /// Misfortunes last so long at most.
  static let misfortuneMax = Duration.seconds(3600)

  static func misfortunes(
    in top: ConfigurationSection, population: Population
  ) throws(ConfigurationError) -> [Misfortune] {
    let sections = try top.sections("misfortunes", keys: ["party", "step", "kind", "for"])
    guard sections.count <= faultCountMax else {
      throw top.error(at: "misfortunes", found: "\(sections.count) of them", expected: "at most \(faultCountMax)")
    }
    var misfortunes: [Misfortune] = []
    var taken: [Misfortune.Party: Set<Int>] = [:]
    for section in sections {
      let misfortune = try misfortune(in: section, population: population)
      guard taken[misfortune.party, default: []].insert(misfortune.step).inserted else {
        throw section.error(
          at: "step", found: "step \(misfortune.step) of \(misfortune.party) twice",
          expected: "each step of a party once")
      }
      misfortunes.append(misfortune)
    }
    return misfortunes
  }

  private static func misfortune(
    in section: ConfigurationSection, population: Population
  ) throws(ConfigurationError) -> Misfortune {
    let expected = "'coordinator', or a worker of the population, worker-1 to worker-\(population.workers)"
    let party = try section.text("party", expected: expected) { Misfortune.Party($0, of: population) }
    let kind: Fault.Kind = try section.choice("kind", of: ["crash": .crash, "partition": .partition])
    guard party != .coordinator || kind == .crash else {
      throw section.error(
        at: "kind", found: "'partition' of the coordinator", expected: "'crash', or a partition of its workers")
    }
    return try Misfortune(
      party, step: section.integer("step", in: 1...Int(UInt32.max)), kind: kind,
      duration: section.duration("for", in: .nanoseconds(1)...misfortuneMax))
  }
}

extension SimulationScenario.Misfortune.Party: CustomStringConvertible {
  /// As scenario files and logs have it.
  package var description: String {
    switch self {
    case .coordinator: "coordinator"
    case .worker(let place): "worker-\(place + 1)"
    }
  }

  init?(_ name: String, of population: Population) {
    guard name != "coordinator" else {
      self = .coordinator
      return
    }
    guard let number = Int(name.dropFirst("worker-".count)), (1...population.workers).contains(number),
      name == "worker-\(number)"
    else { return nil }
    self = .worker(number - 1)
  }
}
