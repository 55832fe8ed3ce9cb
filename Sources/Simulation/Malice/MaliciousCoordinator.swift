import ClusterConfiguration
import Cryptography
import Federation
import Rounds
import SecureAggregation

/// What a malicious coordinator says: the protocol's own machine runs, and between it and the workers messages are made
/// into others, signed with the coordinator's key.
final class MaliciousCoordinator {
  typealias Kind = SimulationScenario.CoordinatorMalice

  /// What is known of the attempt in hand.
  private struct Attempt {
    /// As its workers hold it.
    var offer: RoundOffer
    var adverts: [KeyAdvert] = []
    /// In the order of the roster.
    var workers: [WorkerID] = []
    var survivors: SurvivorSet?
    /// Those who are shown another set of survivors.
    var deceived: Set<WorkerID> = []
    var agreements: [SurvivorAgreement] = []
  }

  let kind: Kind
  private let conduct: SimulationScenario.Conduct<Kind>
  private let party: VirtualParties.Party
  private let federation: FederationID
  private var attempt: Attempt?
  /// Of the first attempt of all, to be said again.
  private var firstOffer: RoundOffer?
  private var firstRoster: RosterMessage?
  /// Served in place of the model's.
  private(set) var blobs: [Digest: [UInt8]] = [:]

  init(_ conduct: SimulationScenario.Conduct<Kind>, parties: VirtualParties) {
    self.conduct = conduct
    kind = conduct.kind
    party = parties.coordinator
    federation = parties.membership.federation
  }

  /// The attempt in hand, if it is of a round in which the coordinator is malicious.
  var spoiling: AttemptID? {
    guard let id = attempt?.offer.attempt, conduct.isDone(in: id.round) else { return nil }
    return id
  }

  /// What it says instead.
  ///
  /// - Parameter blob: the bytes of a blob of the model.
  func saying(
    _ message: CoordinatorMessage, to worker: WorkerID, blob: (Digest) -> [UInt8]?
  ) -> [CoordinatorMessage] {
    if case .offer(let offer) = message {
      if firstOffer == nil { firstOffer = offer }
      if attempt?.offer.attempt != offer.attempt { attempt = Attempt(offer: offer) }
    }
    if case .survivors(let survivors) = message { attempt?.survivors = survivors }
    if case .roster(_, let roster) = message {
      if firstRoster == nil { firstRoster = roster }
      attempt?.workers = roster.adverts.map(\.entry.worker)
    }
    guard spoiling != nil else { return [message] }
    switch message {
    case .offer(let offer): return saying(offer, blob)
    case .roster(let id, let roster): return saying(roster).map { .roster(id, $0) }
    case .survivors(let survivors): return saying(survivors, to: worker).map(CoordinatorMessage.survivors)
    case .quorum(let quorum): return saying(quorum)
    case .result(let result): return [.result(saying(result))]
    case .peerShares, .dealers, .ended, .aborts: return [message]
    }
  }

  /// What a worker's message makes it say at once; nil where the protocol's own machine may hear of it.
  func hearing(_ message: WorkerMessage, from worker: WorkerID) -> [(CoordinatorMessage, to: WorkerID)]? {
    guard spoiling != nil else { return nil }
    switch (kind, message) {
    case (.loweredMinimum, .advert(let id, let advert)): return gathering(advert, of: id)
    case (.splitSurvivors, .agree(let agreement)): return gathering(agreement)
    default: return nil  // The machine hears of everything else.
    }
  }

  // MARK: Offers

  private func saying(_ offer: RoundOffer, _ blob: (Digest) -> [UInt8]?) -> [CoordinatorMessage] {
    switch kind {
    case .unsignedOffer:
      return [.offer(offer.with(signature: Signature(unchecked: offer.signature.bytes.reversed())))]
    case .alteredTask:
      var task = offer.task
      task.seed &+= 1
      return [.offer(offer.with(task: task))]
    case .tamperedModel: return [.offer(tampered(offer, blob))]
    case .replayedOffer: return [firstOffer, offer].compactMap { $0 }.map(CoordinatorMessage.offer)
    case .loweredMinimum:
      let lowered = lowered(offer)
      attempt?.offer = lowered
      return [.offer(lowered)]
    default: return [.offer(offer)]  // Kinds of other messages.
    }
  }

