import Cryptography
import Federation

/// Protocol SA1 at one worker, for one attempt (Protocols/secure-aggregation.md; Bonawitz et al. 2017, Figure 4).
///
///     advertised ─ M2 ▶ sharing ─ M4 ▶ checking ─ M4b ▶ masking ─ M6 ▶ agreed ─ M8 ▶ released ─ M10 ▶ closed
///          └──────────────── refused message, deadline, own failure: abort ────────────────────────────▲
///
/// Secrets live in the state that needs them and are wiped when it is left. A message of another transcript is counted
/// and dropped (ruling A5); an identical repetition is answered identically; anything else that fails a check ends the
/// attempt for this worker.
package struct SecureAggregationWorker: Sendable {
  package enum Event: Sendable {
    case rosterReceived(RosterMessage)
    case peerSharesReceived(PeerShares)
    case dealersReceived(DealerSet)
    case survivorsReceived(SurvivorSet)
    case quorumReceived(QuorumCertificate)
    case resultReceived(AttemptResult)
    case deadlinePassed
    case failed(AbortCode)
  }

  package enum Action: Sendable {
    case sendAdvert(KeyAdvert)
    case sendBundle(SignedBundle)
    case sendShareCheck(SignedShareCheck)
    case sendAgreement(SurvivorAgreement)
    case sendUnmask(UnmaskShares)
    case sendAbort(WorkerAbort)
    /// U2 is fixed: the input can be masked with these keys as soon as training has ended.
    case maskInput(MaskingOrder)
    /// Durable before the agreement leaves: T is bound to this U3 for ever.
    case recordSurvivors(transcript: Digest, survivorsDigest: Digest)
    /// Durable before the shares leave.
    case recordRelease(transcript: Digest)
    /// Durable before the abort leaves: no share of T will ever be released.
    case recordPromise(transcript: Digest)
    /// Somebody signed what cannot both be honest: keep it.
    case keepEvidence(Evidence)
    case ignored(IgnoredMessage)
    case closed(Outcome)
  }

  package enum IgnoredMessage: Equatable, Sendable {
    case otherTranscript
    case repeated
    case outOfOrder
  }

  package enum Outcome: Equatable, Sendable {
    /// The attempt committed; `counted` says whether this worker's input is in the sum.
    case committed(modelDigest: Digest, counted: Bool)
    case refused(Refusal)
    case aborted(AbortCode)
  }

  /// What stays the same from roster to result.
  struct Roster: Sendable {
    let transcript: Digest
    let index: Int
    let entries: [RosterEntry]
    let organisations: [OrganisationID]
    let signingKeys: [SigningPublicKey]
    let thresholds: Thresholds
    let graph: MaskingGraph
    /// N(i) of this worker, ascending.
    let neighbours: [Int]
    /// Of M2, by which a second roster is known.
    let signature: Signature
    var count: Int { entries.count }
  }

  enum State: Sendable {
    case advertised
    case sharing(Roster, selfMaskSeed: SecretBytes, ownShare: Shamir.Share, bundle: SignedBundle)
    case checking(
      Roster, selfMaskSeed: SecretBytes, held: [Int: SharePair], ownShare: Shamir.Share, check: SignedShareCheck)
    case masking(Roster, dealers: DealerSet, held: [Int: SharePair], ownShare: Shamir.Share)
    case agreed(
      Roster, dealers: DealerSet, survivors: SurvivorSet, held: [Int: SharePair], ownShare: Shamir.Share,
      agreement: SurvivorAgreement)
    case released(Roster, dealers: DealerSet, survivors: SurvivorSet, answer: UnmaskShares)
    case closed
  }

  package let context: AttemptContext
  let worker: WorkerID
  let policy: CohortPolicy
  let signingKey: SigningKey
  let secrets: any SecretSource
  /// M1, the answer to the offer.
  package let advert: KeyAdvert
  var encryptionKey: SecretBytes?
  /// With every neighbour, from the roster until its shares are open.
  var agreed: [Int: SecretBytes] = [:]
  var maskKey: SecretBytes?
  /// ρ: fixes stochastic rounding, so that a re-sent input is the same bytes.
  let roundingSeed: SecretBytes
  var state: State = .advertised
  /// Found by the event in hand: goes out before whatever else it causes.
  var found: [Evidence] = []

  /// Draws the keys of the attempt; the first action is the advert.
  ///
  /// - Parameters:
  ///   - offerSignature: of the offer, already verified under `context.roundID`.
  ///   - policy: the worker's own law joined with the configuration's, the stricter of each.
  package init(
    context: AttemptContext, certificate: Certificate, offerSignature: Signature, policy: CohortPolicy,
    signingKey: SigningKey, secrets: any SecretSource
  ) {
    self.context = context
    self.worker = certificate.name
    self.policy = policy
    self.signingKey = signingKey
    self.secrets = secrets
    let encryptionKey = secrets.secret(32)
    let maskKey = secrets.secret(32)
    roundingSeed = secrets.secret(32)
    let entry = RosterEntry(
      worker: certificate.name, certificateFingerprint: certificate.fingerprint,
      encryptionKey: Agreement.publicKey(of: encryptionKey),
      maskKey: Agreement.publicKey(of: maskKey))
    self.encryptionKey = encryptionKey
    self.maskKey = maskKey
    advert = KeyAdvert(
      entry: entry, modelDigest: context.modelDigest, configurationDigest: context.configurationDigest,
      offerSignature: offerSignature,
      signature: signingKey.signature(
        over: SignedString.advert(roundID: context.roundID, entry: entry, offerSignature: offerSignature)))
  }

  package func start() -> [Action] { [.sendAdvert(advert)] }

  /// The transcript once the roster is known.
  package var transcript: Digest? { roster?.transcript }

  package var isClosed: Bool { if case .closed = state { true } else { false } }

  /// Whether shares of this transcript have left the worker.
  var hasReleased: Bool { if case .released = state { true } else { false } }

  var roster: Roster? {
    switch state {
    case .advertised, .closed: nil
    case .sharing(let roster, _, _, _), .checking(let roster, _, _, _, _), .masking(let roster, _, _, _),
      .agreed(let roster, _, _, _, _, _), .released(let roster, _, _, _):
      roster
    }
  }

  package mutating func handle(_ event: Event) -> [Action] {
    let actions = answer(to: event)
    defer { found = [] }
    return found.map(Action.keepEvidence) + actions
  }

  private mutating func answer(to event: Event) -> [Action] {
    do throws(Refusal) {
      switch event {
      case .rosterReceived(let message): return try receive(message)
      case .peerSharesReceived(let message): return try receive(message)
      case .dealersReceived(let message): return try receive(message)
      case .survivorsReceived(let message): return try receive(message)
      case .quorumReceived(let message): return try receive(message)
      case .resultReceived(let message): return try receive(message)
      case .deadlinePassed: return leave(.deadline, outcome: .aborted(.deadline))
      case .failed(let code): return leave(code, outcome: .aborted(code))
      }
    } catch {
      return leave(.messageRefused, outcome: .refused(error))
    }
  }

  /// What is needed to judge statements about this attempt after it is over; nil without a roster.
  package var members: TranscriptMembers? {
    roster.map {
      TranscriptMembers(
        transcript: $0.transcript, signingKeys: $0.signingKeys, thresholds: $0.thresholds,
        isComplete: $0.graph.isComplete)
    }
  }

  /// Ends the attempt here: tells the coordinator, wipes every secret.
  ///
  /// The promise not to release is recorded before it is sent; M9 is impossible afterwards because the shares are gone.
  private mutating func leave(_ code: AbortCode, outcome: Outcome) -> [Action] {
    if isClosed { return [] }
    var actions: [Action] = []
    if let roster {
      let released = hasReleased
      if !released { actions.append(.recordPromise(transcript: roster.transcript)) }
      let signed = SignedString.abort(
        transcript: roster.transcript, worker: roster.index, released: released, code: code)
      actions.append(
        .sendAbort(
          WorkerAbort(
            transcript: roster.transcript, worker: roster.index, hasReleased: released, code: code,
            signature: signingKey.signature(over: signed))))
    }
    wipe()
    return actions + [.closed(outcome)]
  }

  mutating func wipe() {
    state = .closed
    encryptionKey = nil
    agreed = [:]
    maskKey = nil
  }

  /// Structural claims that hold after every event.
  package func checkInvariants() {
    switch state {
    case .closed:
      precondition(encryptionKey == nil && maskKey == nil && agreed.isEmpty, "secrets outlive their attempt")
    case .released(_, _, let survivors, let answer):
      let selfMasks = Set(answer.selfMaskShares.map(\.owner)), keys = Set(answer.maskKeyShares.map(\.owner))
      precondition(selfMasks.isDisjoint(with: keys), "both shares of one worker released")
      precondition(selfMasks.isSubset(of: survivors.survivors.members), "a self-mask share of a dropout released")
    case .advertised, .sharing, .checking, .masking, .agreed: break
    }
  }
}
