import Federation

/// One line of M2: a roster entry with who stands behind it and the signatures that came with its advert.
package struct RosterAdvert: Hashable, Sendable {
  package let entry: RosterEntry
  /// From the certificate.
  package let organisation: OrganisationID
  /// From the certificate.
  package let signingKey: SigningPublicKey
  /// sig_S of the offer that the advert answers.
  package let offerSignature: Signature
  package let signature: Signature

  package init(
    entry: RosterEntry, organisation: OrganisationID, signingKey: SigningPublicKey, offerSignature: Signature,
    signature: Signature
  ) {
    self.entry = entry
    self.organisation = organisation
    self.signingKey = signingKey
    self.offerSignature = offerSignature
    self.signature = signature
  }
}

extension RosterAdvert {
  /// What its worker signed, if it answers the offer `roundID`.
  func signedString(_ roundID: Digest) -> [UInt8] {
    SignedString.advert(roundID: roundID, entry: entry, offerSignature: offerSignature)
  }
}

/// A survivor's signature over its view of U2 and U3 (M7, relayed in M8).
package struct QuorumSignature: Hashable, Sendable {
  package let worker: Int
  package let signature: Signature

  package init(worker: Int, signature: Signature) {
    self.worker = worker
    self.signature = signature
  }
}

/// Sparse graph (ruling A16): what M6 relays of a neighbour's input.
package struct RelayedInput: Hashable, Sendable {
  package let worker: Int
  package let payloadDigest: Digest
  package let signature: Signature

  package init(worker: Int, payloadDigest: Digest, signature: Signature) {
    self.worker = worker
    self.payloadDigest = payloadDigest
    self.signature = signature
  }
}

