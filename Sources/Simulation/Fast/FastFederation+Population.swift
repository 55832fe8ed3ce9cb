import ClusterConfiguration
import Federation
import Rounds

/// Workers come and go. The coordinator notices after `patience` that one is silent, as in a full simulation.
extension FastFederation {
  /// Tells the run of a worker that it may select.
  func joined(_ place: Int) {
    guard scenario.run.suits(scenario.traits(of: place)) else { return }
    handle(.workerJoined(parties.workers[place].name))
  }

  func leaves(_ place: Int, _ cause: Absences.Cause) {
    guard absences.begin(cause, of: place) else { return }
    missedAt[place] = now + Self.patience
    schedule(.workerMissed(parties.workers[place].name), at: now + Self.patience)
  }

  /// A cause is gone that kept a worker away; it is heard of if no other does.
  func returns(_ worker: WorkerID, _ cause: Absences.Cause) {
    guard let place = places[worker] else { return }
    switch cause {
    case .crash:
      lives[worker, default: 1] += 1
      observe { $0.outageEnded(.crash, of: worker.text, at: now) }
    case .partition: observe { $0.outageEnded(.partition, of: worker.text, at: now) }
    case .away, .region: break
    }
    guard absences.end(cause, of: place) else { return }
    missedAt[place] = nil
    note("coordinator", "joined", ["worker": .text(worker.text)])
    guard scenario.run.suits(scenario.traits(of: place)) else { return }
    handle(cause == .crash ? .workerRestarted(worker) : .workerJoined(worker))
  }

  // MARK: Availability

  func schedulePresence(of place: Int) {
    guard !presences.isEmpty, let time = presences[place].next() else { return }
    schedule(.presenceChanges(place), at: time)
  }

  func changePresence(of place: Int) {
    let worker = parties.workers[place].name
    if presences[place].isHere { comesBack(worker, place, .away) } else { goes(place, .away) }
    schedulePresence(of: place)
  }

  /// What it has not reported by now does not arrive.
  private func goes(_ place: Int, _ cause: Absences.Cause) {
    attempt?.gone.insert(parties.workers[place].name)
    leaves(place, cause)
  }

  /// Not before the coordinator has noticed that it was away.
  private func comesBack(_ worker: WorkerID, _ place: Int, _ cause: Absences.Cause) {
    schedule(.workerReturns(worker, cause), at: max(now, missedAt[place] ?? now))
  }

  /// Whether a worker of the attempt's cohort is away, or was.
  func isUnreachable(_ worker: WorkerID, in attempt: Attempt) -> Bool {
    attempt.gone.contains(worker) || places[worker].map { absences.isAway($0) } ?? false
  }

  // MARK: Stragglers

  /// How many of the epochs that an attempt asks for a worker does; 0 for nothing that comes in time.
  func epochs(of place: Int, _ offer: RoundOffer) -> UInt64 {
    let asked = offer.configuration.localEpochs
    return offer.task.kind == .train ? stragglers.epochs(of: place, offer.attempt, asked: asked) : max(1, asked)
  }

  func epochs(of worker: WorkerID, _ offer: RoundOffer) -> UInt64 {
    places[worker].map { epochs(of: $0, offer) } ?? offer.configuration.localEpochs
  }

  // MARK: Regions

  func change(_ change: RegionSchedule.Change) {
    let region = regions.name(of: change.partition), cause = Absences.Cause.region(change.partition)
    note(region, change.begins ? "partition" : "partitionEnds")
    if change.begins {
      outageCount += 1
      observe { $0.outageBegan(.partition, of: region, at: now) }
    } else {
      observe { $0.outageEnded(.partition, of: region, at: now) }
    }
    for place in regions.workers(behind: change.partition) {
      if change.begins { goes(place, cause) } else { comesBack(parties.workers[place].name, place, cause) }
    }
  }
}
