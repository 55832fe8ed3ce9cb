import Cryptography
import Federation

/// Adverts, roster, bundles, complaints (M1–M4b).
extension SecureAggregationCoordinator {
  mutating func receive(_ advert: KeyAdvert, from worker: WorkerID) -> [Action] {
    guard case .advertising(var adverts) = state else { return [.ignored(from: worker, .late)] }
    guard isInvited(worker), !departed.contains(worker) else { return [.ignored(from: worker, .notOnRoster)] }
    if let first = adverts[worker] {
      if first == advert { return [.ignored(from: worker, .repeated)] }
      // Two different adverts of one attempt: neither can be trusted to be the worker's only one.
      adverts[worker] = nil
      departed.insert(worker)
      absent.insert(worker)
      state = .advertising(adverts: adverts)
      let evidence = twice(
        .twoAdverts, worker,
        [first, advert].map {
          (
            SignedString.advert(roundID: context.roundID, entry: $0.entry, offerSignature: $0.offerSignature),
            $0.signature
          )
        })
      return [evidence].compactMap { $0 } + [.blame(worker, .refused(.duplicateWorker))] + advance()
    }
    if let refusal = refusal(of: advert, from: worker, beside: adverts) {
      departed.insert(worker)
      absent.insert(worker)
      return [.blame(worker, .refused(refusal))] + advance()
    }
    adverts[worker] = advert
    absent.remove(worker)
    state = .advertising(adverts: adverts)
    return advance()
  }

  /// Why this advert would make every honest worker refuse the roster; nil if it would not.
  private func refusal(
    of advert: KeyAdvert, from worker: WorkerID, beside others: [WorkerID: KeyAdvert]
  ) -> Refusal? {
    guard let member = context.membership[worker], advert.entry.worker == worker,
      advert.entry.certificateFingerprint == member.certificate.fingerprint
    else { return .ownEntryChanged }
    do throws(Refusal) {
      try RoundChecks.checkCertificate(
        member, authority: context.membership.authorityKey, time: context.now, role: .worker, name: worker,
        computations: context.computations)
    } catch {
      return error
    }
    guard advert.modelDigest == context.modelDigest, advert.configurationDigest == context.configurationDigest,
      advert.offerSignature == offerSignature
    else { return .advertOfAnotherOffer }
    let signed = SignedString.advert(
      roundID: context.roundID, entry: advert.entry, offerSignature: advert.offerSignature)
    guard context.computations.isValid(advert.signature, over: signed, by: member.certificate.signingKey) else {
      return .advertOfAnotherOffer
    }
    let keys = [advert.entry.encryptionKey, advert.entry.maskKey]
    // Keys are fresh and unknown to others: whoever comes with the same ones shares a generator or a secret.
    for other in others.values
    where other.entry.encryptionKey == keys[0] || other.entry.maskKey == keys[1] {
      return .duplicateKey
    }
    return keys.allSatisfy(Agreement.isUsable) ? nil : .allZeroSharedSecret
  }

  mutating func advance(_ adverts: [WorkerID: KeyAdvert], _ atDeadline: Bool) -> [Action] {
    guard atDeadline || cohort.allSatisfy({ adverts[$0] != nil || absent.contains($0) }) else { return [] }
    // Whoever advertised and was lost since would only be a dropout to pay for.
    let workers = cohort.filter { adverts[$0] != nil && !absent.contains($0) }
    let need = max(policy.minimumCohort, 1)
    guard workers.count >= need else { return abandon(.tooFewAdverts(have: workers.count, need: need)) }
    do throws(Refusal) {
      return try fixRoster(try safeRoster(workers), adverts)
    } catch {
      return abandon(.rosterRefused(error))
    }
  }

  /// All of `workers`, or as many as the organisation cap allows, with their thresholds.
  private func safeRoster(_ workers: [WorkerID]) throws(Refusal) -> (workers: [WorkerID], thresholds: Thresholds) {
    func thresholds(of workers: [WorkerID]) throws(Refusal) -> Thresholds {
      guard workers.count <= context.configuration.maximumRoster else { throw .rosterTooLarge }
      return try Thresholds.compute(
        organisations: organisations(of: workers), mode: context.configuration.mode, policy: policy)
    }
    do throws(Refusal) {
      return (workers, try thresholds(of: workers))
    } catch {
      guard error == .organisationAboveCap else { throw error }
      let fewer = policy.largestSetWithinCap(organisations(of: workers)).map { workers[$0] }
      guard let found = try? thresholds(of: fewer) else { throw error }
      return (fewer, found)
    }
  }

  private func organisations(of workers: [WorkerID]) -> [OrganisationID] {
    workers.compactMap { context.membership[$0]?.certificate.organisation }
  }