  private func tampered(_ offer: RoundOffer, _ blob: (Digest) -> [UInt8]?) -> RoundOffer {
    guard let first = offer.tensors.first, var bytes = blob(first.digest), !bytes.isEmpty else { return offer }
    bytes[0] ^= 1
    let digest = Digest.sha256(of: bytes)
    blobs[digest] = bytes
    let other = TensorReference(
      name: first.name, dtypeCode: first.dtypeCode, shape: first.shape, digest: digest, byteCount: first.byteCount)
    return offer.with(tensors: [other] + offer.tensors.dropFirst())
  }

  private func lowered(_ offer: RoundOffer) -> RoundOffer {
    var rules = offer.configuration
    rules.minimumCohort = 2
    rules.minimumOrganisations = 1
    rules.minimumHonestSum = 1
    rules.organisationCap = RoundConfiguration.Ratio(1, 1)
    let changed = offer.with(configuration: rules)
    return changed.with(signature: party.signingKey.signature(over: SignedString.offer(roundID: roundID(of: changed))))
  }

  /// The first two who answer are the whole roster.
  private func gathering(_ advert: KeyAdvert, of id: AttemptID) -> [(CoordinatorMessage, to: WorkerID)] {
    guard let known = attempt, known.offer.attempt == id,
      !known.adverts.contains(where: { $0.entry.worker == advert.entry.worker })
    else { return [] }
    attempt?.adverts.append(advert)
    guard let pair = attempt?.adverts, pair.count == 2 else { return [] }
    let roster = signed(pair.sorted { $0.entry.worker < $1.entry.worker })
    return roster.adverts.map { (.roster(id, roster), to: $0.entry.worker) }
  }

  private func roundID(of offer: RoundOffer) -> Digest {
    Transcript.roundID(
      federation: federation, attemptID: offer.attempt, modelDigest: offer.modelDigest,
      configurationDigest: offer.configuration.digest)
  }

  // MARK: Rosters

  private func saying(_ roster: RosterMessage) -> [RosterMessage] {
    var adverts = roster.adverts
    switch kind {
    case .substitutedKey:
      adverts[0] = advert(like: adverts[0], of: adverts[0].entry.worker)
      return [signed(adverts)]
    case .inventedWorker: return [signed(adverts + [advert(like: adverts[0], of: "worker-9999")])]
    case .secondRoster: return [roster, signed(adverts.dropLast())]
    case .replayedRoster: return [firstRoster ?? roster]
    default: return [roster]  // Kinds of other messages.
    }
  }

  /// With keys that are the coordinator's own, and signed by it.
  private func advert(like advert: KeyAdvert, of worker: WorkerID) -> KeyAdvert {
    let own = AgreementPublicKey(
      unchecked: X25519.publicKey(of: SecretBytes(copying: [UInt8](repeating: 9, count: X25519.byteCount))))
    let isKnown = worker == advert.entry.worker
    let entry = RosterEntry(
      worker: worker, certificateFingerprint: advert.entry.certificateFingerprint,
      encryptionKey: isKnown ? advert.entry.encryptionKey : own, maskKey: own)
    return KeyAdvert(
      entry: entry, modelDigest: advert.modelDigest, configurationDigest: advert.configurationDigest,
      offerSignature: advert.offerSignature,
      signature: signature { SignedString.advert(roundID: $0, entry: entry, offerSignature: advert.offerSignature) })
  }

  private func signed(_ adverts: some Sequence<KeyAdvert>) -> RosterMessage {
    let adverts = Array(adverts)
    return RosterMessage(
      adverts: adverts,
      signature: signature { roundID in
        SignedString.roster(
          roundID: roundID, rosterDigest: Transcript.rosterDigest(roundID: roundID, entries: adverts.map(\.entry)))
      })
  }

  /// Over a string that names the round id of the attempt in hand.
  private func signature(over string: (Digest) -> [UInt8]) -> Signature {
    party.signingKey.signature(over: attempt.map { string(roundID(of: $0.offer)) } ?? [])
  }

