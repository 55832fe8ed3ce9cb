import Federation
import ModelRegistry
import Rounds

internal import CFederationMessages

extension RunRow {
  static func list(
    _ rows: UnsafeMutablePointer<UnsafeMutablePointer<Murmur__RunRow>?>?, count: Int, _ field: String
  ) throws(WireError) -> [RunRow] {
    try Field.list(rows, count: count, field, max: WireLimits.runRowsMax) {
      (row: Murmur__RunRow) throws(WireError) in try RunRow(wire: row)
    }
  }

  init(wire message: Murmur__RunRow) throws(WireError) {
    self.init(
      run: try Field.name(message.run, "run.run"), state: try Field.choice(message.state.rawValue, "run.state"),
      model: try Field.name(message.model, "run.model"), roundsCommitted: message.rounds_committed,
      roundsPlanned: message.rounds_planned, reason: try Field.text(message.reason, "run.reason"),
      evaluation: (message.evaluation?.pointee).map(RoundRow.Evaluation.init))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__RunRow> {
    arena.make(murmur__run_row__init) {
      $0.run = arena.text(run)
      $0.state = Murmur__RunState(state.rawValue)
      $0.model = arena.text(model)
      $0.rounds_committed = roundsCommitted
      $0.rounds_planned = roundsPlanned
      $0.reason = arena.prose(reason)
      $0.evaluation = evaluation?.draft(in: arena)
    }
  }
}

extension RunDetail {
  init(wire message: Murmur__RunDetail) throws(WireError) {
    self.init(
      run: try RunRow(wire: Field.required(message.run, "run_detail.run")),
      configuration: try Field.text(message.yaml, "run_detail.yaml", max: WireLimits.runFileBytesMax),
      submittedAt: message.submitted_at, phase: try Field.text(message.phase, "run_detail.phase"),
      cohort: try Field.values(
        message.cohort, count: message.n_cohort, "run_detail.cohort", max: WireLimits.rosterCountMax
      ) { (name: ProtobufCBinaryData) throws(WireError) in try Field.name(name, "run_detail.cohort") },
      suitedWorkers: message.suited_workers)
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__RunDetail> {
    arena.make(murmur__run_detail__init) {
      $0.run = run.draft(in: arena)
      $0.yaml = arena.text(configuration)
      $0.submitted_at = submittedAt
      $0.phase = arena.prose(phase)
      $0.n_cohort = cohort.count
      $0.cohort = arena.values(cohort.map { arena.text($0) })
      $0.suited_workers = suitedWorkers
    }
  }
}

extension RoundRow.Evaluation {
  init(_ message: Murmur__EvaluationRow) { self.init(loss: message.loss, accuracy: message.accuracy) }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__EvaluationRow> {
    arena.make(murmur__evaluation_row__init) {
      $0.loss = loss
      $0.accuracy = accuracy
    }
  }
}

extension WorkerRow {
  init(wire message: Murmur__WorkerRow) throws(WireError) {
    let state: State = try Field.choice(message.state.rawValue, "worker.state")
    self.init(
      name: try Field.name(message.name, "worker.name"),
      organisation: try Field.name(message.organisation, "worker.organisation"), state: state,
      phase: message.phase.rawValue == 0 ? nil : try Field.choice(message.phase.rawValue, "worker.phase"),
      lastHeardMilliseconds: state == .neverSeen ? nil : message.last_heard_milliseconds,
      labels: try WorkerLabels(wire: message.labels, count: message.n_labels, "worker.labels"),
      threads: message.threads, run: message.run.len == 0 ? nil : try Field.name(message.run, "worker.run"),
      stalledSeconds: message.stalled_seconds)
  }

  /// A worker that was never seen was never heard of: its time is not sent.
  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__WorkerRow> {
    arena.make(murmur__worker_row__init) {
      $0.name = arena.text(name)
      $0.organisation = arena.text(organisation)
      $0.state = Murmur__WorkerState(state.rawValue)
      $0.phase = Murmur__WorkPhase(phase?.rawValue ?? 0)
      $0.last_heard_milliseconds = lastHeardMilliseconds ?? 0
      $0.n_labels = labels.pairs.count
      $0.labels = labels.draft(in: arena)
      $0.threads = threads
      if let run { $0.run = arena.text(run) }
      $0.stalled_seconds = stalledSeconds
    }
  }
}

extension ModelRow {
  static func list(
    _ rows: UnsafeMutablePointer<UnsafeMutablePointer<Murmur__ModelRow>?>?, count: Int, _ field: String
  ) throws(WireError) -> [ModelRow] {
    try Field.list(rows, count: count, field, max: WireLimits.modelRowsMax) {
      (row: Murmur__ModelRow) throws(WireError) in try ModelRow(wire: row)
    }
  }