  private mutating func fixRoster(
    _ safe: (workers: [WorkerID], thresholds: Thresholds), _ adverts: [WorkerID: KeyAdvert]
  ) throws(Refusal) -> [Action] {
    let (workers, thresholds) = safe
    let listed = workers.compactMap { adverts[$0] }
    let members = workers.compactMap { context.membership[$0]?.certificate }
    let entries = listed.map(\.entry)
    let digest = Transcript.rosterDigest(roundID: context.roundID, entries: entries)
    let transcript = Transcript.transcript(roundID: context.roundID, rosterDigest: digest)
    let graph = try MaskingGraph(
      transcript: transcript, thresholds: thresholds, computations: context.computations)
    let roster = Roster(
      transcript: transcript, workers: workers,
      adverts: listed, entries: entries, organisations: members.map(\.organisation),
      signingKeys: members.map(\.signingKey),
      thresholds: thresholds, graph: graph,
      index: Dictionary(uniqueKeysWithValues: workers.enumerated().map { ($1, $0) }))
    state = .sharing(Setup(roster: roster))
    return leaveOut(cohort, but: workers) + [
      .sendRoster(rosterMessage(roster), to: workers), startDeadline(.shareKeys),
    ]
  }

  /// Those of `workers` that the attempt goes on without, if any.
  func leaveOut(_ workers: [WorkerID], but others: [WorkerID]) -> [Action] {
    let others = Set(others)
    let left = workers.filter { !others.contains($0) }
    return left.isEmpty ? [] : [.leaveOut(left)]
  }

  func rosterMessage(_ roster: Roster) -> RosterMessage {
    let digest = Transcript.rosterDigest(roundID: context.roundID, entries: roster.entries)
    return RosterMessage(
      adverts: roster.adverts,
      signature: signingKey.signature(over: SignedString.roster(roundID: context.roundID, rosterDigest: digest)))
  }

  /// M4 for one helper: what each dealer among its neighbours sealed for it.
  func peerShares(for helper: Int, from dealers: Bitmap, in setup: Setup) -> PeerShares {
    let entries = setup.roster.graph.neighbours(of: helper).filter(dealers.contains).compactMap { dealer in
      setup.bundles[dealer]?.bundle.entry(for: helper).map { PeerShares.Entry(dealer: dealer, sealed: $0) }
    }
    return PeerShares(transcript: setup.roster.transcript, entries: entries)
  }

  func dealerSet(_ dealers: Bitmap, in roster: Roster) -> DealerSet {
    DealerSet(
      transcript: roster.transcript, dealers: dealers,
      signature: signingKey.signature(
        over: SignedString.dealers(transcript: roster.transcript, bitmap: dealers)))
  }

  mutating func receive(_ bundle: SignedBundle, from worker: WorkerID) -> [Action] {
    guard case .sharing(var setup) = state else { return [.ignored(from: worker, .late)] }
    switch position(of: worker, claiming: bundle.dealer, transcript: bundle.transcript, in: setup.roster) {
    case .failure(let rejection): return reject(rejection, from: worker)
    case .success(let index):
      if let first = setup.bundles[index] {
        if first == bundle { return [.ignored(from: worker, .repeated)] }
        let evidence = twice(
          .twoBundles, worker,
          [first, bundle].map {
            (
              SignedString.bundle(
                transcript: $0.transcript, dealer: index, bodyDigest: $0.bundle.bodyDigest), $0.signature
            )
          })
        return [evidence].compactMap { $0 } + [.blame(worker, .refused(.duplicateWorker))]
      }
      let helpers = setup.roster.graph.neighbours(of: index)
      let signed = SignedString.bundle(
        transcript: bundle.transcript, dealer: index, bodyDigest: bundle.bundle.bodyDigest)
      guard bundle.bundle.entries.map(\.helper) == helpers,
        bundle.signature.isValid(over: signed, by: setup.roster.signingKeys[index])
      else {
        departed.insert(worker)
        absent.insert(worker)
        return [.blame(worker, .refused(.badSignature))] + advance()
      }
      setup.bundles[index] = bundle
      absent.remove(worker)
      state = .sharing(setup)
      return advance()
    }
  }

  mutating func advanceSharing(_ setup: Setup, _ atDeadline: Bool) -> [Action] {
    let roster = setup.roster
    guard
      atDeadline
        || roster.workers.indices.allSatisfy({
          setup.bundles[$0] != nil || absent.contains(roster.workers[$0])
        })
    else { return [] }
    // Nothing is ever asked about a worker that did not share: nobody masks with it.
    let dealers = roster.workers.indices.filter { setup.bundles[$0] != nil && !absent.contains(roster.workers[$0]) }
    let need = roster.thresholds.smallestSurvivorSet
    guard dealers.count >= need else { return abandon(.tooFewDealers(have: dealers.count, need: need)) }
    let asked = Bitmap(members: dealers, count: roster.count)
    state = .checking(setup, asked: asked)
    let messages = dealers.map {
      Action.sendPeerShares(peerShares(for: $0, from: asked, in: setup), to: roster.workers[$0])
    }
    return messages + [startDeadline(.checkShares)]
  }

