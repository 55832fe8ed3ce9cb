import Cryptography
import Federation
import SecureAggregation
import Testing

/// What a worker may try, what the coordinator says of it, and that the others get their sum (secure-aggregation §7.4).
struct DishonestWorkerTests {
  typealias Fault = SecureAggregationCoordinator.Fault

  /// Eight workers tolerate two dropouts; n_C = 2.
  private static func round(
    _ liar: Int,
    _ tamper:
      @escaping (ProtocolForgery, SecureAggregationCoordinator.Event) throws
      -> [SecureAggregationCoordinator.Event]
  ) throws -> ProtocolRound {
    let federation = try ProtocolFederation(count: 8)
    let round = try ProtocolRound(federation)
    let forgery = ProtocolForgery(federation: federation, context: round.context)
    round.onWayToCoordinator = { name, event in
      guard name == federation.workers[liar] else { return [event] }
      return (try? tamper(forgery, event)) ?? []
    }
    return try round.run()
  }

  /// The sum is the others', the liar is blamed for exactly this, and nobody else is.
  private static func expectSum(
    of round: ProtocolRound, without gone: [Int], blaming faults: [Int: Fault],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let rest = round.names.indices.filter { !gone.contains($0) }.map { round.names[$0] }
    #expect(round.abandonment == nil, sourceLocation: sourceLocation)
    #expect(round.sums == round.plainSum(of: rest), sourceLocation: sourceLocation)
    #expect(round.added.sorted() == rest, sourceLocation: sourceLocation)
    var expected: [WorkerID: [Fault]] = [:]
    for (index, fault) in faults { expected[round.names[index]] = [fault] }
    #expect(round.blames == expected, sourceLocation: sourceLocation)
    #expect(round.releases.exposed(threshold: 6).isEmpty, sourceLocation: sourceLocation)
  }

  // MARK: Adverts

  enum Advert: String, CaseIterable, Sendable {
    case smallOrderMaskKey, smallOrderEncryptionKey, keyOfAnother, ofAnotherOffer, unsigned, ofAnotherCertificate
    case two

    var refusal: Refusal {
      switch self {
      case .smallOrderMaskKey, .smallOrderEncryptionKey: .allZeroSharedSecret
      case .keyOfAnother: .duplicateKey
      case .ofAnotherOffer, .unsigned: .advertOfAnotherOffer
      case .ofAnotherCertificate: .ownEntryChanged
      case .two: .duplicateWorker
      }
    }
  }

  @Test("A bad advert costs its sender the attempt and nobody else", arguments: Advert.allCases)
  func refusesAdvert(_ kind: Advert) throws {
    let zero = AgreementPublicKey(unchecked: [UInt8](repeating: 0, count: 32))
    var first: KeyAdvert?
    let federation = try ProtocolFederation(count: 8)
    let round = try ProtocolRound(federation)
    let forgery = ProtocolForgery(federation: federation, context: round.context)
    round.onWayToCoordinator = { name, event in
      guard case .advertReceived(let advert, _) = event else { return [event] }
      if name == federation.workers[0] { first = advert }
      guard name == federation.workers[3] else { return [event] }
      let key = forgery.key(3)
      let changed: [KeyAdvert] =
        switch kind {
        case .smallOrderMaskKey: [forgery.advert(advert, maskKey: zero, signedBy: key)]
        case .smallOrderEncryptionKey: [forgery.advert(advert, encryptionKey: zero, signedBy: key)]
        case .keyOfAnother: [forgery.advert(advert, maskKey: first?.entry.maskKey, signedBy: key)]
        case .ofAnotherOffer:
          [
            KeyAdvert(
              entry: advert.entry, modelDigest: .sha256(of: [1]), configurationDigest: advert.configurationDigest,
              offerSignature: advert.offerSignature, signature: advert.signature)
          ]
        case .unsigned: [forgery.advert(advert, signedBy: forgery.key(4))]
        case .ofAnotherCertificate: [forgery.advert(advert, fingerprint: .sha256(of: [1]), signedBy: key)]
        case .two: [advert, forgery.advert(advert, maskKey: advert.entry.encryptionKey, signedBy: key)]
        }
      return changed.map { .advertReceived($0, from: name) }
    }
    try round.run()
    Self.expectSum(of: round, without: [3], blaming: [3: .refused(kind.refusal)])
    #expect(round.coordinator.rosterWorkers.count == 7)
    #expect(round.leftOut == [round.names[3]])
  }

