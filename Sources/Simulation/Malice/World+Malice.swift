import ClusterConfiguration
import Federation
import ModelRegistry
import Rounds
import SecureAggregation
import Wire

/// Where malicious parties come in: between a machine and the network.
extension World {
  /// What the coordinator says to a worker, in place of what its machine would.
  func said(
    _ message: CoordinatorMessage, to worker: WorkerID, blob: (Digest) -> [UInt8]?
  ) -> [CoordinatorMessage] {
    guard let coordinator = malice.coordinator else { return [message] }
    let said = coordinator.saying(message, to: worker, blob: blob)
    if said != [message], let attempt = coordinator.spoiling {
      malice.coordinatorSpoiled(attempt)
      note(
        Self.coordinatorName, "malice",
        ["kind": .text(coordinator.kind.rawValue), "message": .text(message.kind), "to": .text(worker.text)])
    }
    return said
  }

  /// What a worker says in place of what its machine would.
  func said(_ message: WorkerMessage, by worker: WorkerID, in attempt: AttemptID?) -> [WorkerMessage] {
    guard let liar = malice.worker(worker), liar.isActive(in: attempt) else { return [message] }
    let said = liar.saying(message)
    if said != [message] { noteMalice(of: worker, liar, message: message.kind) }
    return said
  }

  /// What a worker has learnt in place of what its data say.
  func learnt(_ update: ClientUpdate, by worker: WorkerID, in attempt: AttemptID) -> ClientUpdate {
    guard let liar = malice.worker(worker), liar.isActive(in: attempt) else { return update }
    let learnt = liar.learning(update)
    if learnt.difference != update.difference { noteMalice(of: worker, liar, message: "update") }
    return learnt
  }

  /// What a worker uploads in place of what its machine would.
  func uploaded(
    _ message: BulkToCoordinator, _ payload: [UInt8]?, by worker: WorkerID, in attempt: AttemptID?
  ) -> (BulkToCoordinator, [UInt8]?) {
    guard let liar = malice.worker(worker), liar.isActive(in: attempt) else { return (message, payload) }
    let (said, bytes) = liar.uploading(message, payload)
    if said != message || bytes != payload { noteMalice(of: worker, liar, message: message.kind) }
    return (said, bytes)
  }

  private func noteMalice(of worker: WorkerID, _ liar: MaliciousWorker, message: String) {
    malice.workerSpoiled(worker)
    note(worker.text, "malice", ["kind": .text(liar.kind.rawValue), "message": .text(message)])
  }

  /// Whether a bit of a worker's input changes on its way into the sum.
  func altersInput(of worker: WorkerID) -> Bool {
    if plantedBug?.altersInput(of: worker, after: deaths) == true { return true }
    guard let coordinator = malice.coordinator, coordinator.kind == .alteredInput, let attempt = coordinator.spoiling
    else { return false }
    malice.coordinatorSpoiled(attempt)
    note(
      Self.coordinatorName, "malice",
      ["kind": .text(coordinator.kind.rawValue), "message": "input", "from": .text(worker.text)])
    return true
  }

  /// Whether a broken claim about a sum is what a malicious coordinator is there for.
  func explains(_ claim: String) -> Bool {
    guard malice.explains(claim) else { return false }
    note("checker", "noticed", ["claim": .text(claim)])
    return true
  }
}

extension Manifest {
  /// The attempt that made the version.
  var madeBy: AttemptID { AttemptID(run: run, round: round, attempt: attempt) }
}
