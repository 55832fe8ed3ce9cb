import Federation
import ModelRegistry
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
    case .pauseRun: "pauseRun"
    case .resumeRun: "resumeRun"
    case .deleteRun: "deleteRun"
    case .showRun: "showRun"
    case .listVersions: "listVersions"
    case .showVersion: "showVersion"
    case .changeAlias: "changeAlias"
    case .retireVersion: "retireVersion"
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
    case .pauseRun(let run):
      draft.set(MURMUR__ENVELOPE__BODY_PAUSE_RUN) { arena, envelope in
        envelope.pause_run = arena.make(murmur__pause_run__init) { $0.run = arena.text(run) }
      }
    case .resumeRun(let run):
      draft.set(MURMUR__ENVELOPE__BODY_RESUME_RUN) { arena, envelope in
        envelope.resume_run = arena.make(murmur__resume_run__init) { $0.run = arena.text(run) }
      }
    case .deleteRun(let run):
      draft.set(MURMUR__ENVELOPE__BODY_DELETE_RUN) { arena, envelope in
        envelope.delete_run = arena.make(murmur__delete_run__init) { $0.run = arena.text(run) }
      }
    case .showRun(let run):
      draft.set(MURMUR__ENVELOPE__BODY_SHOW_RUN) { arena, envelope in
        envelope.show_run = arena.make(murmur__show_run__init) { $0.run = arena.text(run) }
      }
    case .listVersions(let model):
      draft.set(MURMUR__ENVELOPE__BODY_LIST_VERSIONS) { arena, envelope in
        envelope.list_versions = arena.make(murmur__list_versions__init) { $0.model = arena.text(model?.text ?? "") }
      }
    case .showVersion(let reference):
      draft.set(MURMUR__ENVELOPE__BODY_SHOW_VERSION) { arena, envelope in
        envelope.show_version = arena.make(murmur__show_version__init) { $0.reference = arena.text(reference) }
      }
    case .changeAlias(let order):
      draft.set(MURMUR__ENVELOPE__BODY_CHANGE_ALIAS) { $1.change_alias = order.draft(in: $0) }
    case .retireVersion(let model, let version, let reason):
      draft.set(MURMUR__ENVELOPE__BODY_RETIRE_VERSION) { arena, envelope in
        envelope.retire_version = arena.make(murmur__retire_version__init) {
          $0.model = arena.text(model)
          $0.version = version.value
          $0.reason = arena.prose(reason, max: RetiredVersion.reasonBytesMax)
        }
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
      case MURMUR__ENVELOPE__BODY_PAUSE_RUN:
        return .pauseRun(try Field.name(Field.required(envelope.pause_run, "pause_run").run, "pause_run.run"))
      case MURMUR__ENVELOPE__BODY_RESUME_RUN:
        return .resumeRun(try Field.name(Field.required(envelope.resume_run, "resume_run").run, "resume_run.run"))
      case MURMUR__ENVELOPE__BODY_DELETE_RUN:
        return .deleteRun(try Field.name(Field.required(envelope.delete_run, "delete_run").run, "delete_run.run"))
      case MURMUR__ENVELOPE__BODY_SHOW_RUN:
        return .showRun(try Field.name(Field.required(envelope.show_run, "show_run").run, "show_run.run"))
      case MURMUR__ENVELOPE__BODY_LIST_VERSIONS:
        let message = try Field.required(envelope.list_versions, "list_versions")
        return .listVersions(message.model.len == 0 ? nil : try Field.name(message.model, "list_versions.model"))
      case MURMUR__ENVELOPE__BODY_SHOW_VERSION:
        let message = try Field.required(envelope.show_version, "show_version")
        return .showVersion(
          reference: try Field.text(
            message.reference, "show_version.reference", min: 1, max: WireLimits.referenceBytesMax))
      case MURMUR__ENVELOPE__BODY_CHANGE_ALIAS:
        return .changeAlias(try AliasOrder(wire: Field.required(envelope.change_alias, "change_alias")))
      case MURMUR__ENVELOPE__BODY_RETIRE_VERSION:
        let message = try Field.required(envelope.retire_version, "retire_version")
        return .retireVersion(
          try Field.name(message.model, "retire_version.model"), ModelVersion(message.version),
          reason: try Field.text(
            message.reason, "retire_version.reason", min: 1, max: RetiredVersion.reasonBytesMax))
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
    case .runChanged: "runChanged"
    case .runDeleted: "runDeleted"
    case .runDetail: "runDetail"
    case .versions: "versions"
    case .versionDetail: "versionDetail"
    case .aliasChanged: "aliasChanged"
    case .versionRetired: "versionRetirement"
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
    case .runChanged(let row):
      draft.set(MURMUR__ENVELOPE__BODY_RUN_CHANGED) { arena, envelope in
        envelope.run_changed = arena.make(murmur__run_changed__init) { $0.run = row.draft(in: arena) }
      }
    case .runDeleted(let run, let versions):
      draft.set(MURMUR__ENVELOPE__BODY_RUN_DELETED) { arena, envelope in
        envelope.run_deleted = arena.make(murmur__run_deleted__init) {
          $0.run = arena.text(run)
          $0.versions = versions
        }
      }
    case .runDetail(let detail):
      draft.set(MURMUR__ENVELOPE__BODY_RUN_DETAIL) { $1.run_detail = detail.draft(in: $0) }
    case .versions(let rows):
      draft.set(MURMUR__ENVELOPE__BODY_VERSIONS) { arena, envelope in
        envelope.versions = arena.make(murmur__version_list__init) {
          $0.n_versions = rows.count
          $0.versions = arena.list(rows) { $0.draft(in: arena) }
        }
      }
    case .versionDetail(let detail):
      draft.set(MURMUR__ENVELOPE__BODY_VERSION_DETAIL) { $1.version_detail = detail.draft(in: $0) }
    case .aliasChanged(let move):
      draft.set(MURMUR__ENVELOPE__BODY_ALIAS_CHANGED) { $1.alias_changed = move.draft(in: $0) }
    case .versionRetired(let version, let moves):
      draft.set(MURMUR__ENVELOPE__BODY_VERSION_RETIREMENT) { arena, envelope in
        envelope.version_retirement = arena.make(murmur__version_retirement__init) {
          $0.version = version.draft(in: arena)
          $0.n_moves = moves.count
          $0.moves = arena.list(moves) { $0.draft(in: arena) }
        }
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
      case MURMUR__ENVELOPE__BODY_RUN_CHANGED:
        let message = try Field.required(envelope.run_changed, "run_changed")
        return .runChanged(try RunRow(wire: Field.required(message.run, "run_changed.run")))
      case MURMUR__ENVELOPE__BODY_RUN_DELETED:
        let message = try Field.required(envelope.run_deleted, "run_deleted")
        return .runDeleted(try Field.name(message.run, "run_deleted.run"), versions: message.versions)
      case MURMUR__ENVELOPE__BODY_RUN_DETAIL:
        return .runDetail(try RunDetail(wire: Field.required(envelope.run_detail, "run_detail")))
      case MURMUR__ENVELOPE__BODY_VERSIONS:
        let message = try Field.required(envelope.versions, "versions")
        return .versions(
          try VersionRow.list(
            message.versions, count: message.n_versions, "versions", max: WireLimits.versionRowsMax))
      case MURMUR__ENVELOPE__BODY_VERSION_DETAIL:
        return .versionDetail(try VersionDetail(wire: Field.required(envelope.version_detail, "version_detail")))
      case MURMUR__ENVELOPE__BODY_ALIAS_CHANGED:
        return .aliasChanged(try AliasMove(wire: envelope.alias_changed, "alias_changed"))
      case MURMUR__ENVELOPE__BODY_VERSION_RETIREMENT:
        let message = try Field.required(envelope.version_retirement, "version_retirement")
        return .versionRetired(
          try RetiredVersion(wire: message.version, "version_retirement.version"),
          moves: try AliasMove.list(message.moves, count: message.n_moves, "version_retirement.moves"))
      case MURMUR__ENVELOPE__BODY_FAILURE:
        return .failed(try Failure(wire: Field.required(envelope.failure, "failure")))
      default: throw view.unknownBody
      }
    }
  }
}