  @Test("A worker with a dead certificate is not put on the roster")
  func refusesDeadCertificate() throws {
    let round = try ProtocolRound(ProtocolFederation(organisations: (0..<8).map { "o\($0)" }, expired: [2])).run()
    Self.expectSum(of: round, without: [2], blaming: [2: .refused(.certificateNotValidNow)])
  }

  // MARK: Bundles and complaints

  @Test("One bad share: dealer and complainer are both out, neither is convicted")
  func settlesOneComplaint() throws {
    let round = try Self.round(3) { forgery, event in
      guard case .bundleReceived(let bundle, let name) = event else { return [event] }
      return [.bundleReceived(forgery.spoiled(bundle, for: [5]), from: name)]
    }
    Self.expectSum(
      of: round, without: [3, 5],
      blaming: [3: .inDispute(with: [round.names[5]]), 5: .inDispute(with: [round.names[3]])])
    #expect(round.blames.values.joined().allSatisfy { !$0.isProven })
  }

  @Test(
    "A share that is authentic and canonical but does not fit its commitments is refused", arguments: [true, false])
  func refusesOtherCommitments(isSelfMask: Bool) throws {
    let transcript = Digest.sha256(of: [3])
    let source = SeededSecretSource(seed: [4])
    let key = source.secret(ChaCha20Poly1305.keyByteCount)
    func pair() -> SharePair {
      func share() -> Shamir.Share {
        Shamir.split(source.secret(32), threshold: 2, helpers: [1], coefficients: source)[0]
      }
      return SharePair(selfMask: share(), maskKey: share())
    }
    func seal(_ pair: SharePair) -> ShareBundle.Entry {
      ShareSealing.seal(pair, key: key, nonce: source.bytes(12), transcript: transcript, dealer: 0, helper: 1)
    }
    // The commitments of another pair stand beside these shares, and under the seal as well.
    let dealt = pair()
    let own = seal(dealt), other = seal(pair())
    let commitments =
      isSelfMask
      ? (other.selfMaskCommitment, own.maskKeyCommitment) : (own.selfMaskCommitment, other.maskKeyCommitment)
    var associated = CanonicalBytes()
    associated.append(transcript)
    associated.append(UInt32(0))
    associated.append(UInt32(1))
    associated.append(commitments.0)
    associated.append(commitments.1)
    let plaintext = SecretBytes(copying: dealt.selfMask.released + dealt.maskKey.released)
    let entry = ShareBundle.Entry(
      helper: 1, nonce: own.nonce,
      ciphertext: ChaCha20Poly1305.seal(
        key: key, nonce: own.nonce, associatedData: associated.bytes, plaintext: plaintext),
      selfMaskCommitment: commitments.0, maskKeyCommitment: commitments.1)
    #expect(throws: Refusal.shareCommitment) {
      try ShareSealing.open(entry, key: key, transcript: transcript, dealer: 0)
    }
    #expect(throws: Never.self) { try ShareSealing.open(own, key: key, transcript: transcript, dealer: 0) }
  }

  @Test("Bad shares for more than n_C helpers convict the dealer alone")
  func convictsDealer() throws {
    let round = try Self.round(3) { forgery, event in
      guard case .bundleReceived(let bundle, let name) = event else { return [event] }
      return [.bundleReceived(forgery.spoiled(bundle, for: [0, 5, 7]), from: name)]
    }
    Self.expectSum(of: round, without: [3], blaming: [3: .complainedAbout])
  }

  @Test("False complaints about more than n_C dealers convict the complainer alone")
  func convictsComplainer() throws {
    let round = try Self.round(3) { forgery, event in
      guard case .shareCheckReceived(let check, let name) = event else { return [event] }
      return [.shareCheckReceived(forgery.shareCheck(check, complaints: [0, 1, 2]), from: name)]
    }
    Self.expectSum(of: round, without: [3], blaming: [3: .complainedAbout])
  }

  @Test("Two who never share are complained about by everyone, and cost nobody else the attempt")
  func missingSharesConvictNobody() throws {
    let round = try ProtocolRound(ProtocolFederation(count: 6))
    round.lastWord[round.names[1]] = .advert
    round.lastWord[round.names[4]] = .advert
    try round.run()
    // n_C is 1 here: without care two missing dealers would convict every complainer.
    Self.expectSum(of: round, without: [1, 4], blaming: [:])
  }

  @Test(
    "Shares of no polynomial convict the dealer when its secret is needed, and the attempt ends",
    arguments: [ShareSealing.Kind.selfMask, .maskKey])
  func convictsInconsistentDealer(_ kind: ShareSealing.Kind) throws {
    let federation = try ProtocolFederation(count: 8)
    let round = try ProtocolRound(federation)
    let forgery = ProtocolForgery(federation: federation, context: round.context)
    // The mask key is asked for only if the dealer drops out.
    if kind == .maskKey { round.lastWord[round.names[3]] = .shareCheck }
    var entries: [RosterEntry] = []
    round.onWayToWorker = { _, event in
      if case .rosterReceived(let roster) = event { entries = roster.adverts.map(\.entry) }
      return [event]
    }
    round.onWayToCoordinator = { name, event in
      guard name == round.names[3], case .bundleReceived(let bundle, _) = event,
        let forged = try? forgery.inconsistent(bundle, kind: kind, entries: entries)
      else { return [event] }
      return [.bundleReceived(forged, from: name)]
    }
    try round.run()
    #expect(round.abandonment == .reconstructionFailed(dealer: round.names[3]))
    #expect(round.blames == [round.names[3]: [.dealtInconsistentShares]])
    #expect(round.sums == nil)
    #expect(round.releases.exposed(threshold: 6).isEmpty)
  }

  enum Bundle: String, CaseIterable, Sendable {
    case unsigned, tooShort, ofForeignIndex
  }

  @Test("A bundle out of form puts its sender out", arguments: Bundle.allCases)
  func refusesBundle(_ kind: Bundle) throws {
    let round = try Self.round(3) { forgery, event in
      guard case .bundleReceived(let bundle, let name) = event else { return [event] }
      let changed: SignedBundle =
        switch kind {
        case .unsigned:
          SignedBundle(
            transcript: bundle.transcript, dealer: bundle.dealer, bundle: bundle.bundle,
            signature: forgery.bundle(bundle, dealer: 2) { $0 }.signature)
        case .tooShort:
          forgery.bundle(bundle) {
            ShareBundle(
              seedCommitment: $0.seedCommitment, ownShareCommitment: $0.ownShareCommitment,
              entries: Array($0.entries.dropLast()))
          }
        case .ofForeignIndex: forgery.bundle(bundle, dealer: 2) { $0 }
        }
      // A second, correct bundle does not bring it back.
      return [.bundleReceived(changed, from: name)] + (kind == .ofForeignIndex ? [] : [event])
    }
    Self.expectSum(of: round, without: [3], blaming: [3: .refused(.badSignature)])
    #expect(round.ignoredByCoordinator.contains(.departed) == (kind != .ofForeignIndex))
  }

  @Test("Of two different bundles the first stands, and the second is blamed")
  func keepsFirstBundle() throws {
    let round = try Self.round(3) { forgery, event in
      guard case .bundleReceived(let bundle, let name) = event else { return [event] }
      return [event, .bundleReceived(forgery.spoiled(bundle, for: [0]), from: name)]
    }
    Self.expectSum(of: round, without: [], blaming: [3: .refused(.duplicateWorker)])
  }

  // MARK: Inputs

  enum Input: String, CaseIterable, Sendable {
    case wrongDigest, otherPayload, oversizeTable, noTable, unsignedHeader, ofForeignIndex, trailerFirst

    var refusal: Refusal {
      switch self {
      case .wrongDigest, .otherPayload: .wrongDigest
      case .oversizeTable, .noTable: .badLength
      case .unsignedHeader, .ofForeignIndex: .badSignature
      case .trailerFirst: .notInU2
      }
    }
    var isBlamed: Bool { self != .ofForeignIndex && self != .trailerFirst }
  }

  @Test("A wrong input is refused by name and is not in the sum", arguments: Input.allCases)
  func refusesInput(_ kind: Input) throws {
    let round = try Self.round(3) { forgery, event in
      switch (event, kind) {
      case (.inputCompleted(let trailer, _, let name), .wrongDigest):
        return [.inputCompleted(trailer, payloadDigest: .sha256(of: [1]), from: name)]
      case (.inputCompleted(let trailer, _, let name), .otherPayload):
        // Digest and payload agree, but nobody signed for them.
        let other = Digest.sha256(of: [1])
        let forged = InputTrailer(
          transcript: trailer.transcript, worker: trailer.worker, dealersDigest: trailer.dealersDigest,
          payloadDigest: other, signature: trailer.signature)
        return [.inputCompleted(forged, payloadDigest: other, from: name)]
      case (.inputOpened(let header, let name), .oversizeTable):
        let large = VectorSpecification(id: 0, ringBits: 32, count: 1 << 40, chunkElements: 65_536)
        return [.inputOpened(forgery.header(header, vectors: [large]), from: name)]
      case (.inputOpened(let header, let name), .noTable):
        return [.inputOpened(forgery.header(header, vectors: []), from: name)]
      case (.inputOpened(let header, let name), .unsignedHeader):
        let unsigned = InputHeader(
          transcript: header.transcript, worker: header.worker, dealersDigest: header.dealersDigest,
          vectors: header.vectors, signature: forgery.header(header, vectors: []).signature)
        return [.inputOpened(unsigned, from: name)]
      case (.inputOpened(let header, let name), .ofForeignIndex):
        let foreign = InputHeader(
          transcript: header.transcript, worker: 2, dealersDigest: header.dealersDigest, vectors: header.vectors,
          signature: header.signature)
        return [.inputOpened(foreign, from: name)]
      case (.inputOpened(let header, let name), .trailerFirst):
        let trailer = InputTrailer(
          transcript: header.transcript, worker: header.worker, dealersDigest: header.dealersDigest,
          payloadDigest: .sha256(of: [1]), signature: header.signature)
        return [.inputCompleted(trailer, payloadDigest: .sha256(of: [1]), from: name)]
      default: return [event]
      }
    }
    Self.expectSum(of: round, without: [3], blaming: kind.isBlamed ? [3: .refused(kind.refusal)] : [:])
    #expect(round.refusedInputs[round.names[3]] == [kind.refusal])
    // Whoever is proven wrong is not waited for.
    #expect(round.stagesEnded.isEmpty == kind.isBlamed)
  }

  @Test("An input after U3 is fixed is refused and never added")
  func refusesLateInput() throws {
    let federation = try ProtocolFederation(count: 8)
    let round = try ProtocolRound(federation)
    var late: [SecureAggregationCoordinator.Event] = []
    round.onWayToCoordinator = { name, event in
      if case .inputCompleted = event, name == round.names[3] {
        late.append(event)
        return []
      }
      if case .agreementReceived = event, name == round.names[0] { return late + [event] }
      return [event]
    }
    try round.run()
    Self.expectSum(of: round, without: [3], blaming: [:])
    #expect(late.count == 1)
    #expect(round.refusedInputs[round.names[3]] == [.notASurvivor])
    #expect(round.releases.selfMasks.keys.allSatisfy { $0.owner != 3 })
    #expect(round.releases.maskKeys.keys.map(\.owner) == [3])
  }

  // MARK: Closing

  @Test("A wrong returned share is blamed, and another helper's is used")
  func replacesWrongHelper() throws {
    let round = try Self.round(0) { _, event in
      guard case .unmaskReceived(let shares, let name) = event else { return [event] }
      var entries = shares.selfMaskShares
      var bytes = entries[4].share
      bytes[0] ^= 1
      entries[4] = .init(owner: entries[4].owner, share: bytes)
      let wrong = UnmaskShares(
        transcript: shares.transcript, helper: shares.helper, selfMaskShares: entries,
        maskKeyShares: shares.maskKeyShares)
      // Sent again, corrected: it had its chance.
      return [.unmaskReceived(wrong, from: name), event]
    }
    Self.expectSum(of: round, without: [], blaming: [0: .returnedWrongShare(of: round.names[4])])
  }

  @Test("Shares that nobody asked for, too few or not canonical are a wrong answer", arguments: 0..<4)
  func refusesOddAnswers(_ kind: Int) throws {
    let round = try Self.round(0) { _, event in
      guard case .unmaskReceived(let shares, let name) = event else { return [event] }
      let own = shares.selfMaskShares
      let entries: [UnmaskShares.Entry] =
        switch kind {
        case 0: Array(own.dropLast())
        case 1: own + [own[0]]
        case 2: own.map { .init(owner: $0.owner, share: Array($0.share.dropLast())) }
        default: own.map { .init(owner: $0.owner, share: [UInt8](repeating: 255, count: 40)) }
        }
      return [
        .unmaskReceived(
          UnmaskShares(
            transcript: shares.transcript, helper: shares.helper, selfMaskShares: entries, maskKeyShares: []),
          from: name)
      ]
    }
    Self.expectSum(
      of: round, without: [],
      blaming: [0: kind < 2 ? .returnedOtherShares : .returnedWrongShare(of: round.names[0])])
  }

  @Test("An agreement to another set is a bad signature, and its signer is not waited for")
  func refusesOtherAgreement() throws {
    let round = try Self.round(0) { _, event in
      guard case .agreementReceived(let agreement, let name) = event else { return [event] }
      let signature = Signature(unchecked: agreement.signature.bytes.reversed())
      return [
        .agreementReceived(
          SurvivorAgreement(transcript: agreement.transcript, worker: 0, signature: signature), from: name)
      ]
    }
    Self.expectSum(of: round, without: [], blaming: [0: .refused(.badSignature)])
    #expect(round.stagesEnded.isEmpty)
  }

  @Test("A worker that aborts is not waited for, and an abort in another's name is blamed")
  func hearsAborts() throws {
    let round = try Self.round(3) { forgery, event in
      guard case .inputOpened(let header, let name) = event else { return [event] }
      func abort(of index: Int) -> WorkerAbort {
        let signed = SignedString.abort(
          transcript: header.transcript, worker: index, released: false, code: .ownFailure)
        return WorkerAbort(
          transcript: header.transcript, worker: index, hasReleased: false, code: .ownFailure,
          signature: forgery.key(3).signature(over: signed))
      }
      return [.abortReceived(abort(of: 2), from: name), .abortReceived(abort(of: 3), from: name)]
    }
    Self.expectSum(of: round, without: [3], blaming: [3: .refused(.badSignature)])
    #expect(round.stagesEnded.isEmpty)
  }
}
