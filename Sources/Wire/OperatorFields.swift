import Federation
import Rounds

internal import CFederationMessages

extension OperatorRequest: WireMessage {
  package static let limits = FrameLimits.operator

  package var kind: String {
    switch self {
    case .submitRun: "submitRun"
    case .listRuns: "listRuns"
    case .status: "getStatus"
    case .runEvents: "getRunEvents"
    case .stopRun: "stopRun"
    }
  }

  package func write(to draft: EnvelopeDraft) {
    switch self {
    case .submitRun(let yaml):
      draft.set(MURMUR__ENVELOPE__BODY_SUBMIT_RUN) { arena, envelope in
        envelope.submit_run = arena.make(murmur__submit_run__init) { $0.yaml = arena.text(yaml) }
      }
    case .listRuns:
      draft.set(MURMUR__ENVELOPE__BODY_LIST_RUNS) { $1.list_runs = $0.make(murmur__list_runs__init) { _ in } }
    case .status:
      draft.set(MURMUR__ENVELOPE__BODY_GET_STATUS) { $1.get_status = $0.make(murmur__get_status__init) { _ in } }
    case .runEvents(let run, let after, let limit):
      draft.set(MURMUR__ENVELOPE__BODY_GET_RUN_EVENTS) { arena, envelope in
        envelope.get_run_events = arena.make(murmur__get_run_events__init) {
          $0.run = arena.text(run)
          $0.after = after
          $0.limit = limit
        }
      }
    case .stopRun(let run):
      draft.set(MURMUR__ENVELOPE__BODY_STOP_RUN) { arena, envelope in
        envelope.stop_run = arena.make(murmur__stop_run__init) { $0.run = arena.text(run) }
      }
    }
  }

  package init(reading view: EnvelopeView) throws(WireError) {
    self = try view.read { envelope throws(WireError) in
      switch envelope.body_case {
      case MURMUR__ENVELOPE__BODY_SUBMIT_RUN:
        let message = try Field.required(envelope.submit_run, "submit_run")
        return .submitRun(
          yaml: try Field.text(message.yaml, "submit_run.yaml", min: 1, max: WireLimits.runFileBytesMax))
      case MURMUR__ENVELOPE__BODY_LIST_RUNS: return .listRuns
      case MURMUR__ENVELOPE__BODY_GET_STATUS: return .status
      case MURMUR__ENVELOPE__BODY_GET_RUN_EVENTS:
        let message = try Field.required(envelope.get_run_events, "get_run_events")
        return .runEvents(
          try Field.name(message.run, "get_run_events.run"), after: message.after,
          limit: try Field.number(
            message.limit, "get_run_events.limit", in: 1...UInt32(WireLimits.runEventsMax)))
      case MURMUR__ENVELOPE__BODY_STOP_RUN:
        let message = try Field.required(envelope.stop_run, "stop_run")
        return .stopRun(try Field.name(message.run, "stop_run.run"))
      default: throw view.unknownBody
      }
    }
  }
}

extension OperatorReply: WireMessage {
  package static let limits = FrameLimits.operator

  package var kind: String {
    switch self {
    case .runAccepted: "runAccepted"
    case .runs: "runs"
    case .status: "status"
    case .runEvents: "runEvents"
    case .runStopping: "runStopping"
    case .failed: "failure"
    }
  }

  package func write(to draft: EnvelopeDraft) {
    switch self {
    case .runAccepted(let run):
      draft.set(MURMUR__ENVELOPE__BODY_RUN_ACCEPTED) { arena, envelope in
        envelope.run_accepted = arena.make(murmur__run_accepted__init) { $0.run = arena.text(run) }
      }
    case .runs(let runs):
      draft.set(MURMUR__ENVELOPE__BODY_RUNS) { arena, envelope in
        envelope.runs = arena.make(murmur__run_list__init) {
          $0.n_runs = runs.count
          $0.runs = arena.list(runs) { $0.draft(in: arena) }
        }
      }
    case .status(let status): draft.set(MURMUR__ENVELOPE__BODY_STATUS) { $1.status = status.draft(in: $0) }
    case .runEvents(let events):
      draft.set(MURMUR__ENVELOPE__BODY_RUN_EVENTS) { $1.run_events = events.draft(in: $0) }
    case .runStopping(let run):
      draft.set(MURMUR__ENVELOPE__BODY_RUN_STOPPING) { arena, envelope in
        envelope.run_stopping = arena.make(murmur__run_stopping__init) { $0.run = arena.text(run) }
      }
    case .failed(let failure): draft.set(MURMUR__ENVELOPE__BODY_FAILURE) { $1.failure = failure.draft(in: $0) }
    }
  }

  package init(reading view: EnvelopeView) throws(WireError) {
    self = try view.read { envelope throws(WireError) in
      switch envelope.body_case {
      case MURMUR__ENVELOPE__BODY_RUN_ACCEPTED:
        return .runAccepted(
          try Field.name(Field.required(envelope.run_accepted, "run_accepted").run, "run_accepted.run"))
      case MURMUR__ENVELOPE__BODY_RUNS:
        let message = try Field.required(envelope.runs, "runs")
        return .runs(try RunRow.list(message.runs, count: message.n_runs, "runs.runs"))
      case MURMUR__ENVELOPE__BODY_STATUS:
        return .status(try CoordinatorStatus(wire: Field.required(envelope.status, "status")))
      case MURMUR__ENVELOPE__BODY_RUN_EVENTS:
        return .runEvents(try RunEvents(wire: Field.required(envelope.run_events, "run_events")))
      case MURMUR__ENVELOPE__BODY_RUN_STOPPING:
        return .runStopping(
          try Field.name(Field.required(envelope.run_stopping, "run_stopping").run, "run_stopping.run"))
      case MURMUR__ENVELOPE__BODY_FAILURE:
        return .failed(try Failure(wire: Field.required(envelope.failure, "failure")))
      default: throw view.unknownBody
      }
    }
  }
}
