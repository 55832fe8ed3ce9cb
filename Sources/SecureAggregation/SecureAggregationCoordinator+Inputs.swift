import Cryptography
import Federation

/// Masked inputs and the cut-off (M5, ruling A10).
extension SecureAggregationCoordinator {
  mutating func open(_ header: InputHeader, from worker: WorkerID) -> [Action] {
    guard case .collecting(var inputs) = state else { return [.refuseInput(from: worker, .notASurvivor)] }
    switch position(of: worker, claiming: header.worker, transcript: header.transcript, in: inputs.roster) {
    case .failure: return [.refuseInput(from: worker, .badSignature)]
    case .success(let index):
      guard inputs.dealers.contains(index), !inputs.refused.contains(index), !departed.contains(worker) else {
        return [.refuseInput(from: worker, .notInU2)]
      }
      if inputs.completed.contains(index) { return [.ignored(from: worker, .repeated)] }
      let signed = SignedString.inputHeader(
        transcript: header.transcript, worker: index, dealersDigest: header.dealersDigest, vectors: header.vectors)
      if let refusal = refusal(of: header, signed: signed, by: index, in: inputs) {
        inputs.refused.insert(index)
        inputs.open.remove(index)
        state = .collecting(inputs)
        return [.refuseInput(from: worker, refusal), .blame(worker, .refused(refusal))] + advance()
      }
      inputs.open.insert(index)
      absent.remove(worker)
      state = .collecting(inputs)
      return [.acceptInput(from: worker)]
    }
  }

  private func refusal(of header: InputHeader, signed: [UInt8], by index: Int, in inputs: Inputs) -> Refusal? {
    guard header.signature.isValid(over: signed, by: inputs.roster.signingKeys[index]) else { return .badSignature }
    guard header.dealersDigest == inputs.dealers.digest else { return .inputOfAnotherU2 }
    return header.vectors == VectorSpecification.all(for: context.configuration) ? nil : .badLength
  }

  mutating func complete(_ trailer: InputTrailer, _ payload: Digest, from worker: WorkerID) -> [Action] {
    guard case .collecting(var inputs) = state else { return [.refuseInput(from: worker, .notASurvivor)] }
    switch position(of: worker, claiming: trailer.worker, transcript: trailer.transcript, in: inputs.roster) {
    case .failure: return [.refuseInput(from: worker, .badSignature)]
    case .success(let index):
      if inputs.completed.contains(index) { return [.ignored(from: worker, .repeated)] }
      guard inputs.open.contains(index) else { return [.refuseInput(from: worker, .notInU2)] }
      let signed = SignedString.input(
        transcript: trailer.transcript, worker: index, dealersDigest: trailer.dealersDigest, payloadDigest: payload)
      inputs.open.remove(index)
      guard trailer.dealersDigest == inputs.dealers.digest, trailer.payloadDigest == payload,
        trailer.signature.isValid(over: signed, by: inputs.roster.signingKeys[index])
      else {
        inputs.refused.insert(index)
        state = .collecting(inputs)
        return [.refuseInput(from: worker, .wrongDigest), .blame(worker, .refused(.wrongDigest))] + advance()
      }
      inputs.completed.insert(index)
      state = .collecting(inputs)
      return (inputs.isSpooled ? [] : [.addInput(from: worker)]) + advance()
    }
  }

  mutating func giveUp(_ worker: WorkerID) -> [Action] {
    guard case .collecting(var inputs) = state, let index = inputs.roster.index[worker],
      !inputs.completed.contains(index)
    else { return [] }
    inputs.open.remove(index)
    inputs.refused.insert(index)
    state = .collecting(inputs)
    return advance()
  }

