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
      if inputs.completed[index] != nil { return [.ignored(from: worker, .repeated)] }
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
      if inputs.completed[index] != nil { return [.ignored(from: worker, .repeated)] }
      guard inputs.open.contains(index) else { return [.refuseInput(from: worker, .notInU2)] }
      let signed = SignedString.input(
        transcript: trailer.transcript, worker: index, dealersDigest: trailer.dealersDigest, payloadDigest: payload)
      inputs.open.remove(index)
      guard trailer.dealersDigest == inputs.dealers.digest, trailer.payloadDigest == payload,
        context.computations.isValid(trailer.signature, over: signed, by: inputs.roster.signingKeys[index])
      else {
        inputs.refused.insert(index)
        state = .collecting(inputs)
        return [.refuseInput(from: worker, .wrongDigest), .blame(worker, .refused(.wrongDigest))] + advance()
      }
      inputs.completed[index] = trailer
      state = .collecting(inputs)
      return (inputs.isSpooled ? [] : [.addInput(from: worker)]) + advance()
    }
  }

  mutating func giveUp(_ worker: WorkerID) -> [Action] {
    guard case .collecting(var inputs) = state, let index = inputs.roster.index[worker],
      inputs.completed[index] == nil
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
      inputs.completed[$0] != nil || inputs.refused.contains($0) || absent.contains(roster.workers[$0])
    }
    let isLastChance = atDeadline || everyone
    guard isLastChance || goal.map({ inputs.completed.count >= $0 }) == true else { return [] }
    let need = roster.thresholds.smallestSurvivorSet
    guard inputs.completed.count >= need else {
      return abandon(.tooFewInputs(have: inputs.completed.count, need: need))
    }
    do throws(Abandonment) {
      let survivors = try safeSurvivors(inputs)
      let dropouts = try openableDropouts(survivors, of: inputs)
      return close(
        inputs,
        Closing(
          roster: roster, bundles: inputs.bundles, dealers: inputs.dealers, survivors: survivors,
          inputs: roster.graph.isComplete ? [:] : inputs.completed.filter { survivors.contains($0.key) },
          dropouts: dropouts))
    } catch {
      // The goal is met in number only: those who are still waited for may complete the set.
      return isLastChance ? abandon(error) : []
    }
  }

  private mutating func close(_ inputs: Inputs, _ closing: Closing) -> [Action] {
    let roster = closing.roster
    let names = closing.survivors.members.map { roster.workers[$0] }
    let added = inputs.isSpooled ? names.map { Action.addInput(from: $0) } : []
    let semiHonest = context.configuration.mode == .semiHonest
    state = semiHonest ? .unmasking(closing) : .agreeing(closing)
    return added + [.closeInputs] + leaveOut(inputs.dealers.members.map { roster.workers[$0] }, but: names)
      + sendSurvivors(closing) + [startDeadline(semiHonest ? .unmask : .consistencyCheck)]
  }

  /// Every completed input, or as many as the organisation cap and the degrees of the graph allow: the checks are those
  /// that every worker makes, so what they would refuse is not sent.
  private func safeSurvivors(_ inputs: Inputs) throws(Abandonment) -> Bitmap {
    let roster = inputs.roster
    func core(_ members: [Int]) -> Bitmap {
      roster.graph.core(
        of: Bitmap(members: members, count: roster.count), threshold: roster.thresholds.threshold)
    }
    let all = core(inputs.completed.keys.sorted())
    guard let refusal = refusal(of: all, in: roster) else { return all }
    guard refusal == .organisationAboveCap, inputs.isSpooled else { throw .survivorsRefused(refusal) }
    let members = all.members
    let fewer = core(policy.largestSetWithinCap(members.map { roster.organisations[$0] }).map { members[$0] })
    guard self.refusal(of: fewer, in: roster) == nil else { throw .survivorsRefused(refusal) }
    return fewer
  }

  private func refusal(of survivors: Bitmap, in roster: Roster) -> Refusal? {
    do throws(Refusal) {
      try RoundChecks.checkSurvivorSet(
        survivors, organisations: roster.organisations, thresholds: roster.thresholds, policy: policy)
      return nil
    } catch {
      return error
    }
  }

  /// The dealers outside U3 that a survivor masked for: t of their neighbours have to be in U3, or their masks stay in
  /// the sum. On the complete graph every survivor is a neighbour, and there are enough.
  private func openableDropouts(_ survivors: Bitmap, of inputs: Inputs) throws(Abandonment) -> [Int] {
    let roster = inputs.roster
    let threshold = roster.thresholds.threshold
    var dropouts: [Int] = []
    for dealer in inputs.dealers.members where !survivors.contains(dealer) {
      let helpers = roster.graph.neighbourCount(of: dealer, in: survivors)
      guard helpers > 0 else { continue }
      guard helpers >= threshold else {
        throw .dealerCutOff(roster.workers[dealer], have: helpers, need: threshold)
      }
      dropouts.append(dealer)
    }
    return dropouts
  }
}

/// A link that was lost and came back (the worker's process lived on).
extension SecureAggregationCoordinator {
  /// Waits for the worker again, and repeats the message of this stage that it may have missed.
  mutating func welcomeBack(_ worker: WorkerID) -> [Action] {
    guard isInvited(worker), !departed.contains(worker) else { return [] }
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
    case .collecting(let inputs) where inputs.dealers.contains(index) && inputs.completed[index] == nil:
      return [.sendDealers(dealerSet(inputs.dealers, in: roster), to: [worker])]
    case .agreeing(let closing) where closing.survivors.contains(index) && closing.agreements[index] == nil:
      return sendSurvivors(closing, to: [index])
    case .unmasking(let closing) where closing.survivors.contains(index) && closing.answers[index] == nil:
      let again = sendSurvivors(closing, to: [index])
      return context.configuration.mode == .semiHonest
        ? again : again + [.sendQuorum(certificate(closing), to: [worker])]
    case .advertising, .sharing, .checking, .collecting, .agreeing, .unmasking, .reconstructed, .ended: return []
    }
  }
}
