import Cryptography
import Federation

/// Consistency check and release: everything after the input (M6–M10).
extension SecureAggregationWorker {
  mutating func receive(_ message: SurvivorSet) throws(Refusal) -> [Action] {
    switch state {
    case .masking(let roster, let dealers, let held, let ownShare):
      guard message.transcript == roster.transcript else { return [.ignored(.otherTranscript)] }
      try check(message, dealers: dealers, in: roster)
      let agreement = SurvivorAgreement(
        transcript: roster.transcript, worker: roster.index,
        signature: signingKey.signature(
          over: SignedString.agree(
            transcript: roster.transcript, dealersDigest: dealers.dealers.digest, bitmap: message.survivors)))
      state = .agreed(
        roster, dealers: dealers, survivors: message, held: held, ownShare: ownShare, agreement: agreement)
      let record = Action.recordSurvivors(
        transcript: roster.transcript, survivorsDigest: message.survivors.digest)
      if context.configuration.mode == .semiHonest { return [record] + release() }
      return [record, .sendAgreement(agreement)]
    case .agreed(_, let dealers, let survivors, _, _, let agreement):
      return try repeated(message, after: survivors, dealers) ?? [.sendAgreement(agreement)]
    case .released(_, let dealers, let survivors, _):
      return try repeated(message, after: survivors, dealers) ?? [.ignored(.repeated)]
    case .advertised, .sharing, .checking, .closed: return [.ignored(.outOfOrder)]
    }
  }

  /// The checks on M6, in the order of the specification.
  private func check(_ message: SurvivorSet, dealers: DealerSet, in roster: Roster) throws(Refusal) {
    try checkSignature(of: message, dealersDigest: dealers.dealers.digest)
    try RoundChecks.checkSurvivors(
      message.survivors, dealers: dealers.dealers, me: roster.index, organisations: roster.organisations,
      signedBefore: nil, mode: context.configuration.mode, policy: policy, computations: context.computations)
    guard case .sparse(let graph) = roster.graph else { return }
    guard
      context.computations.hasDegrees(
        message.survivors, atLeast: roster.thresholds.threshold, in: graph, transcript: roster.transcript)
    else { throw .tooFewNeighbours }
    guard message.inputs.map(\.worker) == roster.neighbours.filter(message.survivors.contains) else {
      throw .inputOfAnotherU2
    }
    try RoundChecks.checkRelayedInputs(
      message.inputs, transcript: roster.transcript, dealersDigest: dealers.dealers.digest, keys: roster.signingKeys,
      computations: context.computations)
  }

  /// The first U3 stands for ever; another one that is signed too proves a coordinator that shows different sets.
  ///
  /// - Returns: nil for the same set again.
  private mutating func repeated(
    _ message: SurvivorSet, after first: SurvivorSet, _ dealers: DealerSet
  ) throws(Refusal) -> [Action]? {
    guard message.transcript == first.transcript else { return [.ignored(.otherTranscript)] }
    try checkSignature(of: message, dealersDigest: dealers.dealers.digest)
    guard message.survivors != first.survivors, Canary.checksSecondSurvivors else { return nil }
    keep(.twoSurvivorSets, accused: context.coordinator, [statement(first), statement(message)])
    throw .secondSurvivorSet
  }

  private func statement(_ set: SurvivorSet) -> Evidence.Statement {
    coordinatorStatement(
      SignedString.survivors(transcript: set.transcript, dealersDigest: set.dealersDigest, bitmap: set.survivors),
      set.signature)
  }

  private func checkSignature(of message: SurvivorSet, dealersDigest: Digest) throws(Refusal) {
    let signed = SignedString.survivors(
      transcript: message.transcript, dealersDigest: dealersDigest, bitmap: message.survivors)
    guard message.dealersDigest == dealersDigest,
      context.computations.isValid(message.signature, over: signed, by: context.coordinatorKey)
    else { throw .badSignature }
  }

  mutating func receive(_ message: QuorumCertificate) throws(Refusal) -> [Action] {
    switch state {
    case .agreed(let roster, let dealers, let survivors, _, _, _):
      guard message.transcript == roster.transcript else { return [.ignored(.otherTranscript)] }
      try RoundChecks.checkQuorum(
        message.signers, transcript: roster.transcript, dealersDigest: dealers.dealers.digest,
        survivors: survivors.survivors, quorum: roster.thresholds.quorum, keys: roster.signingKeys,
        computations: context.computations)
      return release()
    case .released(let roster, _, _, let answer):
      guard message.transcript == roster.transcript else { return [.ignored(.otherTranscript)] }
      return [.sendUnmask(answer)]
    case .advertised, .sharing, .checking, .masking, .closed: return [.ignored(.outOfOrder)]
    }
  }

  /// Consumes the shares: of a survivor the self-mask share, of a dropout the mask-key share, and no other.
  private mutating func release() -> [Action] {
    guard case .agreed(let roster, let dealers, let survivors, let held, let ownShare, _) = state else { return [] }
    var selfShares: [UnmaskShares.Entry] = [], keyShares: [UnmaskShares.Entry] = []
    for owner in dealers.dealers.members {
      if owner == roster.index {
        selfShares.append(.init(owner: owner, share: ownShare.released))
      } else if let shares = held[owner] {
        if survivors.survivors.contains(owner) {
          selfShares.append(.init(owner: owner, share: shares.selfMask.released))
        } else {
          keyShares.append(.init(owner: owner, share: shares.maskKey.released))
        }
      }
    }
    let answer = UnmaskShares(
      transcript: roster.transcript, helper: roster.index, selfMaskShares: selfShares, maskKeyShares: keyShares)
    state = .released(roster, dealers: dealers, survivors: survivors, answer: answer)
    return [.recordRelease(transcript: roster.transcript), .sendUnmask(answer)]
  }

  mutating func receive(_ message: AttemptResult) throws(Refusal) -> [Action] {
    guard let roster else { return [.ignored(.outOfOrder)] }
    guard message.transcript == roster.transcript else { return [.ignored(.otherTranscript)] }
    let signed = SignedString.result(
      transcript: roster.transcript, survivorsDigest: message.survivors.digest, modelDigest: message.modelDigest,
      weight: message.weight)
    guard message.survivors.count == roster.count,
      context.computations.isValid(message.signature, over: signed, by: context.coordinatorKey)
    else { throw .badSignature }
    if let agreed = agreedSurvivors, agreed.survivors != message.survivors {
      keep(
        .otherResult, accused: context.coordinator,
        [statement(agreed), coordinatorStatement(signed, message.signature)])
      throw .secondSurvivorSet
    }
    let counted = message.survivors.contains(roster.index)
    wipe()
    return [.closed(.committed(modelDigest: message.modelDigest, counted: counted))]
  }

  /// U3 as this worker signed it, if it has.
  private var agreedSurvivors: SurvivorSet? {
    switch state {
    case .agreed(_, _, let survivors, _, _, _), .released(_, _, let survivors, _): survivors
    case .advertised, .sharing, .checking, .masking, .closed: nil
    }
  }
}
