import Cryptography
import Federation

/// Consistency check and release: everything after the input (M6–M10).
extension SecureAggregationWorker {
  mutating func receive(_ message: SurvivorSet) throws(Refusal) -> [Action] {
    switch state {
    case .masking(let roster, let dealers, let held, let ownShare):
      guard message.transcript == roster.transcript else { return [.ignored(.otherTranscript)] }
      try checkSignature(of: message, dealersDigest: dealers.dealers.digest)
      try RoundChecks.checkSurvivors(
        message.survivors, dealers: dealers.dealers, me: roster.index, organisations: roster.organisations,
        signedBefore: nil, mode: context.configuration.mode, policy: policy)
      let agreement = SurvivorAgreement(
        transcript: roster.transcript, worker: roster.index,
        signature: signingKey.signature(
          over: SignedString.agree(
            transcript: roster.transcript, dealersDigest: dealers.dealers.digest, bitmap: message.survivors)))
      state = .agreed(
        roster, dealers: dealers.dealers, survivors: message, held: held, ownShare: ownShare, agreement: agreement)
      let record = Action.recordSurvivors(
        transcript: roster.transcript, survivorsDigest: message.survivors.digest)
      if context.configuration.mode == .semiHonest { return [record] + release() }
      return [record, .sendAgreement(agreement)]
    case .agreed(let roster, let dealers, let survivors, _, _, let agreement):
      guard message.transcript == roster.transcript else { return [.ignored(.otherTranscript)] }
      try checkSignature(of: message, dealersDigest: dealers.digest)
      guard message.survivors == survivors.survivors else { throw .secondSurvivorSet }
      return [.sendAgreement(agreement)]
    case .released(let roster, let dealersDigest, let survivors, _):
      guard message.transcript == roster.transcript else { return [.ignored(.otherTranscript)] }
      try checkSignature(of: message, dealersDigest: dealersDigest)
      guard message.survivors == survivors else { throw .secondSurvivorSet }
      return [.ignored(.repeated)]
    case .advertised, .sharing, .checking, .closed: return [.ignored(.outOfOrder)]
    }
  }

  private func checkSignature(of message: SurvivorSet, dealersDigest: Digest) throws(Refusal) {
    let signed = SignedString.survivors(
      transcript: message.transcript, dealersDigest: dealersDigest, bitmap: message.survivors)
    guard message.dealersDigest == dealersDigest, message.signature.isValid(over: signed, by: context.coordinatorKey)
    else { throw .badSignature }
  }

  mutating func receive(_ message: QuorumCertificate) throws(Refusal) -> [Action] {
    switch state {
    case .agreed(let roster, let dealers, let survivors, _, _, _):
      guard message.transcript == roster.transcript else { return [.ignored(.otherTranscript)] }
      try RoundChecks.checkQuorum(
        message.signers, transcript: roster.transcript, dealersDigest: dealers.digest,
        survivors: survivors.survivors, quorum: roster.thresholds.quorum, keys: roster.signingKeys)
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
    for owner in dealers.members {
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
    state = .released(
      roster, dealersDigest: dealers.digest, survivors: survivors.survivors, answer: answer)
    return [.recordRelease(transcript: roster.transcript), .sendUnmask(answer)]
  }

  mutating func receive(_ message: AttemptResult) throws(Refusal) -> [Action] {
    guard let roster else { return [.ignored(.outOfOrder)] }
    guard message.transcript == roster.transcript else { return [.ignored(.otherTranscript)] }
    let signed = SignedString.result(
      transcript: roster.transcript, survivorsDigest: message.survivors.digest, modelDigest: message.modelDigest,
      weight: message.weight)
    guard message.survivors.count == roster.count,
      message.signature.isValid(over: signed, by: context.coordinatorKey)
    else { throw .badSignature }
    let counted = message.survivors.contains(roster.index)
    wipe()
    return [.closed(.committed(modelDigest: message.modelDigest, counted: counted))]
  }
}
