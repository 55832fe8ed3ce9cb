import ClusterConfiguration
import Federation
import Rounds
import SecureAggregation
import Wire

/// A mistake planted to prove that the checkers are awake; only tests plant any.
package enum PlantedBug: Hashable, Sendable {
  /// The coordinator adds one worker's input twice.
  case inputAddedTwice(WorkerID)
  /// The sums of a buffer that became a version go into the next one, too.
  case bufferKept
  /// One bit of a worker's input changes between its arrival and the sum.
  case inputAltered(WorkerID)
  /// The same of everyone's input, once each of these parties has died.
  case inputsAlteredAfterDeaths(Set<SimulationScenario.Misfortune.Party>)
  /// A worker releases, for the same owners, shares of the other kind too.
  case bothSharesReleased(WorkerID)
  /// A worker agrees to a second set of survivors.
  case secondSetAgreed(WorkerID)
  /// A worker that has released its shares promises that it never will.
  case promiseBroken(WorkerID)
  /// A worker masks something else with the same keys: the difference of the two is open.
  case secondInputSent(WorkerID)
}

extension PlantedBug {
  /// Whether the coordinator changes a bit of a worker's input.
  func altersInput(of worker: WorkerID, after deaths: Set<SimulationScenario.Misfortune.Party>) -> Bool {
    switch self {
    case .inputAltered(worker): true
    case .inputsAlteredAfterDeaths(let parties): parties.isSubset(of: deaths)
    default: false
    }
  }

  /// What a planted mistake makes a worker say beside its own message.
  func extra(_ message: WorkerMessage, from worker: WorkerID) -> WorkerMessage? {
    switch (self, message) {
    case (.bothSharesReleased(worker), .unmask(let shares)):
      .unmask(
        UnmaskShares(
          transcript: shares.transcript, helper: shares.helper, selfMaskShares: shares.maskKeyShares,
          maskKeyShares: shares.selfMaskShares))
    case (.secondSetAgreed(worker), .agree(let agreement)):
      // Signatures are deterministic: another one is over another set.
      .agree(
        SurvivorAgreement(
          transcript: agreement.transcript, worker: agreement.worker,
          signature: Signature(unchecked: agreement.signature.bytes.reversed())))
    case (.promiseBroken(worker), .unmask(let shares)):
      .abort(
        WorkerAbort(
          transcript: shares.transcript, worker: shares.helper, hasReleased: false, code: .ownFailure,
          signature: Signature(unchecked: Array(repeating: 0, count: Signature.byteCount))))
    default: nil
    }
  }

  /// The same for its bulk socket.
  func extra(
    _ message: BulkToCoordinator, _ payload: [UInt8]?, from worker: WorkerID
  ) -> [(BulkToCoordinator, [UInt8]?)] {
    guard case .secondInputSent(worker) = self, case .chunk = message, let payload else { return [] }
    return [(message, payload.map { ~$0 })]
  }
}
