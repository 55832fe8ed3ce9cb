import ClusterConfiguration
import Federation
import Rounds
import SecureAggregation

/// The secrecy invariant over all frames that ever leave a worker, whether or not they arrive.
///
/// For every transcript and owner: never t shares of its self-mask seed *and* t shares of its mask key, so that nobody
/// can take both masks off one input. Beyond that, no worker ever gives both shares of one owner, releases after it has
/// promised not to, or agrees to two sets of survivors.
struct FrameChecker {
  private struct Attempt {
    let roundID: Digest
    let configuration: RoundConfiguration
  }

  private struct Round {
    let workers: [WorkerID]
    let threshold: Int
    var selfMasks: [Int: Set<WorkerID>] = [:]
    var maskKeys: [Int: Set<WorkerID>] = [:]
    var promised: Set<WorkerID> = []
    var agreements: [WorkerID: SurvivorAgreement] = [:]
  }

  private let membership: MembershipList
  private var attempts: [AttemptID: Attempt] = [:]
  /// Large rosters travel in parts.
  private var assemblies: [AttemptID: RosterAssembly] = [:]
  private var lastRoster: (AttemptID, [KeyAdvert])?
  /// By transcript.
  private var rounds: [Digest: Round] = [:]

  init(membership: MembershipList) { self.membership = membership }

  /// The roster of a transcript, sorted by worker; empty if no such roster was sent.
  func roster(_ transcript: Digest) -> [WorkerID] { rounds[transcript]?.workers ?? [] }

  /// A message of the coordinator, as it leaves.
  mutating func sent(_ message: CoordinatorMessage) {
    switch message {
    case .offer(let offer):
      guard attempts[offer.attempt] == nil else { return }
      let digest = offer.configuration.digest
      attempts[offer.attempt] = Attempt(
        roundID: Transcript.roundID(
          federation: membership.federation, attemptID: offer.attempt, modelDigest: offer.modelDigest,
          configurationDigest: digest), configuration: offer.configuration)
    case .roster(let id, let part):
      guard let attempt = attempts[id], let roster = assemblies[id, default: RosterAssembly()].add(part) else {
        return
      }
      // Everyone gets the same roster: one look is enough.
      if let known = lastRoster, known.0 == id, known.1 == roster.adverts { return }
      lastRoster = (id, roster.adverts)
      let entries = roster.adverts.map(\.entry)
      let transcript = Transcript.transcript(
        roundID: attempt.roundID,
        rosterDigest: Transcript.rosterDigest(roundID: attempt.roundID, entries: entries))
      guard rounds[transcript] == nil else { return }
      let organisations = entries.compactMap { membership[$0.worker]?.certificate.organisation }
      let bound = Thresholds.corruptionBound(organisations)
      rounds[transcript] = Round(
        workers: entries.map(\.worker),
        threshold: Thresholds.threshold(
          rosterCount: entries.count, corruptionBound: bound, mode: attempt.configuration.mode))
    case .peerShares, .dealers, .survivors, .quorum, .result, .ended, .aborts: break
    }
  }

  /// A message of a worker, as it leaves.
  ///
  /// - Returns: the claims that it breaks.
  mutating func sent(_ message: WorkerMessage, by worker: WorkerID) -> [String] {
    switch message {
    case .unmask(let shares): return released(shares, by: worker)
    case .abort(let abort):
      if !abort.hasReleased { rounds[abort.transcript]?.promised.insert(worker) }
      return []
    case .agree(let agreement):
      guard let round = rounds[agreement.transcript] else { return ["\(worker) agreed in a round without a roster"] }
      if let first = round.agreements[worker], first != agreement {
        return ["\(worker) agreed to two sets of survivors of \(agreement.transcript.short)"]
      }
      rounds[agreement.transcript]?.agreements[worker] = agreement
      return []
    case .accept, .decline, .progress, .advert, .bundle, .shareCheck: return []
    }
  }

  private mutating func released(_ shares: UnmaskShares, by worker: WorkerID) -> [String] {
    guard var round = rounds[shares.transcript] else {
      return ["\(worker) released shares of a round without a roster"]
    }
    let transcript = shares.transcript.short
    var broken: [String] = []
    if round.promised.contains(worker) { broken.append("\(worker) released shares of \(transcript) after a promise") }
    for entry in shares.selfMaskShares { round.selfMasks[entry.owner, default: []].insert(worker) }
    for entry in shares.maskKeyShares { round.maskKeys[entry.owner, default: []].insert(worker) }
    for owner in Set((shares.selfMaskShares + shares.maskKeyShares).map(\.owner)).sorted() {
      let selfMasks = round.selfMasks[owner] ?? [], maskKeys = round.maskKeys[owner] ?? []
      if !selfMasks.isDisjoint(with: maskKeys) {
        broken.append("\(worker) released both shares of worker \(owner) in \(transcript)")
      }
      if selfMasks.count >= round.threshold, maskKeys.count >= round.threshold {
        broken.append("both secrets of worker \(owner) in \(transcript) can be reconstructed")
      }
    }
    rounds[shares.transcript] = round
    return broken
  }
}

extension WorkerMessage {
  /// The point of a round that a worker has come to when this message has left.
  var faultPoint: SimulationScenario.Fault.Point? {
    switch self {
    case .advert: .advertiseKeys
    case .bundle: .shareKeys
    case .shareCheck: .checkShares
    case .agree: .consistencyCheck
    case .unmask: .unmask
    case .accept, .decline, .progress, .abort: nil
    }
  }
}

extension PlantedBug {
  /// What a planted mistake makes a worker say beside its own message.
  func extra(_ message: WorkerMessage, from worker: WorkerID) -> WorkerMessage? {
    guard case .bothSharesReleased(worker) = self, case .unmask(let shares) = message else { return nil }
    return .unmask(
      UnmaskShares(
        transcript: shares.transcript, helper: shares.helper, selfMaskShares: shares.maskKeyShares,
        maskKeyShares: shares.selfMaskShares))
  }
}
