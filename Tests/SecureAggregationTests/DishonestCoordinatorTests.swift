import Cryptography
import Federation
import SecureAggregation
import Testing

/// What a coordinator may try, and the name under which worker 0 refuses it (secure-aggregation §7.4).
struct DishonestCoordinatorTests {
  enum Attack: String, CaseIterable, Sendable {
    // M2
    case swapsMaskKey, swapsEncryptionKey, dropsOwnEntry, dropsEntryUnsigned, dropsEntries, repeatsEntry
    case reversesEntries, repeatsKey, changesOwnKeys, listsStranger, listsOtherCertificate, signsNoRoster
    // M4b
    case hidesShareOfDealer, leavesReaderOut, showsFewDealers, signsNoDealers
    // M6
    case showsVictimOnly, showsFewSurvivors, addsSurvivorOutsideU2, leavesReaderOutOfU3, signsNoSurvivors
    case showsSecondSurvivors, changesDealersOfU3
    // M8
    case sendsFewSigners, repeatsSigner, addsSignerOutsideU3, forgesSignature, certifiesOtherSurvivors
    // M10
    case signsNoResult

    var refusal: Refusal {
      switch self {
      case .swapsMaskKey, .swapsEncryptionKey: .advertOfAnotherOffer
      case .dropsOwnEntry, .changesOwnKeys: .ownEntryChanged
      case .dropsEntryUnsigned, .signsNoRoster, .signsNoDealers, .signsNoSurvivors, .changesDealersOfU3,
        .forgesSignature, .certifiesOtherSurvivors, .signsNoResult:
        .badSignature
      case .dropsEntries: .noSafeSurvivorSet
      case .repeatsEntry: .duplicateWorker
      case .reversesEntries: .rosterOrder
      case .repeatsKey: .duplicateKey
      case .listsStranger, .listsOtherCertificate: .certificateNotSigned
      case .hidesShareOfDealer: .dealerWithoutShare
      case .leavesReaderOut: .notInU2
      case .showsFewDealers: .tooFewDealers
      case .showsVictimOnly, .showsFewSurvivors: .tooFewSurvivors
      case .addsSurvivorOutsideU2: .survivorOutsideU2
      case .leavesReaderOutOfU3: .notASurvivor
      case .showsSecondSurvivors: .secondSurvivorSet
      case .sendsFewSigners: .quorumTooSmall
      case .repeatsSigner: .duplicateSigner
      case .addsSignerOutsideU3: .signerOutsideU3
      }
    }

    /// Whether the shares of the honest U3 have left the victim before it refuses.
    var comesAfterRelease: Bool { self == .signsNoResult }
  }

  /// Eight workers, of which one drops out after the share check: U2 has eight members, U3 seven.
  static let count = 8
  static let dropout = 5

  @Test("Worker 0 refuses by name and keeps its shares", arguments: Attack.allCases)
  func refuses(_ attack: Attack) throws {
    let federation = try ProtocolFederation(count: Self.count)
    let round = try ProtocolRound(federation)
    let victim = round.names[0]
    round.lastWord[round.names[Self.dropout]] = .shareCheck
    if attack == .addsSurvivorOutsideU2 { round.lastWord[round.names[6]] = .bundle }
    let forgery = ProtocolForgery(federation: federation, context: round.context)
    round.onWayToWorker = { name, event in
      name == victim ? Self.tampered(event, by: attack, forgery) : [event]
    }
    round.onWayToCoordinator = { name, event in
      // The complaint that a hidden share causes is overheard.
      guard attack == .hidesShareOfDealer, name == victim, case .shareCheckReceived(let check, _) = event else {
        return [event]
      }
      return [.shareCheckReceived(forgery.shareCheck(check, complaints: []), from: name)]
    }
    try round.run()
    #expect(round.outcome(of: victim) == .refused(attack.refusal))
    #expect(round.releases.helpers.contains(0) == attack.comesAfterRelease)
    for abort in round.aborts(of: victim) {
      #expect(abort.code == .messageRefused)
      #expect(abort.hasReleased == attack.comesAfterRelease)
    }
    let story = round.story(of: victim)
    if let promise = story.firstIndex(of: "recordPromise") {
      #expect(story[promise...].prefix(3) == ["recordPromise", "sendAbort", "closed"])
      #expect(!story.contains("sendUnmask"))
    }
    #expect(round.releases.exposed(threshold: 6).isEmpty)
  }

  private static func tampered(
    _ event: SecureAggregationWorker.Event, by attack: Attack, _ forgery: ProtocolForgery
  ) -> [SecureAggregationWorker.Event] {
    switch event {
    case .rosterReceived(let message): [.rosterReceived(tampered(message, by: attack, forgery))]
    case .peerSharesReceived(let message):
      attack == .hidesShareOfDealer
        ? [
          .peerSharesReceived(
            PeerShares(transcript: message.transcript, entries: message.entries.filter { $0.dealer != 3 }))
        ] : [event]
    case .dealersReceived(let message): [.dealersReceived(tampered(message, by: attack, forgery))]
    case .survivorsReceived(let message):
      attack == .showsSecondSurvivors
        ? [event, .survivorsReceived(forgery.survivors([0, 1, 2, 3, 4, 6], count: count, like: message))]
        : [.survivorsReceived(tampered(message, by: attack, forgery))]
    case .quorumReceived(let message): [.quorumReceived(tampered(message, by: attack, forgery))]
    case .resultReceived(let message):
      attack == .signsNoResult
        ? [
          .resultReceived(
            AttemptResult(
              transcript: message.transcript, survivors: message.survivors, modelDigest: message.modelDigest,
              weight: message.weight + 1, signature: message.signature))
        ] : [event]
    case .deadlinePassed, .failed: [event]
    }
  }

