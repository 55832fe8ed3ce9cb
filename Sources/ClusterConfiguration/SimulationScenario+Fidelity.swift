import Federation

/// How much of a federation is simulated.
extension SimulationScenario {
  package enum Fidelity: String, Hashable, Sendable, CaseIterable {
    /// Every message, real cryptography, virtual network and disk.
    case full
    /// The same rounds, strategies, keys, rosters, encodings and training, without messages, masks, shares and signatures.
    case fast
  }

  /// What of the scenario the fast fidelity has no counterpart for; nil if it has all of it.
  package var objectionToFast: (key: String, found: String, expected: String)? {
    let full = "'fidelity: full', or a scenario without it"
    if chaos != .none { return ("chaos", "misfortunes by chance", full) }
    if !misfortunes.isEmpty { return ("misfortunes", "\(misfortunes.count) of them", full) }
    if let (party, kind) = malice.first { return ("malicious.\(party)", "'\(kind)'", full) }
    if let fault = coordinatorFaults.first {
      return ("faults", "a \(fault.kind.rawValue) of the coordinator", full)
    }
    // There are no disks and no calendars of their own.
    if let fault = faults.first(where: { $0.kind != .crash && $0.kind != .partition }) {
      return ("faults", "a \(fault.kind.rawValue) of \(fault.worker)", full)
    }
    for (place, links) in [("network", network)]
      + groups.compactMap({ group in
        group.network.map { ("population.groups.\(group.name).network", $0) }
      })
    {
      for (key, value) in [
        ("loss", links.loss), ("duplication", links.duplication), ("reordering", links.reordering),
      ] where value > 0 {
        return ("\(place).\(key)", "\(value)", full)
      }
    }
    guard run.strategy.method != .fedBuff else {
      return ("run.strategy", "'\(run.strategy.method.rawValue)'", full)
    }
    guard run.strategy.groups == nil else { return ("run.strategy.groups", "a divided cohort", full) }
    return nil
  }
}