  // MARK: Survivors, certificate and result

  private func saying(_ survivors: SurvivorSet, to worker: WorkerID) -> [SurvivorSet] {
    switch kind {
    case .splitSurvivors:
      guard isDeceived(worker, survivors) else { return [survivors] }
      attempt?.deceived.insert(worker)
      return [withoutFirst(survivors)]
    case .secondSurvivors: return [survivors, withoutFirst(survivors)]
    default: return [survivors]  // Kinds of other messages.
    }
  }

  /// Of the survivors every second one is, and never the one that is left out.
  private func isDeceived(_ worker: WorkerID, _ survivors: SurvivorSet) -> Bool {
    guard let known = attempt, !known.deceived.contains(worker) else { return true }
    return known.deceived.count < survivors.survivors.memberCount / 2 && worker != firstSurvivor(survivors)
  }

  private func firstSurvivor(_ survivors: SurvivorSet) -> WorkerID? {
    guard let place = survivors.survivors.members.first, let workers = attempt?.workers else { return nil }
    return workers.indices.contains(place) ? workers[place] : nil
  }

  private func withoutFirst(_ message: SurvivorSet) -> SurvivorSet {
    let bitmap = Bitmap(members: message.survivors.members.dropFirst(), count: message.survivors.count)
    return SurvivorSet(
      transcript: message.transcript, dealersDigest: message.dealersDigest, survivors: bitmap, inputs: message.inputs,
      signature: party.signingKey.signature(
        over: SignedString.survivors(
          transcript: message.transcript, dealersDigest: message.dealersDigest, bitmap: bitmap)))
  }

  /// Once all have agreed, each half gets the agreements to what it saw itself.
  private func gathering(_ agreement: SurvivorAgreement) -> [(CoordinatorMessage, to: WorkerID)] {
    attempt?.agreements.append(agreement)
    guard let known = attempt, let survivors = known.survivors?.survivors.members,
      Set(known.agreements.map(\.worker)) == Set(survivors), survivors.allSatisfy(known.workers.indices.contains)
    else { return [] }
    attempt?.agreements = []
    return survivors.map { place in
      let name = known.workers[place], isDeceived = known.deceived.contains(name)
      let signers = known.agreements.filter { known.deceived.contains(known.workers[$0.worker]) == isDeceived }
        .sorted { $0.worker < $1.worker }
      return (
        .quorum(
          QuorumCertificate(
            transcript: agreement.transcript,
            signers: signers.map { QuorumSignature(worker: $0.worker, signature: $0.signature) })), to: name
      )
    }
  }

  private func saying(_ quorum: QuorumCertificate) -> [CoordinatorMessage] {
    switch kind {
    case .bothShares:
      let second = attempt?.survivors.map { CoordinatorMessage.survivors(withoutFirst($0)) }
      return [.quorum(quorum), second, .quorum(quorum)].compactMap { $0 }
    case .forgedQuorum:
      var signers = quorum.signers
      signers[1] = QuorumSignature(worker: signers[1].worker, signature: signers[0].signature)
      return [.quorum(QuorumCertificate(transcript: quorum.transcript, signers: signers))]
    default: return [.quorum(quorum)]  // Kinds of other messages.
    }
  }

  private func saying(_ result: AttemptResult) -> AttemptResult {
    guard kind == .forgedResult else { return result }
    return AttemptResult(
      transcript: result.transcript, survivors: result.survivors, modelDigest: result.modelDigest,
      weight: result.weight + 1, signature: result.signature)
  }
}

extension RoundOffer {
  /// The same with something else in it.
  fileprivate func with(
    tensors: [TensorReference]? = nil, configuration: RoundConfiguration? = nil, task: TrainingTask? = nil,
    signature: Signature? = nil
  ) -> RoundOffer {
    RoundOffer(
      attempt: attempt, modelName: modelName, baseVersion: baseVersion, modelDigest: modelDigest,
      tensors: tensors ?? self.tensors, configuration: configuration ?? self.configuration, task: task ?? self.task,
      control: control, signature: signature ?? self.signature)
  }
}