  mutating func receive(_ check: SignedShareCheck, from worker: WorkerID) -> [Action] {
    guard case .checking(var setup, let asked) = state else { return [.ignored(from: worker, .late)] }
    switch position(of: worker, claiming: check.helper, transcript: check.transcript, in: setup.roster) {
    case .failure(let rejection): return reject(rejection, from: worker)
    case .success(let index):
      guard asked.contains(index) else { return [.ignored(from: worker, .notOnRoster)] }
      if let first = setup.checks[index] {
        if first == check { return [.ignored(from: worker, .repeated)] }
        let evidence = twice(
          .twoShareChecks, worker,
          [first, check].map {
            (
              SignedString.shareCheck(transcript: $0.transcript, helper: index, complaints: $0.complaints),
              $0.signature
            )
          })
        return [evidence].compactMap { $0 } + [.blame(worker, .refused(.duplicateWorker))]
      }
      let signed = SignedString.shareCheck(
        transcript: check.transcript, helper: index, complaints: check.complaints)
      guard check.complaints.count == setup.roster.count,
        check.signature.isValid(over: signed, by: setup.roster.signingKeys[index])
      else {
        departed.insert(worker)
        absent.insert(worker)
        return [.blame(worker, .refused(.badSignature))] + advance()
      }
      setup.checks[index] = check
      absent.remove(worker)
      state = .checking(setup, asked: asked)
      return advance()
    }
  }

  mutating func advanceChecking(_ setup: Setup, _ asked: Bitmap, _ atDeadline: Bool) -> [Action] {
    let roster = setup.roster
    let candidates = asked.members
    guard
      atDeadline || candidates.allSatisfy({ setup.checks[$0] != nil || absent.contains(roster.workers[$0]) })
    else { return [] }
    let answered = candidates.filter { setup.checks[$0] != nil && !absent.contains(roster.workers[$0]) }
    let (removed, blames) = settle(answered, asked, setup)
    let candidatesLeft = Bitmap(members: answered.filter { !removed.contains($0) }, count: roster.count)
    // Whoever keeps too few neighbours would refuse this U2, and its own masks could not be taken off (ruling A16).
    let dealers = roster.graph.core(of: candidatesLeft, threshold: roster.thresholds.threshold)
    let members = dealers.members
    let need = roster.thresholds.smallestSurvivorSet
    guard members.count >= need else {
      return blames + abandon(.tooFewDealers(have: members.count, need: need))
    }
    let names = members.map { roster.workers[$0] }
    state = .collecting(Inputs(roster: roster, bundles: setup.bundles, dealers: dealers))
    return blames + leaveOut(roster.workers, but: names) + [
      .openInputs(
        transcript: roster.transcript, vectors: VectorSpecification.all(for: context.configuration), from: names),
      .sendDealers(dealerSet(dealers, in: roster), to: names), startDeadline(.maskedInput),
    ]
  }

  /// Who is out because of complaints, and why.
  private func settle(_ answered: [Int], _ asked: Bitmap, _ setup: Setup) -> (removed: Set<Int>, blames: [Action]) {
    let roster = setup.roster
    var complaints: Set<Complaint> = []
    for helper in answered {
      // Who never shared is complained about by everyone, rightly, and out already. Only neighbours deal to a helper.
      for dealer in setup.checks[helper]?.complaints.members ?? []
      where asked.contains(dealer) && dealer != helper && roster.graph.areNeighbours(dealer, helper) {
        complaints.insert(Complaint(dealer: dealer, complainer: helper))
      }
    }
    let bound = roster.graph.complaintBound(roster.thresholds)
    let removed = Complaints.settle(complaints, bound: bound)
    let convicted = Complaints.convicted(by: complaints, bound: bound)
    let blames = removed.sorted().map { worker in
      if convicted.contains(worker) { return Action.blame(roster.workers[worker], .complainedAbout) }
      let others = complaints.compactMap { complaint -> Int? in
        let other =
          complaint.dealer == worker ? complaint.complainer : complaint.complainer == worker ? complaint.dealer : nil
        return other.flatMap { convicted.contains($0) ? nil : $0 }
      }
      return Action.blame(roster.workers[worker], .inDispute(with: others.sorted().map { roster.workers[$0] }))
    }
    return (removed, blames)
  }
}