  private static func tampered(_ message: RosterMessage, by attack: Attack, _ forgery: ProtocolForgery) -> RosterMessage
  {
    var adverts = message.adverts
    let other = AgreementPublicKey(
      unchecked: X25519.publicKey(of: SecretBytes(copying: [UInt8](repeating: 9, count: 32))))
    let coordinator = forgery.federation.coordinatorKey
    switch attack {
    case .swapsMaskKey: adverts[1] = forgery.advert(adverts[1], maskKey: other, signedBy: coordinator)
    case .swapsEncryptionKey: adverts[1] = forgery.advert(adverts[1], encryptionKey: other, signedBy: coordinator)
    case .dropsOwnEntry: adverts.removeFirst()
    case .dropsEntryUnsigned:
      adverts.removeLast()
      return RosterMessage(adverts: adverts, signature: message.signature)
    case .dropsEntries: adverts.removeLast(5)
    case .repeatsEntry: adverts.insert(adverts[2], at: 2)
    case .reversesEntries: adverts.reverse()
    case .repeatsKey:
      // Worker 1 works for the coordinator.
      adverts[1] = forgery.advert(adverts[1], maskKey: adverts[2].entry.maskKey, signedBy: forgery.key(1))
    case .changesOwnKeys: adverts[0] = forgery.advert(adverts[0], maskKey: other, signedBy: coordinator)
    case .listsStranger:
      let entry = RosterEntry(
        worker: "worker-9999", certificateFingerprint: adverts[0].entry.certificateFingerprint, encryptionKey: other,
        maskKey: other)
      let signed = SignedString.advert(
        roundID: forgery.context.roundID, entry: entry, offerSignature: adverts[0].offerSignature)
      adverts.append(
        KeyAdvert(
          entry: entry, modelDigest: adverts[0].modelDigest, configurationDigest: adverts[0].configurationDigest,
          offerSignature: adverts[0].offerSignature, signature: coordinator.signature(over: signed)))
    case .listsOtherCertificate:
      adverts[1] = forgery.advert(adverts[1], fingerprint: .sha256(of: [1]), signedBy: forgery.key(1))
    case .signsNoRoster:
      return RosterMessage(adverts: adverts, signature: adverts[0].signature)
    default: return message
    }
    return forgery.roster(adverts)
  }

  private static func tampered(_ message: DealerSet, by attack: Attack, _ forgery: ProtocolForgery) -> DealerSet {
    switch attack {
    case .hidesShareOfDealer: forgery.dealers(Array(0..<count), count: count, like: message)
    case .leavesReaderOut: forgery.dealers(Array(1..<count), count: count, like: message)
    case .showsFewDealers: forgery.dealers(Array(0..<5), count: count, like: message)
    case .signsNoDealers:
      DealerSet(
        transcript: message.transcript, dealers: Bitmap(members: 0..<7, count: count), signature: message.signature)
    default: message
    }
  }

  private static func tampered(_ message: SurvivorSet, by attack: Attack, _ forgery: ProtocolForgery) -> SurvivorSet {
    switch attack {
    case .showsVictimOnly: forgery.survivors([0], count: count, like: message)
    case .showsFewSurvivors: forgery.survivors([0, 1, 2, 3, 4], count: count, like: message)
    // Worker 6 went before its share check, so it is outside U2.
    case .addsSurvivorOutsideU2: forgery.survivors([0, 1, 2, 3, 4, 6, 7], count: count, like: message)
    case .leavesReaderOutOfU3: forgery.survivors([1, 2, 3, 4, 6, 7], count: count, like: message)
    case .signsNoSurvivors:
      SurvivorSet(
        transcript: message.transcript, dealersDigest: message.dealersDigest,
        survivors: Bitmap(members: [0, 1, 2, 3, 4, 7], count: count), signature: message.signature)
    case .changesDealersOfU3:
      forgery.survivors(
        message.survivors.members, count: count,
        like: SurvivorSet(
          transcript: message.transcript, dealersDigest: .sha256(of: [2]), survivors: message.survivors,
          signature: message.signature))
    default: message
    }
  }

  private static func tampered(
    _ message: QuorumCertificate, by attack: Attack, _ forgery: ProtocolForgery
  ) -> QuorumCertificate {
    var signers = message.signers
    switch attack {
    case .sendsFewSigners: signers.removeLast()
    case .repeatsSigner: signers[1] = signers[0]
    case .addsSignerOutsideU3: signers[1] = .init(worker: dropout, signature: signers[1].signature)
    case .forgesSignature: signers[1] = .init(worker: signers[1].worker, signature: signers[0].signature)
    case .certifiesOtherSurvivors:
      // Six workers signed another U3, all by their own keys.
      let other = Bitmap(members: [0, 1, 2, 3, 4, 6], count: count)
      let signed = SignedString.agree(
        transcript: message.transcript, dealersDigest: Bitmap(members: 0..<count, count: count).digest, bitmap: other)
      signers = [0, 1, 2, 3, 4, 6].map { .init(worker: $0, signature: forgery.key($0).signature(over: signed)) }
    default: break
    }
    return QuorumCertificate(transcript: message.transcript, signers: signers)
  }

  @Test("The honest attempt of the same federation completes, so every refusal above has its cause")
  func completesUntampered() throws {
    let round = try ProtocolRound(ProtocolFederation(count: Self.count))
    round.lastWord[round.names[Self.dropout]] = .shareCheck
    try round.run()
    #expect(round.sums == round.plainSum(of: round.names.filter { $0 != round.names[Self.dropout] }))
  }
}