/// The checks of SA1, each in the order of the specification: the first that fails names the refusal.
package enum RoundChecks {
  /// - Parameters:
  ///   - time: seconds since 1970-01-01 UTC.
  ///   - name: what the certificate must be for; nil for any.
  /// - Throws: `certificateNotSigned`, `badLength`, `badOrganisation`, `wrongRole`, `wrongName`,
  ///   `certificateNotValidNow`.
  package static func checkCertificate(
    canonicalBytes: [UInt8], signature: Signature, authority: SigningPublicKey, time: UInt64, role: Role,
    name: WorkerID? = nil
  ) throws(Refusal) -> Certificate {
    guard signature.isValid(over: canonicalBytes, by: authority) else { throw .certificateNotSigned }
    let certificate: Certificate
    do {
      certificate = try Certificate(canonicalBytes: canonicalBytes)
    } catch {
      switch error {
      case .badLength: throw .badLength
      case .badOrganisation: throw .badOrganisation
      case .wrongName: throw .wrongName
      case .wrongRole: throw .wrongRole
      case .certificateNotSigned: throw .certificateNotSigned
      case .certificateNotValidNow: throw .certificateNotValidNow
      }
    }
    try check(certificate, time: time, role: role, name: name)
    return certificate
  }

  package static func checkCertificate(
    _ signed: SignedCertificate, authority: SigningPublicKey, time: UInt64, role: Role, name: WorkerID? = nil,
    computations: any RoundComputations = DirectComputations()
  ) throws(Refusal) {
    guard
      computations.isValid(
        signed.signature, over: signed.certificate.canonicalBytes, by: authority, isLasting: true)
    else {
      throw .certificateNotSigned
    }
    try check(signed.certificate, time: time, role: role, name: name)
  }

  private static func check(
    _ certificate: Certificate, time: UInt64, role: Role, name: WorkerID?
  ) throws(Refusal) {
    guard certificate.role == role else { throw .wrongRole }
    guard name == nil || certificate.name == name else { throw .wrongName }
    guard certificate.notBefore <= time, time < certificate.notAfter else { throw .certificateNotValidNow }
  }

  /// What a worker checks on M2, given that each certificate has been checked by itself.
  ///
  /// - Parameters:
  ///   - roundID: the reader's own `rid`, from the model it holds and the configuration it was offered.
  ///   - ownEntry: what the reader advertised.
  ///   - sample: positions whose adverts are verified; nil for all. Rosters above `fullCheckMax` are sampled.
  /// - Returns: the thresholds of this roster.
  /// - Throws: `rosterOrder`, `duplicateWorker`, `duplicateKey`, `ownEntryChanged`, `advertOfAnotherOffer`,
  ///   `badSignature`, then the reasons of `Thresholds.compute`.
  package static func checkRoster(
    roundID: Digest, adverts: [RosterAdvert], ownEntry: RosterEntry, coordinator: SigningPublicKey,
    rosterSignature: Signature, mode: RoundConfiguration.Mode, policy: CohortPolicy, sample: Set<Int>? = nil,
    computations: any RoundComputations = DirectComputations()
  ) throws(Refusal) -> Thresholds {
    let entries = adverts.map(\.entry)
    for (a, b) in zip(entries, entries.dropFirst()) where b.worker < a.worker { throw .rosterOrder }
    for (a, b) in zip(entries, entries.dropFirst()) where b.worker == a.worker { throw .duplicateWorker }
    guard Set(entries.map(\.encryptionKey)).count == entries.count,
      Set(entries.map(\.maskKey)).count == entries.count
    else { throw .duplicateKey }
    guard entries.first(where: { $0.worker == ownEntry.worker }) == ownEntry else { throw .ownEntryChanged }
    try checkAnswers(
      sample.map { sample in adverts.indices.filter(sample.contains).map { adverts[$0] } } ?? adverts,
      roundID: roundID, coordinator: coordinator, computations: computations)
    let rosterDigest = Transcript.rosterDigest(roundID: roundID, entries: entries)
    let string = SignedString.roster(roundID: roundID, rosterDigest: rosterDigest)
    guard computations.isValid(rosterSignature, over: string, by: coordinator) else { throw .badSignature }
    return try Thresholds.compute(organisations: adverts.map(\.organisation), mode: mode, policy: policy)
  }

  /// Whether adverts answer the reader's own offer: both signatures verify under its `rid`.
  private static func checkAnswers(
    _ adverts: [RosterAdvert], roundID: Digest, coordinator: SigningPublicKey, computations: any RoundComputations
  ) throws(Refusal) {
    guard Canary.checksOffers else { return }
    let offer = SignedString.offer(roundID: roundID)
    let offerSignatures = Array(Set(adverts.map(\.offerSignature)))  // Usually one.
    guard offerSignatures.allSatisfy({ $0.isValid(over: offer, by: coordinator) }),
      computations.allHold(
        adverts.count,
        { adverts[$0].signature.isValid(over: adverts[$0].signedString(roundID), by: adverts[$0].signingKey) })
    else { throw .advertOfAnotherOffer }
  }

  /// Up to so many workers everyone verifies every advert; above, its neighbours' and `sampleCount` more. The certificate
  /// of M8 covers the rest: whoever answered another offer signs for another transcript.
  package static let fullCheckMax = 1000
  package static let sampleCount = 256

  /// Whether an advert that fails under the reader's own `rid` proves that the coordinator made another offer for the
  /// same attempt (rulings A6, A17); if not, the advert alone is the evidence, against its worker.
  package static func provesTwoOffers(
    _ advert: KeyAdvert, federation: FederationID, attemptID: AttemptID, ownRoundID: Digest,
    coordinator: SigningPublicKey
  ) -> Bool {
    let foreign = Transcript.roundID(
      federation: federation, attemptID: attemptID, modelDigest: advert.modelDigest,
      configurationDigest: advert.configurationDigest)
    return foreign != ownRoundID
      && advert.offerSignature.isValid(over: SignedString.offer(roundID: foreign), by: coordinator)
  }

  /// What a worker checks on U2 (M4b) after its signature.
  ///
  /// - Parameters:
  ///   - accepted: dealers whose shares the reader has opened and found right.
  ///   - neighbours: N(i) in a sparse graph; nil in the complete one.
  /// - Throws: `notInU2`, `tooFewDealers`, `tooFewNeighbours`, `dealerWithoutShare`.
  package static func checkDealers(
    _ dealers: Bitmap, me: Int, accepted: Set<Int>, neighbours: Set<Int>? = nil, thresholds: Thresholds
  ) throws(Refusal) {
    guard dealers.contains(me) else { throw .notInU2 }
    guard dealers.memberCount >= thresholds.smallestSurvivorSet else { throw .tooFewDealers }
    let near = dealers.members.filter { $0 != me && neighbours?.contains($0) ?? true }
    if neighbours != nil, near.count < thresholds.threshold { throw .tooFewNeighbours }
    guard near.allSatisfy(accepted.contains) else { throw .dealerWithoutShare }
  }

  /// What a worker checks on U3 (M6) after its signature, before it signs M7.
  ///
  /// - Parameters:
  ///   - organisations: of each roster entry.
  ///   - signedBefore: digest of the U3 that the reader has signed for this transcript, if any.
  /// - Throws: the reasons of `Thresholds.compute`, `secondSurvivorSet`, `survivorOutsideU2`, `notASurvivor`,
  ///   `tooFewSurvivors`, `tooFewOrganisations`, `organisationAboveCap`.
  package static func checkSurvivors(
    _ survivors: Bitmap, dealers: Bitmap, me: Int, organisations: [OrganisationID], signedBefore: Digest?,
    mode: RoundConfiguration.Mode, policy: CohortPolicy, computations: any RoundComputations = DirectComputations()
  ) throws(Refusal) {
    struct Question: Equatable, Sendable {
      let survivors: Bitmap
      let dealers: Bitmap
      let organisations: [OrganisationID]
      let mode: RoundConfiguration.Mode
      let policy: CohortPolicy
    }
    func checkOwn() throws(Refusal) {
      guard signedBefore == nil || signedBefore == survivors.digest else { throw .secondSurvivorSet }
      guard survivors.isSubset(of: dealers), survivors.count == organisations.count else { throw .survivorOutsideU2 }
      guard survivors.contains(me) else { throw .notASurvivor }
    }
    let question = Question(
      survivors: survivors, dealers: dealers, organisations: organisations, mode: mode, policy: policy)
    _ = try computations.answer(question) { () throws(Refusal) in
      let thresholds = try Thresholds.compute(organisations: organisations, mode: mode, policy: policy)
      try checkOwn()
      try checkSurvivorSet(survivors, organisations: organisations, thresholds: thresholds, policy: policy)
      return true
    }
    try checkOwn()  // What stands in no other worker's question.
  }

  /// Whether a set may be summed: large enough, enough organisations, none above its cap (ruling A20). The coordinator
  /// asks the same before it proposes a set.
  ///
  /// - Throws: `tooFewSurvivors`, `tooFewOrganisations`, `organisationAboveCap`.
  package static func checkSurvivorSet(
    _ survivors: Bitmap, organisations: [OrganisationID], thresholds: Thresholds, policy: CohortPolicy
  ) throws(Refusal) {
    guard survivors.memberCount >= thresholds.smallestSurvivorSet else { throw .tooFewSurvivors }
    guard thresholds.rosterCount > 2 else { return }  // A pair was allowed by name.
    let inside = survivors.members.map { organisations[$0] }
    guard Set(inside).count >= policy.minimumOrganisations else { throw .tooFewOrganisations }
    guard Thresholds.isWithin(policy.organisationCap, inside) else { throw .organisationAboveCap }
  }

  /// Sparse graph (ruling A16): every neighbour in U3 masked with the reader's own U2.
  ///
  /// - Parameter keys: identity of each roster entry.
  /// - Throws: `inputOfAnotherU2`.
  package static func checkRelayedInputs(
    _ inputs: [RelayedInput], transcript: Digest, dealersDigest: Digest, keys: [SigningPublicKey],
    computations: any RoundComputations = DirectComputations()
  ) throws(Refusal) {
    for input in inputs {
      let string = SignedString.input(
        transcript: transcript, worker: input.worker, dealersDigest: dealersDigest,
        payloadDigest: input.payloadDigest)
      guard keys.indices.contains(input.worker),
        computations.isValid(input.signature, over: string, by: keys[input.worker]) || !Canary.checksRelays
      else { throw .inputOfAnotherU2 }
    }
  }

  /// What a worker checks on M8 before it releases a share.
  ///
  /// - Parameters:
  ///   - dealersDigest: H(U2) as the reader has it.
  ///   - survivors: U3 as the reader signed it.
  ///   - keys: identity of each roster entry.
  /// - Throws: `duplicateSigner`, `signerOutsideU3`, `quorumTooSmall`, `badSignature`.
  package static func checkQuorum(
    _ signatures: [QuorumSignature], transcript: Digest, dealersDigest: Digest, survivors: Bitmap, quorum: Int,
    keys: [SigningPublicKey], computations: any RoundComputations = DirectComputations()
  ) throws(Refusal) {
    struct Question: Equatable, Sendable {
      let signatures: [QuorumSignature]
      let transcript: Digest
      let dealersDigest: Digest
      let survivors: Bitmap
      let quorum: Int
      let keys: [SigningPublicKey]
    }
    let question = Question(
      signatures: signatures, transcript: transcript, dealersDigest: dealersDigest, survivors: survivors,
      quorum: quorum, keys: keys)
    _ = try computations.answer(question) { () throws(Refusal) in
      guard Set(signatures.map(\.worker)).count == signatures.count else { throw .duplicateSigner }
      guard signatures.allSatisfy({ survivors.contains($0.worker) && keys.indices.contains($0.worker) }) else {
        throw .signerOutsideU3
      }
      guard signatures.count >= quorum || !Canary.checksQuorum else { throw .quorumTooSmall }
      let string = SignedString.agree(transcript: transcript, dealersDigest: dealersDigest, bitmap: survivors)
      guard
        computations.allHold(
          signatures.count, { signatures[$0].signature.isValid(over: string, by: keys[signatures[$0].worker]) })
      else { throw .badSignature }
      return true
    }
  }
}