  init(wire message: Murmur__ModelRow) throws(WireError) {
    self.init(
      name: try Field.name(message.name, "model.name"), version: ModelVersion(message.version),
      digest: try Field.fixed(message.digest, "model.digest"),
      aliases: try Field.aliases(message.aliases, count: message.n_aliases, "model.aliases"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__ModelRow> {
    arena.make(murmur__model_row__init) {
      $0.name = arena.text(name)
      $0.version = version.value
      $0.digest = arena.data(digest)
      $0.n_aliases = aliases.count
      $0.aliases = arena.values(aliases.map { arena.text($0.text) })
    }
  }
}

extension RoundRow {
  init(wire message: Murmur__RoundRow) throws(WireError) {
    var published: Published?
    if let row = message.published?.pointee {
      published = Published(
        version: ModelVersion(row.version),
        modelDigest: try Field.fixed(row.model_digest, "round.published.model_digest"))
    }
    self.init(
      attempt: try AttemptID(wire: message.attempt, "round.attempt"), cohort: message.cohort,
      reported: message.reported, dropped: message.dropped,
      evaluation: (message.evaluation?.pointee).map(Evaluation.init),
      seconds: message.seconds, bytesUpPerWorker: message.bytes_up_per_worker, published: published,
      outcome: try Field.choice(message.outcome.rawValue, "round.outcome"),
      reason: try Field.text(message.reason, "round.reason"), saturated: message.saturated,
      central: (message.central?.pointee).map(Evaluation.init),
      staleness: (message.staleness?.pointee).map { Staleness(mean: $0.mean, largest: Int($0.largest)) },
      groups: try GroupTally(wire: message.groups),
      traffic: (message.traffic?.pointee).map { Traffic(up: $0.up, down: $0.down) })
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__RoundRow> {
    arena.make(murmur__round_row__init) {
      $0.attempt = attempt.draft(in: arena)
      $0.cohort = cohort
      $0.reported = reported
      $0.dropped = dropped
      $0.evaluation = evaluation?.draft(in: arena)
      $0.seconds = seconds
      $0.bytes_up_per_worker = bytesUpPerWorker
      if let published {
        $0.published = arena.make(murmur__published_row__init) {
          $0.version = published.version.value
          $0.model_digest = arena.data(published.modelDigest)
        }
      }
      $0.outcome = Murmur__AttemptOutcome(outcome.rawValue)
      $0.reason = arena.prose(reason)
      $0.saturated = saturated
      $0.central = central?.draft(in: arena)
      if let staleness {
        $0.staleness = arena.make(murmur__staleness_row__init) {
          $0.mean = staleness.mean
          $0.largest = UInt32(clamping: staleness.largest)
        }
      }
      if let groups {
        $0.groups = arena.make(murmur__groups_row__init) {
          $0.count = UInt32(clamping: groups.count)
          $0.summed = UInt32(clamping: groups.summed)
          $0.left_out = arena.prose(groups.leftOut)
        }
      }
      if let traffic {
        $0.traffic = arena.make(murmur__traffic_row__init) {
          $0.up = traffic.up
          $0.down = traffic.down
        }
      }
    }
  }
}

extension GroupTally {
  fileprivate init?(wire message: UnsafeMutablePointer<Murmur__GroupsRow>?) throws(WireError) {
    guard let row = message?.pointee else { return nil }
    self.init(
      count: Int(row.count), summed: Int(row.summed), leftOut: try Field.text(row.left_out, "round.groups.left_out"))
  }
}

extension CoordinatorStatus {
  init(wire message: Murmur__CoordinatorStatus) throws(WireError) {
    self.init(
      federation: try Field.name(message.federation, "status.federation"),
      runs: try RunRow.list(message.runs, count: message.n_runs, "status.runs"),
      workers: try Field.list(
        message.workers, count: message.n_workers, "status.workers", max: WireLimits.rosterCountMax
      ) { (row: Murmur__WorkerRow) throws(WireError) in try WorkerRow(wire: row) },
      models: try ModelRow.list(message.models, count: message.n_models, "status.models"),
      rounds: try Field.list(
        message.rounds, count: message.n_rounds, "status.rounds", max: WireLimits.roundRowsMax
      ) { (row: Murmur__RoundRow) throws(WireError) in try RoundRow(wire: row) })
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__CoordinatorStatus> {
    arena.make(murmur__coordinator_status__init) {
      $0.federation = arena.text(federation)
      $0.n_runs = runs.count
      $0.runs = arena.list(runs) { $0.draft(in: arena) }
      $0.n_workers = workers.count
      $0.workers = arena.list(workers) { $0.draft(in: arena) }
      $0.n_models = models.count
      $0.models = arena.list(models) { $0.draft(in: arena) }
      $0.n_rounds = rounds.count
      $0.rounds = arena.list(rounds) { $0.draft(in: arena) }
    }
  }
}

extension RunEvent {
  init(wire message: Murmur__RunEvent) throws(WireError) {
    let kind: Kind
    switch message.kind_case {
    case MURMUR__RUN_EVENT__KIND_RUN: kind = .run(try RunRow(wire: Field.required(message.run, "run_events.run")))
    case MURMUR__RUN_EVENT__KIND_ROUND:
      kind = .round(try RoundRow(wire: Field.required(message.round, "run_events.round")))
    default:
      throw .badField("run_events.kind", found: "\(message.kind_case.rawValue)", expected: "an event known here")
    }
    self.init(sequence: message.sequence, kind: kind)
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__RunEvent> {
    arena.make(murmur__run_event__init) {
      $0.sequence = sequence
      switch kind {
      case .run(let row):
        $0.kind_case = MURMUR__RUN_EVENT__KIND_RUN
        $0.run = row.draft(in: arena)
      case .round(let row):
        $0.kind_case = MURMUR__RUN_EVENT__KIND_ROUND
        $0.round = row.draft(in: arena)
      }
    }
  }
}

extension RunEvents {
  init(wire message: Murmur__RunEvents) throws(WireError) {
    self.init(
      run: try RunRow(wire: Field.required(message.run, "run_events.run")),
      events: try Field.list(
        message.events, count: message.n_events, "run_events.events", max: WireLimits.runEventsMax
      ) { (event: Murmur__RunEvent) throws(WireError) in try RunEvent(wire: event) })
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__RunEvents> {
    arena.make(murmur__run_events__init) {
      $0.run = run.draft(in: arena)
      $0.n_events = events.count
      $0.events = arena.list(events) { $0.draft(in: arena) }
    }
  }
}
