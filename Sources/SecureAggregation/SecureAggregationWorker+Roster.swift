import Cryptography
import Federation

/// The roster (M2): read once, checked before anything is shared, evidence when it is not of this worker's offer.
extension SecureAggregationWorker {
  /// One roster per attempt: the first one stands. Its repetition asks for the bundle again, after a lost link; another
  /// one that is signed too proves a coordinator that shows different rosters.
  mutating func repeated(_ message: RosterMessage) throws(Refusal) -> [Action] {
    guard let roster else { return [.ignored(.outOfOrder)] }
    let entries = message.adverts.map(\.entry)
    if entries == roster.entries {
      guard case .sharing(_, _, _, let bundle) = state else { return [.ignored(.repeated)] }
      return [.sendBundle(bundle)]
    }
    func signed(_ entries: [RosterEntry], _ signature: Signature) -> Evidence.Statement {
      let digest = Transcript.rosterDigest(roundID: context.roundID, entries: entries)
      return coordinatorStatement(
        SignedString.roster(roundID: context.roundID, rosterDigest: digest), signature)
    }
    let second = signed(entries, message.signature)
    guard second.isAuthentic else { return [.ignored(.repeated)] }
    keep(.twoRosters, accused: context.coordinator, [signed(roster.entries, roster.signature), second])
    throw .secondRoster
  }

  /// The checks on M2, in the order of the specification.
  mutating func check(_ message: RosterMessage) throws(Refusal) -> Roster {
    let question = CheckedRoster.Question(
      message: message, roundID: context.roundID, membership: context.membership, coordinator: context.coordinatorKey,
      now: context.now, maximum: context.configuration.maximumRoster, mode: context.configuration.mode, policy: policy)
    let checked: CheckedRoster
    do throws(Refusal) {
      checked = try context.computations.answer(question) { () throws(Refusal) in try examine(message) }
    } catch {
      if error == .advertOfAnotherOffer { keepEvidence(of: message.adverts, try adverts(of: message)) }
      throw error
    }
    guard let index = checked.index[worker], checked.entries[index] == advert.entry else { throw .ownEntryChanged }
    return Roster(
      transcript: checked.transcript, index: index, entries: checked.entries, organisations: checked.organisations,
      signingKeys: checked.signingKeys, thresholds: checked.thresholds, graph: checked.graph,
      neighbours: checked.graph.neighbours(of: index), signature: message.signature)
  }

  private func examine(_ message: RosterMessage) throws(Refusal) -> CheckedRoster {
    let entries = message.adverts.map(\.entry)
    guard entries.count <= context.configuration.maximumRoster else { throw .rosterTooLarge }
    let adverts = try adverts(of: message)
    guard let own = entries.firstIndex(where: { $0.worker == worker }) else { throw .ownEntryChanged }
    let transcript = Transcript.transcript(
      roundID: context.roundID, rosterDigest: Transcript.rosterDigest(roundID: context.roundID, entries: entries))
    let thresholds = try RoundChecks.checkRoster(
      roundID: context.roundID, adverts: adverts, ownEntry: advert.entry, coordinator: context.coordinatorKey,
      rosterSignature: message.signature, mode: context.configuration.mode, policy: policy,
      sample: sample(of: entries.count, index: own, transcript: transcript), computations: context.computations)
    return CheckedRoster(
      transcript: transcript, entries: entries, organisations: adverts.map(\.organisation),
      signingKeys: adverts.map(\.signingKey),
      index: Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.worker, $0) }), thresholds: thresholds,
      graph: try MaskingGraph(transcript: transcript, thresholds: thresholds, computations: context.computations))
  }

  /// The adverts with who is behind them.
  ///
  /// - Throws: `certificateNotSigned` for a stranger, and the reasons of `RoundChecks.checkCertificate`.
  private func adverts(of message: RosterMessage) throws(Refusal) -> [RosterAdvert] {
    var adverts: [RosterAdvert] = []
    for advert in message.adverts {
      guard let member = context.membership[advert.entry.worker],
        member.certificate.fingerprint == advert.entry.certificateFingerprint
      else { throw .certificateNotSigned }
      try RoundChecks.checkCertificate(
        member, authority: context.membership.authorityKey, time: context.now, role: .worker,
        name: advert.entry.worker, computations: context.computations)
      adverts.append(
        RosterAdvert(
          entry: advert.entry, organisation: member.certificate.organisation,
          signingKey: member.certificate.signingKey, offerSignature: advert.offerSignature,
          signature: advert.signature))
    }
    return adverts
  }

  /// Whose adverts to verify: everyone's, on a large roster the neighbours' and some that nobody can foretell.
  private func sample(of count: Int, index: Int, transcript: Digest) -> Set<Int>? {
    guard count > RoundChecks.fullCheckMax, !context.computations.servesMany,
      let graph = try? context.computations.graph(transcript: transcript, rosterCount: count)
    else { return nil }
    var sample = Set(graph.neighbours(of: index))
    let wanted = min(count, sample.count + RoundChecks.sampleCount)
    while sample.count < wanted {
      let draw = secrets.bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      sample.insert(Int(draw % UInt64(count)))
    }
    return sample
  }

  /// Which adverts do not answer this worker's offer, and whether they prove that there were two (rulings A6, A17).
  private mutating func keepEvidence(of messages: [KeyAdvert], _ adverts: [RosterAdvert]) {
    let offer = SignedString.offer(roundID: context.roundID)
    for (message, advert) in zip(messages, adverts) {
      let string = advert.signedString(context.roundID)
      if advert.signature.isValid(over: string, by: advert.signingKey),
        advert.offerSignature.isValid(over: offer, by: context.coordinatorKey)
      {
        continue
      }
      let foreign = Transcript.roundID(
        federation: context.membership.federation, attemptID: context.attempt, modelDigest: message.modelDigest,
        configurationDigest: message.configurationDigest)
      if RoundChecks.provesTwoOffers(
        message, federation: context.membership.federation, attemptID: context.attempt, ownRoundID: context.roundID,
        coordinator: context.coordinatorKey)
      {
        keep(
          .twoOffers, accused: context.coordinator,
          [
            coordinatorStatement(offer, self.advert.offerSignature),
            coordinatorStatement(SignedString.offer(roundID: foreign), message.offerSignature),
          ])
      } else {
        keep(
          .badAdvert, accused: nil,
          [
            Evidence.Statement(
              signer: message.entry.worker, key: advert.signingKey, string: string, signature: message.signature)
          ])
      }
      return  // One advert is enough to leave by.
    }
  }
}

/// A roster that has passed its checks: what is the same for each of its workers.
private struct CheckedRoster: Sendable {
  /// Everything that the checks read, except who asks.
  struct Question: Equatable, Sendable {
    let message: RosterMessage
    let roundID: Digest
    let membership: MembershipList
    let coordinator: SigningPublicKey
    let now: UInt64
    let maximum: UInt64
    let mode: RoundConfiguration.Mode
    let policy: CohortPolicy
  }

  let transcript: Digest
  let entries: [RosterEntry]
  let organisations: [OrganisationID]
  let signingKeys: [SigningPublicKey]
  let index: [WorkerID: Int]
  let thresholds: Thresholds
  let graph: MaskingGraph
}
