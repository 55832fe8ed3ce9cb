import Cryptography
import Federation

/// Protocol SA1 at the coordinator, for one attempt (Protocols/secure-aggregation.md).
///
///     advertiseKeys ▶ shareKeys ▶ checkShares ▶ maskedInput ▶ consistencyCheck ▶ unmask ▶ reconstructed
///
/// A stage ends when everyone it still waits for has answered, or at its deadline; whoever is lost is not waited for.
/// Below the smallest survivor set the attempt is abandoned with the reason.
package struct SecureAggregationCoordinator: Sendable {
  package enum Event: Sendable {
    case advertReceived(KeyAdvert, from: WorkerID)
    case bundleReceived(SignedBundle, from: WorkerID)
    case shareCheckReceived(SignedShareCheck, from: WorkerID)
    /// A worker wants to send its input; nothing has been allocated for it.
    case inputOpened(InputHeader, from: WorkerID)
    /// All chunks of an opened input arrived; `payloadDigest` is computed from what arrived.
    case inputCompleted(InputTrailer, payloadDigest: Digest, from: WorkerID)
    /// The upload cannot be finished: it is not waited for.
    case inputFailed(from: WorkerID)
    case agreementReceived(SurvivorAgreement, from: WorkerID)
    case unmaskReceived(UnmaskShares, from: WorkerID)
    case abortReceived(WorkerAbort, from: WorkerID)
    case workerDeclined(WorkerID)
    case workerLost(WorkerID)
    /// The link of the same process is back; what was sent to it lately may not have arrived.
    case workerReturned(WorkerID)
    /// Another process of this worker: the secrets of the attempt died with the one before.
    case workerRestarted(WorkerID)
    case deadlinePassed(SecureAggregationStage)
  }

  package enum Action: Sendable {
    case sendRoster(RosterMessage, to: [WorkerID])
    case sendPeerShares(PeerShares, to: WorkerID)
    case sendDealers(DealerSet, to: [WorkerID])
    case sendSurvivors(SurvivorSet, to: [WorkerID])
    case sendQuorum(QuorumCertificate, to: [WorkerID])
    case startDeadline(SecureAggregationStage, Duration)
    /// Inputs of this transcript may now be opened.
    case openInputs(transcript: Digest, vectors: [VectorSpecification], from: [WorkerID])
    case acceptInput(from: WorkerID)
    case refuseInput(from: WorkerID, Refusal)
    /// The verified input counts: add it to the sum.
    ///
    /// Ordered when the input is complete. If a dropout may still force another worker of a large organisation out of U3
    /// (ruling A20), ordered when U3 is fixed, and the input stays spooled until then.
    case addInput(from: WorkerID)
    /// The link came back before its advert arrived: send the offer again.
    case repeatOffer(to: WorkerID)
    /// The attempt goes on without these.
    case leaveOut([WorkerID])
    /// No further input counts: stop taking chunks, drop what was not added.
    case closeInputs
    case unmask(UnmaskingOrder)
    case ignored(from: WorkerID, Ignored)
    case blame(WorkerID, Fault)
    /// A worker signed what cannot both be honest: keep it.
    case keepEvidence(Evidence)
    case abandon(Abandonment)
  }

  package enum Ignored: Equatable, Sendable {
    case otherTranscript
    case repeated
    case late
    case notOnRoster
    /// It left this attempt, or was put out of it.
    case departed
  }

  /// What a worker did wrong.
  package enum Fault: Equatable, Sendable {
    case refused(Refusal)
    /// Convicted by complaints (ruling A3).
    case complainedAbout
    /// One of two in complaints that nobody else confirms, with these others. One of each two lies; all are out of this
    /// attempt.
    case inDispute(with: [WorkerID])
    /// The dealer's shares open and match their commitments, but do not make its secret.
    case dealtInconsistentShares
    /// The helper returned a share that does not match the commitment of this dealer.
    case returnedWrongShare(of: WorkerID)
    /// The helper returned other shares than those it was asked for.
    case returnedOtherShares

    /// Whether the fault is certain: a worker in a dispute may be innocent.
    package var isProven: Bool { if case .inDispute = self { false } else { true } }
  }

  /// Why an attempt ended without a sum.
  package enum Abandonment: Error, Equatable, Sendable, CustomStringConvertible {
    case rosterRefused(Refusal)
    case tooFewAdverts(have: Int, need: Int)
    case tooFewDealers(have: Int, need: Int)
    case tooFewInputs(have: Int, need: Int)
    case tooFewAgreements(have: Int, need: Int)
    /// The secret of `owner` (nil: anybody's) cannot be put together; `silent` have not answered, `wrong` have answered
    /// with shares that do not fit their commitments.
    case tooFewHelpers(owner: WorkerID?, have: Int, need: Int, silent: [WorkerID], wrong: [WorkerID])
    /// Sparse graph: so few neighbours of a dealer are among the survivors that its masks would stay in the sum.
    case dealerCutOff(WorkerID, have: Int, need: Int)
    case survivorsRefused(Refusal)
    case reconstructionFailed(dealer: WorkerID)

    package var description: String {
      switch self {
      case .rosterRefused(let refusal): "the roster is refused: \(refusal.rawValue)"
      case .tooFewAdverts(let have, let need): "\(have) workers advertised keys, \(need) are needed"
      case .tooFewDealers(let have, let need): "\(have) workers shared their keys, \(need) are needed"
      case .tooFewInputs(let have, let need): "\(have) inputs arrived, \(need) are needed"
      case .tooFewAgreements(let have, let need): "\(have) survivors agreed, \(need) are needed"
      case .tooFewHelpers(let owner, let have, let need, let silent, let wrong):
        "\(have) helpers released their shares\(owner.map { " of \($0)" } ?? ""), \(need) are needed"
          + Self.list("silent", silent) + Self.list("wrong shares from", wrong)
      case .dealerCutOff(let dealer, let have, let need):
        "\(have) neighbours of \(dealer) are among the survivors, \(need) are needed to take its masks off"
      case .survivorsRefused(let refusal): "the survivors are refused: \(refusal.rawValue)"
      case .reconstructionFailed(let dealer): "the shares of \(dealer) do not make its secret"
      }
    }

    /// The first few names, for one line.
    private static func list(_ what: String, _ workers: [WorkerID]) -> String {
      guard !workers.isEmpty else { return "" }
      let shown = workers.prefix(8).map(\.text).joined(separator: ", ")
      return "; \(what) \(shown)\(workers.count > 8 ? " and \(workers.count - 8) more" : "")"
    }
  }

  struct Roster: Sendable {
    let transcript: Digest
    let workers: [WorkerID]
    let adverts: [KeyAdvert]
    let entries: [RosterEntry]
    let organisations: [OrganisationID]
    let signingKeys: [SigningPublicKey]
    let thresholds: Thresholds
    let graph: MaskingGraph
    let index: [WorkerID: Int]
    var count: Int { workers.count }
  }

  struct Setup: Sendable {
    let roster: Roster
    var bundles: [Int: SignedBundle] = [:]
    var checks: [Int: SignedShareCheck] = [:]
  }

  struct Inputs: Sendable {
    let roster: Roster
    let bundles: [Int: SignedBundle]
    let dealers: Bitmap
    /// Opened and not completed.
    var open: Set<Int> = []
    /// Trailers of complete inputs; on the sparse graph they are relayed to neighbours (ruling A16).
    var completed: [Int: InputTrailer] = [:]
    /// Provably wrong inputs: not waited for again.
    var refused: Set<Int> = []
    /// Whether completed inputs wait for U3: on the sparse graph, whose U3 is pruned, and where dropouts that the count
    /// allows could break the organisation cap.
    var isSpooled: Bool {
      !roster.graph.isComplete || roster.thresholds.safeForAnyDropouts < roster.thresholds.toleratedDropouts
    }
  }

  /// What one helper released, by owner.
  struct HelperShares: Sendable {
    let selfMasks: [Int: Shamir.Share]
    let maskKeys: [Int: Shamir.Share]
  }

  struct Closing: Sendable {
    let roster: Roster
    let bundles: [Int: SignedBundle]
    let dealers: Bitmap
    let survivors: Bitmap
    /// Sparse graph: trailers of the survivors.
    let inputs: [Int: InputTrailer]
    /// U2 ∖ U3 where a survivor masked for it, ascending: whose mask keys have to be put together.
    let dropouts: [Int]
    var agreements: [Int: SurvivorAgreement] = [:]
    var answers: [Int: HelperShares] = [:]
    var wrongHelpers: Set<Int> = []
    /// How many owners, in their order, have all the helpers they need.
    var helpedOwners = 0
    /// How many helpers were wrong or had left when it was last asked whether those who are left can be enough.
    var goneHelpers = 0
  }

  enum State: Sendable {
    case advertising(adverts: [WorkerID: KeyAdvert])
    case sharing(Setup)
    case checking(Setup, asked: Bitmap)
    case collecting(Inputs)
    case agreeing(Closing)
    case unmasking(Closing)
    /// Everything was handed out for unmasking; the result is signed from here.
    case reconstructed(Closing)
    case ended(Roster?)
  }

  package let context: AttemptContext
  /// Sorted.
  package let cohort: [WorkerID]
  private let invited: Set<WorkerID>
  let offerSignature: Signature
  let policy: CohortPolicy
  let signingKey: SigningKey
  var state: State = .advertising(adverts: [:])
  /// Lost, declined or aborted: not waited for.
  var absent: Set<WorkerID> = []
  /// Left for good: cannot come back into this attempt.
  var departed: Set<WorkerID> = []
  /// What workers signed when they left, in the order in which it came.
  package private(set) var aborts: [WorkerAbort] = []

  /// - Parameter cohort: those the offer went to; each once.
  package init(
    context: AttemptContext, cohort: [WorkerID], offerSignature: Signature, policy: CohortPolicy,
    signingKey: SigningKey
  ) {
    self.context = context
    self.cohort = cohort.sorted()
    invited = Set(cohort)
    self.offerSignature = offerSignature
    self.policy = policy
    self.signingKey = signingKey
  }

  /// The transcript once the roster is fixed.
  package var transcript: Digest? { roster?.transcript }

  /// Who stands behind the transcript, for what they sign after the attempt has ended.
  package var members: (names: [WorkerID], keys: TranscriptMembers)? {
    roster.map {
      (
        $0.workers,
        TranscriptMembers(
          transcript: $0.transcript, signingKeys: $0.signingKeys, thresholds: $0.thresholds,
          isComplete: $0.graph.isComplete)
      )
    }
  }

  func isInvited(_ worker: WorkerID) -> Bool { invited.contains(worker) }

  package func start() -> [Action] {
    [.startDeadline(.advertiseKeys, SecureAggregationStage.advertiseKeys.deadline(in: context.configuration))]
  }

  /// Who is on the roster, once there is one.
  package var rosterWorkers: [WorkerID] { roster?.workers ?? [] }

  /// Whose inputs the sum holds, once U3 is fixed.
  package var survivors: [WorkerID] {
    switch state {
    case .agreeing(let closing), .unmasking(let closing), .reconstructed(let closing):
      closing.survivors.members.map { closing.roster.workers[$0] }
    case .advertising, .sharing, .checking, .collecting, .ended: []
    }
  }

  var roster: Roster? {
    switch state {
    case .advertising: nil
    case .ended(let roster): roster
    case .sharing(let setup), .checking(let setup, _): setup.roster
    case .collecting(let inputs): inputs.roster
    case .agreeing(let closing), .unmasking(let closing), .reconstructed(let closing): closing.roster
    }
  }

  package mutating func handle(_ event: Event) -> [Action] {
    switch event {
    case .advertReceived(let advert, let worker): return receive(advert, from: worker)
    case .bundleReceived(let bundle, let worker): return receive(bundle, from: worker)
    case .shareCheckReceived(let check, let worker): return receive(check, from: worker)
    case .inputOpened(let header, let worker): return open(header, from: worker)
    case .inputCompleted(let trailer, let digest, let worker): return complete(trailer, digest, from: worker)
    case .inputFailed(let worker): return giveUp(worker)
    case .agreementReceived(let agreement, let worker): return receive(agreement, from: worker)
    case .unmaskReceived(let shares, let worker): return receive(shares, from: worker)
    case .abortReceived(let abort, let worker): return receive(abort, from: worker)
    case .workerDeclined(let worker), .workerRestarted(let worker):
      guard isInvited(worker) else { return [] }
      departed.insert(worker)
      absent.insert(worker)
      return advance()
    case .workerLost(let worker):
      guard isInvited(worker) else { return [] }
      absent.insert(worker)
      return advance()
    case .workerReturned(let worker):
      return welcomeBack(worker)
    case .deadlinePassed(let stage): return stage == self.stage ? advance(atDeadline: true) : []
    }
  }

  /// The stage the attempt is in; nil when it has ended.
  package var stage: SecureAggregationStage? {
    switch state {
    case .advertising: .advertiseKeys
    case .sharing: .shareKeys
    case .checking: .checkShares
    case .collecting: .maskedInput
    case .agreeing: .consistencyCheck
    case .unmasking: .unmask
    case .reconstructed, .ended: nil
    }
  }

  /// Whether unmasking was ordered: a result may be signed.
  package var isReconstructed: Bool { if case .reconstructed = state { true } else { false } }

  /// Ends the stage if nothing more is waited for, or if its time is up.
  mutating func advance(atDeadline: Bool = false) -> [Action] {
    switch state {
    case .advertising(let adverts): return advance(adverts, atDeadline)
    case .sharing(let setup): return advanceSharing(setup, atDeadline)
    case .checking(let setup, let asked): return advanceChecking(setup, asked, atDeadline)
    case .collecting(let inputs): return advance(inputs, atDeadline)
    case .agreeing(let closing): return advanceAgreeing(closing, atDeadline)
    case .unmasking(let closing): return advanceUnmasking(closing, atDeadline)
    case .reconstructed, .ended: return []
    }
  }

  mutating func abandon(_ reason: Abandonment) -> [Action] {
    state = .ended(roster)
    return [.abandon(reason)]
  }

  /// Two signed statements of one worker that cannot both be honest.
  func twice(_ kind: Evidence.Kind, _ worker: WorkerID, _ statements: [(string: [UInt8], signature: Signature)])
    -> Action?
  {
    guard let key = context.membership[worker]?.certificate.signingKey else { return nil }
    let signed = statements.map {
      Evidence.Statement(signer: worker, key: key, string: $0.string, signature: $0.signature)
    }
    guard signed.allSatisfy(\.isAuthentic) else { return nil }
    return .keepEvidence(Evidence(kind: kind, attempt: context.attempt, accused: worker, statements: signed))
  }

  func startDeadline(_ stage: SecureAggregationStage) -> Action {
    .startDeadline(stage, stage.deadline(in: context.configuration))
  }

  /// The position of a worker on the roster, if the message is for this transcript and names the sender's own index.
  func position(of worker: WorkerID, claiming index: Int, transcript: Digest, in roster: Roster) -> Result<
    Int, Rejection
  > {
    guard transcript == roster.transcript else { return .failure(.ignored(.otherTranscript)) }
    guard let own = roster.index[worker] else { return .failure(.ignored(.notOnRoster)) }
    guard !departed.contains(worker) else { return .failure(.ignored(.departed)) }
    guard own == index else { return .failure(.fault) }
    return .success(own)
  }

  enum Rejection: Error {
    case ignored(Ignored)
    /// The message speaks for another worker.
    case fault
  }

  func reject(_ rejection: Rejection, from worker: WorkerID) -> [Action] {
    switch rejection {
    case .ignored(let why): [.ignored(from: worker, why)]
    case .fault: [.blame(worker, .refused(.badSignature))]
    }
  }

  private mutating func receive(_ abort: WorkerAbort, from worker: WorkerID) -> [Action] {
    guard let roster else { return [.ignored(from: worker, .late)] }
    switch position(of: worker, claiming: abort.worker, transcript: abort.transcript, in: roster) {
    case .failure(let rejection): return reject(rejection, from: worker)
    case .success(let index):
      guard abort.isSigned(by: roster.signingKeys[index]) else { return [.blame(worker, .refused(.badSignature))] }
      aborts.append(abort)
      departed.insert(worker)
      absent.insert(worker)
      return advance()
    }
  }

  /// Signs what became of the attempt, for everyone on the roster.
  ///
  /// - Precondition: unmasking was ordered.
  package func result(modelDigest: Digest, weight: UInt64) -> AttemptResult {
    guard case .reconstructed(let closing) = state else {
      preconditionFailure("a result before the sum was reconstructed")
    }
    let signed = SignedString.result(
      transcript: closing.roster.transcript, survivorsDigest: closing.survivors.digest, modelDigest: modelDigest,
      weight: weight)
    return AttemptResult(
      transcript: closing.roster.transcript, survivors: closing.survivors, modelDigest: modelDigest, weight: weight,
      signature: signingKey.signature(over: signed))
  }
}
