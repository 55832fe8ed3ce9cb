import ClusterConfiguration
import Federation
import Rounds
import SecureAggregation
import Transfer
import Wire

/// The secrecy invariant over all frames that ever leave a party, whether or not they arrive, across attempts and the
/// deaths of processes.
///
/// For every transcript and owner: never t shares of its self-mask seed *and* t shares of its mask key, so that nobody
/// can take both masks off one input. Beyond that, no worker ever gives both shares of one owner, releases what it has
/// promised not to or promises what it has released, agrees to two sets of survivors, masks two different inputs with
/// the same keys, or contributes to one model more often than its law allows; and no coordinator ever shows two offers,
/// rosters, dealer sets or survivor sets of one name. Where a cohort is divided there is a roster of each group: none is
/// smaller than the rules allow, and nobody is in two of them.
struct FrameChecker {
  private struct Attempt {
    let offer: RoundOffer
    let roundID: Digest
    /// By part; a small roster is one part.
    var roster: [Int: RosterMessage] = [:]
    /// Where the cohort is divided: of each group.
    var groups: [RosterMessage] = []
    /// Large rosters travel in parts.
    var assembly = RosterAssembly()

    /// Groups that the cohort is divided into; nil if it is one. An evaluation is never divided.
    var groupCount: Int? {
      offer.task.kind == .train ? Strategy(parsing: offer.configuration.strategy)?.groups : nil
    }
  }

  private struct Round {
    let workers: [WorkerID]
    let threshold: Int
    /// So many promises seal the transcript: a contribution to it does not count (ruling A8).
    let promisesNeeded: Int
    let run: RunID
    let modelDigest: Digest
    var dealers: DealerSet?
    var survivors: SurvivorSet?
    var selfMasks: [Int: Set<WorkerID>] = [:]
    var maskKeys: [Int: Set<WorkerID>] = [:]
    var promised: Set<WorkerID> = []
    var released: Set<WorkerID> = []
    var agreements: [WorkerID: SurvivorAgreement] = [:]
  }

  /// What of an input has left its worker: the digest of each part.
  private struct Input: Hashable {
    let upload: Digest
    let worker: WorkerID
    /// The number of the chunk; nil for the header and the trailer.
    let chunk: UInt64?
    let kind: String
  }

  private struct Contribution: Hashable {
    let worker: WorkerID
    let run: RunID
    let modelDigest: Digest
  }

  private let membership: MembershipList
  private let contributionsMax: UInt32
  private var attempts: [AttemptID: Attempt] = [:]
  /// By transcript.
  private var rounds: [Digest: Round] = [:]
  private var inputs: [Input: Digest] = [:]
  /// The transcripts under which a model was contributed to.
  private var contributions: [Contribution: Set<Digest>] = [:]

  /// - Parameter contributionsMax: inputs to one model that may leave a worker.
  init(membership: MembershipList, contributionsMax: UInt32) {
    self.membership = membership
    self.contributionsMax = contributionsMax
  }

  /// The roster of a transcript, sorted by worker; empty if no such roster was sent.
  func roster(_ transcript: Digest) -> [WorkerID] { rounds[transcript]?.workers ?? [] }

  // MARK: The coordinator

  /// A message of the coordinator, as it leaves.
  ///
  /// - Returns: the claims that it breaks.
  mutating func sent(_ message: CoordinatorMessage) -> [String] {
    switch message {
    case .offer(let offer): return offered(offer)
    case .roster(let id, let roster): return shown(roster, of: id)
    case .dealers(let dealers):
      guard let round = rounds[dealers.transcript] else { return ["dealers of a round without a roster"] }
      rounds[dealers.transcript]?.dealers = round.dealers ?? dealers
      return round.dealers.map { $0 != dealers } == true ? ["two dealer sets of \(dealers.transcript.short)"] : []
    case .survivors(let survivors):
      guard let round = rounds[survivors.transcript] else { return ["survivors of a round without a roster"] }
      rounds[survivors.transcript]?.survivors = round.survivors ?? survivors
      // On a sparse graph everyone gets the inputs of its own neighbours with it.
      return round.survivors.map { $0.survivors != survivors.survivors || $0.signature != survivors.signature } == true
        ? ["two survivor sets of \(survivors.transcript.short)"] : []
    case .peerShares, .quorum, .result, .ended, .aborts: return []
    }
  }

  private mutating func offered(_ offer: RoundOffer) -> [String] {
    if let first = attempts[offer.attempt] {
      return first.offer == offer ? [] : ["two offers of attempt \(offer.attempt)"]
    }
    attempts[offer.attempt] = Attempt(
      offer: offer,
      roundID: Transcript.roundID(
        federation: membership.federation, attemptID: offer.attempt, modelDigest: offer.modelDigest,
        configurationDigest: offer.configuration.digest))
    return []
  }

