import Cryptography
import Federation

/// Agreement, quorum, shares, reconstruction (M6–M9).
extension SecureAggregationCoordinator {
  mutating func receive(_ agreement: SurvivorAgreement, from worker: WorkerID) -> [Action] {
    guard case .agreeing(var closing) = state else { return [.ignored(from: worker, .late)] }
    switch position(of: worker, claiming: agreement.worker, transcript: agreement.transcript, in: closing.roster) {
    case .failure(let rejection): return reject(rejection, from: worker)
    case .success(let index):
      guard closing.survivors.contains(index) else { return [.ignored(from: worker, .notOnRoster)] }
      if closing.agreements[index] != nil { return [.ignored(from: worker, .repeated)] }
      let signed = SignedString.agree(
        transcript: agreement.transcript, dealersDigest: closing.dealers.digest, bitmap: closing.survivors)
      guard agreement.signature.isValid(over: signed, by: closing.roster.signingKeys[index]) else {
        departed.insert(worker)
        absent.insert(worker)
        return [.blame(worker, .refused(.badSignature))] + advance()
      }
      closing.agreements[index] = agreement
      state = .agreeing(closing)
      return advance()
    }
  }

  mutating func advanceAgreeing(_ closing: Closing, _ atDeadline: Bool) -> [Action] {
    let roster = closing.roster
    let quorum = roster.thresholds.quorum
    if closing.agreements.count >= quorum {
      state = .unmasking(closing)
      return [
        .sendQuorum(certificate(closing), to: closing.survivors.members.map { roster.workers[$0] }),
        startDeadline(.unmask),
      ]
    }
    let waiting = closing.survivors.members.filter {
      closing.agreements[$0] == nil && !departed.contains(roster.workers[$0])
    }
    // A lost survivor may come back before the deadline; only those who left for good are given up.
    guard atDeadline || closing.agreements.count + waiting.count < quorum else { return [] }
    return abandon(.tooFewAgreements(have: closing.agreements.count, need: quorum))
  }

  /// M8: the first agreements by index, as many as the quorum asks for.
  func certificate(_ closing: Closing) -> QuorumCertificate {
    let signers = closing.agreements.keys.sorted().prefix(closing.roster.thresholds.quorum).compactMap { index in
      closing.agreements[index].map { QuorumCertificate.Signer(worker: index, signature: $0.signature) }
    }
    return QuorumCertificate(transcript: closing.roster.transcript, signers: signers)
  }

  func survivorSet(_ closing: Closing) -> SurvivorSet {
    SurvivorSet(
      transcript: closing.roster.transcript, dealersDigest: closing.dealers.digest, survivors: closing.survivors,
      signature: signingKey.signature(
        over: SignedString.survivors(
          transcript: closing.roster.transcript, dealersDigest: closing.dealers.digest,
          bitmap: closing.survivors)))
  }

  mutating func receive(_ answer: UnmaskShares, from worker: WorkerID) -> [Action] {
    guard case .unmasking(var closing) = state else { return [.ignored(from: worker, .late)] }
    switch position(of: worker, claiming: answer.helper, transcript: answer.transcript, in: closing.roster) {
    case .failure(let rejection): return reject(rejection, from: worker)
    case .success(let index):
      guard closing.survivors.contains(index) else { return [.ignored(from: worker, .notOnRoster)] }
      if closing.answers[index] != nil || closing.wrongHelpers.contains(index) {
        return [.ignored(from: worker, .repeated)]
      }
      guard let shares = committedShares(answer, by: index, in: closing) else {
        closing.wrongHelpers.insert(index)
        state = .unmasking(closing)
        return [.blame(worker, .returnedWrongShare)] + advance()
      }
      closing.answers[index] = shares
      state = .unmasking(closing)
      return advance()
    }
  }

