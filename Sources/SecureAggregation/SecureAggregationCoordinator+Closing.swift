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
      guard
        context.computations.isValid(agreement.signature, over: signed, by: closing.roster.signingKeys[index])
      else {
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

  /// M6 for these survivors (nil: all): one message for everyone on the complete graph, with the inputs of its own
  /// neighbours for each on a sparse one.
  func sendSurvivors(_ closing: Closing, to receivers: [Int]? = nil) -> [Action] {
    let roster = closing.roster
    let receivers = receivers ?? closing.survivors.members
    let signature = signingKey.signature(
      over: SignedString.survivors(
        transcript: roster.transcript, dealersDigest: closing.dealers.digest, bitmap: closing.survivors))
    func message(_ inputs: [RelayedInput]) -> SurvivorSet {
      SurvivorSet(
        transcript: roster.transcript, dealersDigest: closing.dealers.digest, survivors: closing.survivors,
        inputs: inputs, signature: signature)
    }
    guard !roster.graph.isComplete else {
      return [.sendSurvivors(message([]), to: receivers.map { roster.workers[$0] })]
    }
    return receivers.map { receiver in
      let inputs = roster.graph.neighbours(of: receiver).compactMap { neighbour in
        closing.inputs[neighbour].map {
          RelayedInput(worker: neighbour, payloadDigest: $0.payloadDigest, signature: $0.signature)
        }
      }
      return .sendSurvivors(message(inputs), to: [roster.workers[receiver]])
    }
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
      do throws(WrongAnswer) {
        closing.answers[index] = try committedShares(answer, by: index, in: closing)
      } catch {
        closing.wrongHelpers.insert(index)
        state = .unmasking(closing)
        return [.blame(worker, error.fault(in: closing.roster))] + advance()
      }
      state = .unmasking(closing)
      return advance()
    }
  }

  private enum WrongAnswer: Error {
    case otherShares
    case wrongShare(of: Int)

    func fault(in roster: Roster) -> Fault {
      switch self {
      case .otherShares: .returnedOtherShares
      case .wrongShare(let dealer): .returnedWrongShare(of: roster.workers[dealer])
      }
    }
  }

  /// The shares of a helper that returned exactly those asked for, each as its dealer committed to it.
  private func committedShares(
    _ answer: UnmaskShares, by helper: Int, in closing: Closing
  ) throws(WrongAnswer) -> HelperShares {
    let graph = closing.roster.graph
    func isAsked(_ owner: Int) -> Bool { owner == helper || graph.areNeighbours(owner, helper) }
    let dropouts = closing.dealers.members.filter { !closing.survivors.contains($0) && isAsked($0) }
    guard answer.selfMaskShares.map(\.owner) == closing.survivors.members.filter(isAsked),
      answer.maskKeyShares.map(\.owner) == dropouts
    else { throw .otherShares }
    return HelperShares(
      selfMasks: try committed(.selfMask, answer.selfMaskShares, by: helper, in: closing),
      maskKeys: try committed(.maskKey, answer.maskKeyShares, by: helper, in: closing))
  }

  private func committed(
    _ kind: ShareSealing.Kind, _ entries: [UnmaskShares.Entry], by helper: Int, in closing: Closing
  ) throws(WrongAnswer) -> [Int: Shamir.Share] {
    var shares: [Int: Shamir.Share] = [:]
    for entry in entries {
      guard let share = try? Shamir.Share(SecretBytes(copying: entry.share)),
        let bundle = closing.bundles[entry.owner]?.bundle,
        ShareSealing.shareCommitment(
          kind, transcript: closing.roster.transcript, dealer: entry.owner, helper: helper, share: share)
          == bundle.commitment(kind, to: helper, of: entry.owner)
      else { throw .wrongShare(of: entry.owner) }
      shares[entry.owner] = share
    }
    return shares
  }

  mutating func advanceUnmasking(_ closing: Closing, _ atDeadline: Bool) -> [Action] {
    let roster = closing.roster
    let answered = Bitmap(members: closing.answers.keys, count: roster.count)
    guard let short = firstShort(closing, from: closing.helpedOwners, in: answered) else {
      return reconstruct(closing)
    }
    // Who has enough helpers keeps them: the next answer is counted for those from here on.
    var closing = closing
    closing.helpedOwners = short.place
    let gone = closing.wrongHelpers.count + departed.count
    let isNews = gone != closing.goneHelpers
    closing.goneHelpers = gone
    state = .unmasking(closing)
    let isHopeless = isNews && firstShort(closing, from: short.place, in: possibleHelpers(closing)) != nil
    guard atDeadline || isHopeless else { return [] }
    let silent = closing.survivors.members.filter {
      closing.answers[$0] == nil && !closing.wrongHelpers.contains($0)
    }
    return abandon(
      .tooFewHelpers(
        owner: roster.graph.isComplete ? nil : roster.workers[short.owner], have: short.have,
        need: roster.thresholds.threshold, silent: silent.map { roster.workers[$0] },
        wrong: closing.wrongHelpers.sorted().map { roster.workers[$0] }))
  }

  /// The survivors whose answer counts or may still come.
  private func possibleHelpers(_ closing: Closing) -> Bitmap {
    let helpers = closing.survivors.members.filter {
      !closing.wrongHelpers.contains($0) && !departed.contains(closing.roster.workers[$0])
    }
    return Bitmap(members: helpers, count: closing.roster.count)
  }

  /// The first owner, from a place in their order on, of whom fewer than t of `helpers` hold a share; nil if there are
  /// enough for everyone. On the complete graph everyone helps everyone, so one owner stands for all.
  private func firstShort(
    _ closing: Closing, from start: Int, in helpers: Bitmap
  ) -> (place: Int, owner: Int, have: Int)? {
    let threshold = closing.roster.thresholds.threshold
    let owners =
      closing.roster.graph.isComplete
      ? Array(closing.survivors.members.prefix(1)) : closing.survivors.members + closing.dropouts
    for place in owners.indices.dropFirst(start) {
      let owner = owners[place]
      let near = closing.roster.graph.neighbourCount(of: owner, in: helpers)
      let have = near + (helpers.contains(owner) ? 1 : 0)
      if have < threshold { return (place, owner, have) }
    }
    return nil
  }

  /// Who holds a share of `owner` that M9 releases, among `set`, ascending.
  private func helpers(of owner: Int, in set: Bitmap, _ closing: Closing) -> [Int] {
    let near = closing.roster.graph.neighbours(of: owner).filter(set.contains)
    guard set.contains(owner) else { return near }
    return (near + [owner]).sorted()
  }

  /// Combines, of each owner, the shares of the first t helpers that answered, and checks the secret against what its
  /// owner signed.
  private mutating func reconstruct(_ closing: Closing) -> [Action] {
    let roster = closing.roster
    let answered = Bitmap(members: closing.answers.keys, count: roster.count)
    var weights = WeightsOfHelpers()
    func combine(_ owner: Int, _ kind: KeyPath<HelperShares, [Int: Shamir.Share]>) -> SecretBytes? {
      let chosen = Array(helpers(of: owner, in: answered, closing).prefix(roster.thresholds.threshold))
      let shares = chosen.compactMap { closing.answers[$0]?[keyPath: kind][owner] }
      return weights.of(chosen).flatMap { try? Shamir.combine(shares, weights: $0) }
    }
    var seeds: [UnmaskingOrder.OwnedSecret] = [], keys: [UnmaskingOrder.DropoutKey] = []
    for owner in closing.survivors.members {
      guard let seed = combine(owner, \.selfMasks),
        ShareSealing.seedCommitment(transcript: roster.transcript, dealer: owner, seed: seed)
          == closing.bundles[owner]?.bundle.seedCommitment
      else { return convict(dealer: owner, in: roster) }
      seeds.append(.init(owner: owner, secret: seed))
    }
    for owner in closing.dropouts {
      guard let key = combine(owner, \.maskKeys), Agreement.publicKey(of: key) == roster.entries[owner].maskKey
      else { return convict(dealer: owner, in: roster) }
      let peers = roster.graph.neighbours(of: owner).filter(closing.survivors.contains)
      keys.append(
        .init(owner: owner, secret: key, peers: peers.map { .init(index: $0, key: roster.entries[$0].maskKey) }))
    }
    state = .reconstructed(closing)
    return [
      .unmask(
        UnmaskingOrder(
          transcript: roster.transcript, suite: context.configuration.suite,
          vectors: VectorSpecification.all(for: context.configuration), survivors: closing.survivors.members,
          selfMaskSeeds: seeds, dropoutMaskKeys: keys))
    ]
  }

  private mutating func convict(dealer: Int, in roster: Roster) -> [Action] {
    let name = roster.workers[dealer]
    return [.blame(name, .dealtInconsistentShares)] + abandon(.reconstructionFailed(dealer: name))
  }
}

/// Lagrange weights, computed once for helpers that come back owner after owner, as they do on the complete graph.
private struct WeightsOfHelpers {
  private var last: (helpers: [Int], weights: Shamir.Weights)?

  /// Nil for no helpers.
  mutating func of(_ helpers: [Int]) -> Shamir.Weights? {
    if let last, last.helpers == helpers { return last.weights }
    guard let weights = try? Shamir.Weights(helpers: helpers) else { return nil }
    last = (helpers, weights)
    return weights
  }
}

extension ShareBundle {
  /// What a share of `dealer` that `helper` returns must fit; nil if the helper was dealt none.
  fileprivate func commitment(_ kind: ShareSealing.Kind, to helper: Int, of dealer: Int) -> Digest? {
    if dealer == helper { return kind == .selfMask ? ownShareCommitment : nil }
    let entry = entry(for: helper)
    return kind == .selfMask ? entry?.selfMaskCommitment : entry?.maskKeyCommitment
  }
}