  private mutating func shown(_ roster: RosterMessage, of id: AttemptID) -> [String] {
    guard let attempt = attempts[id] else { return ["a roster of attempt \(id), which was never offered"] }
    if let groups = attempt.groupCount { return shown(roster, ofGroupIn: attempt, of: id, groupsMax: groups) }
    if let first = attempt.roster[roster.part?.index ?? 0] {
      return first == roster ? [] : ["two rosters of attempt \(id)"]
    }
    attempts[id]?.roster[roster.part?.index ?? 0] = roster
    guard let roster = attempts[id]?.assembly.add(roster) else { return [] }
    begin(roster, in: attempt, of: id)
    return []
  }

  private mutating func shown(
    _ roster: RosterMessage, ofGroupIn attempt: Attempt, of id: AttemptID, groupsMax: Int
  ) -> [String] {
    guard !attempt.groups.contains(roster) else { return [] }
    attempts[id]?.groups.append(roster)
    begin(roster, in: attempt, of: id)
    let workers = Set(roster.adverts.map(\.entry.worker))
    let others = attempt.groups.flatMap { $0.adverts.map(\.entry.worker) }
    var broken = workers.intersection(others).sorted().map { "\($0) is in two groups of attempt \(id)" }
    if attempt.groups.count == groupsMax { broken.append("more groups in attempt \(id) than \(groupsMax)") }
    if UInt64(workers.count) < attempt.offer.configuration.minimumCohort {
      broken.append("a group of \(workers.count) in attempt \(id)")
    }
    return broken
  }

  private mutating func begin(_ roster: RosterMessage, in attempt: Attempt, of id: AttemptID) {
    let entries = roster.adverts.map(\.entry), configuration = attempt.offer.configuration
    let transcript = Transcript.transcript(
      roundID: attempt.roundID, rosterDigest: Transcript.rosterDigest(roundID: attempt.roundID, entries: entries))
    let organisations = entries.compactMap { membership[$0.worker]?.certificate.organisation }
    let bound = Thresholds.corruptionBound(organisations)
    let threshold = Thresholds.threshold(
      rosterCount: entries.count, corruptionBound: bound, mode: configuration.mode)
    let isComplete = entries.count <= Thresholds.completeGraphLimit
    rounds[transcript] = Round(
      workers: entries.map(\.worker), threshold: threshold,
      promisesNeeded: isComplete ? max(1, entries.count + bound - threshold + 1) : .max, run: id.run,
      modelDigest: attempt.offer.modelDigest)
  }

  // MARK: Workers

  /// A message of a worker, as it leaves.
  ///
  /// - Returns: the claims that it breaks.
  mutating func sent(_ message: WorkerMessage, by worker: WorkerID) -> [String] {
    switch message {
    case .unmask(let shares): return released(shares, by: worker)
    case .abort(let abort):
      guard !abort.hasReleased else { return [] }
      rounds[abort.transcript]?.promised.insert(worker)
      return rounds[abort.transcript]?.released.contains(worker) == true
        ? ["\(worker) promised of \(abort.transcript.short) what it had broken already"] : []
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

  /// A frame of a worker's bulk socket, as it leaves.
  ///
  /// - Returns: the claims that it breaks.
  mutating func sent(_ message: BulkToCoordinator, payload: [UInt8]?, by worker: WorkerID) -> [String] {
    switch message {
    case .request: return []
    case .open(let header):
      return contributed(header.transcript, by: worker)
        + same(header.signature.bytes, Input(upload: header.transcript, worker: worker, chunk: nil, kind: "header"))
    case .chunk(let chunk):
      return same(payload ?? [], Input(upload: chunk.upload, worker: worker, chunk: chunk.number, kind: "chunk"))
    case .close(let trailer):
      return same(
        trailer.signature.bytes, Input(upload: trailer.transcript, worker: worker, chunk: nil, kind: "trailer"))
    }
  }

  private mutating func same(_ bytes: [UInt8], _ input: Input) -> [String] {
    let digest = Digest.sha256(of: bytes)
    let first = inputs[input] ?? digest
    inputs[input] = first
    return first == digest ? [] : ["\(input.worker) sent two inputs under \(input.upload.short): another \(input.kind)"]
  }

  /// In plain mode there is no roster, and nothing masked.
  private mutating func contributed(_ transcript: Digest, by worker: WorkerID) -> [String] {
    guard let round = rounds[transcript] else { return [] }
    let contribution = Contribution(worker: worker, run: round.run, modelDigest: round.modelDigest)
    contributions[contribution, default: []].insert(transcript)
    let count = contributions[contribution, default: []].count {
      rounds[$0].map { $0.promised.count < $0.promisesNeeded } ?? true
    }
    return count > contributionsMax
      ? ["\(worker) contributed \(count) times to model \(round.modelDigest.short), its law allows \(contributionsMax)"]
      : []
  }

  private mutating func released(_ shares: UnmaskShares, by worker: WorkerID) -> [String] {
    guard var round = rounds.removeValue(forKey: shares.transcript) else {  // One owner while it changes.
      return ["\(worker) released shares of a round without a roster"]
    }
    let transcript = shares.transcript.short
    var broken: [String] = []
    if round.promised.contains(worker) { broken.append("\(worker) released shares of \(transcript) after a promise") }
    round.released.insert(worker)
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