  mutating func advance(_ inputs: Inputs, _ atDeadline: Bool) -> [Action] {
    let roster = inputs.roster
    let goal = context.configuration.goalCount.map { max(Int(clamping: $0), roster.thresholds.smallestSurvivorSet) }
    let everyone = inputs.dealers.members.allSatisfy {
      inputs.completed.contains($0) || inputs.refused.contains($0) || absent.contains(roster.workers[$0])
    }
    guard atDeadline || everyone || goal.map({ inputs.completed.count >= $0 }) == true else { return [] }
    let need = roster.thresholds.smallestSurvivorSet
    guard inputs.completed.count >= need else {
      return abandon(.tooFewInputs(have: inputs.completed.count, need: need))
    }
    let survivors: Bitmap
    do throws(Refusal) {
      survivors = try safeSurvivors(inputs)
    } catch {
      return abandon(.survivorsRefused(error))
    }
    let closing = Closing(
      roster: roster, bundles: inputs.bundles, dealers: inputs.dealers, survivors: survivors)
    let message = survivorSet(closing)
    let names = survivors.members.map { roster.workers[$0] }
    let added = inputs.isSpooled ? names.map { Action.addInput(from: $0) } : []
    let semiHonest = context.configuration.mode == .semiHonest
    state = semiHonest ? .unmasking(closing) : .agreeing(closing)
    return added + [.closeInputs] + leaveOut(inputs.dealers.members.map { roster.workers[$0] }, but: names) + [
      .sendSurvivors(message, to: names), startDeadline(semiHonest ? .unmask : .consistencyCheck),
    ]
  }

  /// Every completed input, or as many as the organisation cap allows: the check is the one that every worker makes, so
  /// what they would refuse is not sent.
  private func safeSurvivors(_ inputs: Inputs) throws(Refusal) -> Bitmap {
    let roster = inputs.roster
    func checked(_ members: [Int]) throws(Refusal) -> Bitmap {
      let survivors = Bitmap(members: members, count: roster.count)
      try RoundChecks.checkSurvivorSet(
        survivors, organisations: roster.organisations, thresholds: roster.thresholds, policy: policy)
      return survivors
    }
    let completed = inputs.completed.sorted()
    do throws(Refusal) {
      return try checked(completed)
    } catch {
      guard error == .organisationAboveCap, inputs.isSpooled else { throw error }
      let fewer = policy.largestSetWithinCap(completed.map { roster.organisations[$0] }).map { completed[$0] }
      guard let survivors = try? checked(fewer) else { throw error }
      return survivors
    }
  }
}

/// A link that was lost and came back (the worker's process lived on).
extension SecureAggregationCoordinator {
  /// Waits for the worker again, and repeats the message of this stage that it may have missed.
  mutating func welcomeBack(_ worker: WorkerID) -> [Action] {
    guard cohort.contains(worker), !departed.contains(worker) else { return [] }
    absent.remove(worker)
    if case .advertising(let adverts) = state { return adverts[worker] == nil ? [.repeatOffer(to: worker)] : [] }
    guard let roster else { return [] }
    guard let index = roster.index[worker] else { return [.leaveOut([worker])] }
    switch state {
    case .sharing(let setup) where setup.bundles[index] == nil:
      return [.sendRoster(rosterMessage(roster), to: [worker])]
    case .checking(_, let asked) where !asked.contains(index): return [.leaveOut([worker])]
    case .checking(let setup, let asked) where asked.contains(index) && setup.checks[index] == nil:
      return [.sendPeerShares(peerShares(for: index, from: asked, in: setup), to: worker)]
    case .collecting(let inputs) where !inputs.dealers.contains(index): return [.leaveOut([worker])]
    case .agreeing(let closing) where !closing.survivors.contains(index),
      .unmasking(let closing) where !closing.survivors.contains(index):
      return [.leaveOut([worker])]
    case .collecting(let inputs) where inputs.dealers.contains(index) && !inputs.completed.contains(index):
      return [.sendDealers(dealerSet(inputs.dealers, in: roster), to: [worker])]
    case .agreeing(let closing) where closing.survivors.contains(index) && closing.agreements[index] == nil:
      return [.sendSurvivors(survivorSet(closing), to: [worker])]
    case .unmasking(let closing) where closing.survivors.contains(index) && closing.answers[index] == nil:
      return context.configuration.mode == .semiHonest
        ? [.sendSurvivors(survivorSet(closing), to: [worker])]
        : [.sendSurvivors(survivorSet(closing), to: [worker]), .sendQuorum(certificate(closing), to: [worker])]
    case .advertising, .sharing, .checking, .collecting, .agreeing, .unmasking, .reconstructed, .ended: return []
    }
  }
}