  /// The shares of a helper that returned exactly those asked for, each as its dealer committed to it; nil otherwise.
  private func committedShares(_ answer: UnmaskShares, by helper: Int, in closing: Closing) -> HelperShares? {
    let survivors = closing.survivors.members
    let dropouts = closing.dealers.members.filter { !closing.survivors.contains($0) }
    guard answer.selfMaskShares.map(\.owner) == survivors, answer.maskKeyShares.map(\.owner) == dropouts else {
      return nil
    }
    var selfMasks: [Shamir.Share] = [], maskKeys: [Shamir.Share] = []
    for (kind, entry) in answer.selfMaskShares.map({ (ShareSealing.Kind.selfMask, $0) })
      + answer.maskKeyShares.map({ (ShareSealing.Kind.maskKey, $0) })
    {
      guard let share = try? Shamir.Share(SecretBytes(copying: entry.share)),
        let bundle = closing.bundles[entry.owner]?.bundle,
        ShareSealing.shareCommitment(
          kind, transcript: closing.roster.transcript, dealer: entry.owner, helper: helper, share: share)
          == commitment(kind, of: entry.owner, to: helper, in: bundle)
      else { return nil }
      if kind == .selfMask { selfMasks.append(share) } else { maskKeys.append(share) }
    }
    return HelperShares(selfMasks: selfMasks, maskKeys: maskKeys)
  }

  private func commitment(
    _ kind: ShareSealing.Kind, of dealer: Int, to helper: Int, in bundle: ShareBundle
  ) -> Digest? {
    if dealer == helper { return kind == .selfMask ? bundle.ownShareCommitment : nil }
    // On the complete graph a bundle holds every index but the dealer's, ascending (checked when it arrived).
    let entry = bundle.entries[helper < dealer ? helper : helper - 1]
    return kind == .selfMask ? entry.selfMaskCommitment : entry.maskKeyCommitment
  }

  mutating func advanceUnmasking(_ closing: Closing, _ atDeadline: Bool) -> [Action] {
    let threshold = closing.roster.thresholds.threshold
    if closing.answers.count >= threshold { return reconstruct(closing) }
    let possible = closing.survivors.members.filter {
      !closing.wrongHelpers.contains($0) && !departed.contains(closing.roster.workers[$0])
    }
    guard atDeadline || possible.count < threshold else { return [] }
    return abandon(.tooFewHelpers(have: closing.answers.count, need: threshold))
  }

  /// Combines the shares of the first `threshold` helpers and checks each secret against what its owner signed.
  private mutating func reconstruct(_ closing: Closing) -> [Action] {
    let roster = closing.roster
    let helpers = Array(closing.answers.keys.sorted().prefix(roster.thresholds.threshold))
    let answers = helpers.compactMap { closing.answers[$0] }
    guard let weights = try? Shamir.Weights(helpers: helpers) else { return [] }
    var seeds: [UnmaskingOrder.OwnedSecret] = [], keys: [UnmaskingOrder.OwnedSecret] = []
    for (place, owner) in closing.survivors.members.enumerated() {
      guard let seed = try? Shamir.combine(answers.map { $0.selfMasks[place] }, weights: weights),
        ShareSealing.seedCommitment(transcript: roster.transcript, dealer: owner, seed: seed)
          == closing.bundles[owner]?.bundle.seedCommitment
      else { return convict(dealer: owner, in: roster) }
      seeds.append(.init(owner: owner, secret: seed))
    }
    let dropouts = closing.dealers.members.filter { !closing.survivors.contains($0) }
    for (place, owner) in dropouts.enumerated() {
      guard let key = try? Shamir.combine(answers.map { $0.maskKeys[place] }, weights: weights),
        Agreement.publicKey(of: key) == roster.entries[owner].maskKey
      else { return convict(dealer: owner, in: roster) }
      keys.append(.init(owner: owner, secret: key))
    }
    state = .reconstructed(closing)
    return [
      .unmask(
        UnmaskingOrder(
          transcript: roster.transcript, suite: context.configuration.suite,
          vectors: VectorSpecification.all(for: context.configuration), survivors: closing.survivors.members,
          survivorMaskKeys: closing.survivors.members.map { roster.entries[$0].maskKey }, selfMaskSeeds: seeds,
          dropoutMaskKeys: keys))
    ]
  }

  private mutating func convict(dealer: Int, in roster: Roster) -> [Action] {
    let name = roster.workers[dealer]
    return [.blame(name, .dealtInconsistentShares)] + abandon(.reconstructionFailed(dealer: name))
  }
}
