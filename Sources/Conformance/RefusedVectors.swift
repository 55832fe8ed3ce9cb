import Cryptography
import Federation
import SecureAggregation

/// One wrong thing a case, and the name of the check that must object; or nothing wrong, and all must accept.
enum RefusedVectors {
  static func check(_ item: VectorValue, _ checker: inout Checker) throws(ConformanceError) {
    let kind = try item["kind"].text
    let expected = try item.optional("refuse")?.text
    let found = try refusal(kind, item)
    let field = "\(kind) refuse"
    if expected == found?.rawValue {
      checker.holds(field, expected ?? "accepted", true)
    } else {
      checker.fail(field, expected: expected ?? "accepted", found: found?.rawValue ?? "accepted")
    }
    if item.has("evidence") { try checkEvidence(item, &checker) }
  }

  /// What our check says; nil if it accepts.
  private static func refusal(_ kind: String, _ item: VectorValue) throws(ConformanceError) -> Refusal? {
    switch kind {
    case "signature": try signature(item)
    case "certificate": try certificate(item)
    case "x25519": try agreement(item)
    case "share": try share(item)
    case "combine": try combination(item)
    case "sealedShare": try sealedShare(item)
    case "chunk": try chunk(item)
    case "model": try model(item)
    case "encoder": try encoder(item)
    case "bitmap": try bitmap(item)
    case "configuration": try configuration(item)
    case "roster": try roster(item)
    case "u2": try dealers(item)
    case "survivors": try survivors(item)
    case "quorum": try quorum(item)
    case "relayedInputs": try relayedInputs(item)
    default: throw try item["kind"].malformed("\(kind) is no check of this specification")
    }
  }

  private static func refused(_ body: () throws(Refusal) -> Void) -> Refusal? {
    do throws(Refusal) {
      try body()
      return nil
    } catch {
      return error
    }
  }

  private static func signature(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let message = try item["message"].bytes
    let key: SigningPublicKey = try item["publicKey"].fixed()
    guard let signature = Signature(try item["signature"].bytes) else { return .badSignature }
    return signature.isValid(over: message, by: key) ? nil : .badSignature
  }

  private static func certificate(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let bytes = try item["certificate"].bytes
    let signature: Signature = try item["signature"].fixed()
    let authority: SigningPublicKey = try item["authorityPublicKey"].fixed()
    let time = try item["time"].bits
    guard let role = Role(rawValue: UInt8(try item["role"].int(in: 0...255))) else {
      throw try item["role"].malformed("no role")
    }
    let name: WorkerID? = try item.optional("worker").map { (v) throws(ConformanceError) in try v.name() }
    return refused { () throws(Refusal) in
      _ = try RoundChecks.checkCertificate(
        canonicalBytes: bytes, signature: signature, authority: authority, time: time, role: role, name: name)
    }
  }

  private static func agreement(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let secret = try item["secretKey"].secret(32)
    let key: AgreementPublicKey = try item["publicKey"].fixed()
    return refused { () throws(Refusal) in _ = try Agreement.sharedSecret(secret, key) }
  }

  private static func share(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let bytes = try item["share"].secret
    return refused { () throws(Refusal) in _ = try Shamir.Share(bytes) }
  }

  private static func combination(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let threshold = try item["threshold"].int
    var raw: [(Int, SecretBytes)] = []
    for (x, value) in try item["shares"].numbered { raw.append((x - 1, try value.secret)) }
    return refused { () throws(Refusal) in
      var shares: [(index: Int, share: Shamir.Share)] = []
      for (index, bytes) in raw { shares.append((index, try Shamir.Share(bytes))) }
      _ = try Shamir.combine(shares, threshold: threshold)
    }
  }

  private static func sealedShare(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let entry = ShareBundle.Entry(
      helper: try item["helper"].int(in: 0...10_000), nonce: try item["nonce"].bytes,
      ciphertext: try item["ciphertext"].bytes, selfMaskCommitment: try item["selfShareCommitment"].digest,
      maskKeyCommitment: try item["keyShareCommitment"].digest)
    let key = try item["key"].secret(32)
    let transcript = try item["transcript"].digest
    let dealer = try item["dealer"].int(in: 0...10_000)
    return refused { () throws(Refusal) in
      _ = try ShareSealing.open(entry, key: key, transcript: transcript, dealer: dealer)
    }
  }

  private static func chunk(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let found = ChunkDigests.chunk(
      transcript: try item["transcript"].digest, worker: try item["worker"].int(in: 0...10_000),
      vector: UInt32(try item["vector"].int(in: 0...255)), index: try item["index"].int(in: 0...(1 << 30)),
      bytes: try item["bytes"].bytes)
    return found == (try item["digest"].digest) ? nil : .wrongDigest
  }

  private static func model(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let found = ModelDigest.of(tensors: try item["tensors"].list(ConfigurationVectors.tensor))
    return found == (try item["modelDigest"].digest) ? nil : .wrongDigest
  }

  /// The rules behind these cases: C = 1, W_max = 1,024, k = 32, five workers, no rotation.
  private static func encoder(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    guard let update = [Float](wireBytes: try item["update"].bytes) else {
      throw try item["update"].malformed("not a whole number of Float32")
    }
    let weight = try item["weight"].bits
    return refused { () throws(Refusal) in
      let rules = try EncodingRules(
        vectorLength: update.count, ringBits: 32, rosterCount: 5, isRotated: false, clip: 1, maximumWeight: 1024,
        rangeFailure: 1e-6)
      _ = try UpdateEncoder(
        update: update, exampleCount: weight, rules: rules, transcript: .sha256(of: []),
        roundingSeed: SecretBytes(copying: Array(repeating: 0, count: 32)))
    }
  }

  private static func bitmap(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let bytes = try item["bits"].bytes
    let count = try item["count"].int(in: 0...10_000)
    return refused { () throws(Refusal) in _ = try Bitmap(bytes: bytes, count: count) }
  }

  private static func configuration(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let bytes = try item["configuration"].bytes
    return refused { () throws(Refusal) in _ = try RoundConfiguration(canonicalBytes: bytes) }
  }

  private static func roster(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let own = try item["ownEntry"].items
    guard own.count == 4 else { throw try item["ownEntry"].malformed("expected name, fingerprint and two keys") }
    let ownEntry = RosterEntry(
      worker: try own[0].name(), certificateFingerprint: try own[1].digest, encryptionKey: try own[2].fixed(),
      maskKey: try own[3].fixed())
    let adverts = try item["entries"].list { (entry) throws(ConformanceError) in
      RosterAdvert(
        entry: RosterEntry(
          worker: try entry["id"].name(), certificateFingerprint: try entry["certificateFingerprint"].digest,
          encryptionKey: try entry["encryptionPublicKey"].fixed(), maskKey: try entry["maskPublicKey"].fixed()),
        organisation: try entry["organisation"].name(), signingKey: try entry["identityPublicKey"].fixed(),
        offerSignature: try entry["offerSignature"].fixed(), signature: try entry["signature"].fixed())
    }
    let roundID = try item["roundId"].digest
    let coordinator: SigningPublicKey = try item["coordinatorPublicKey"].fixed()
    let signature: Signature = try item["rosterSignature"].fixed()
    return refused { () throws(Refusal) in
      _ = try RoundChecks.checkRoster(
        roundID: roundID, adverts: adverts, ownEntry: ownEntry, coordinator: coordinator, rosterSignature: signature,
        mode: .malicious, policy: CohortPolicy())
    }
  }

  private static func dealers(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let organisations: [OrganisationID]
    if case .integer(let count) = try item["organisations"].value {
      guard (1...10_000).contains(count) else { throw try item["organisations"].malformed("no roster") }
      organisations = (0..<count).map { OrganisationID(unchecked: "\($0)") }
    } else {
      organisations = try item["organisations"].list { (v) throws(ConformanceError) in try v.name() }
    }
    let bytes = try item["U2"].bytes
    let me = try item["me"].int(in: 0...(organisations.count - 1))
    let accepted = Set(try item["accepted"].ints)
    let neighbours = try item.optional("neighbours").map { (v) throws(ConformanceError) in Set(try v.ints) }
    let transcript = try item["transcript"].digest
    return refused { () throws(Refusal) in
      let thresholds = try Thresholds.compute(
        organisations: organisations, mode: .malicious, policy: CohortPolicy())
      let bitmap = try Bitmap(bytes: bytes, count: organisations.count)
      if let neighbours {
        let graph = try SparseGraph(transcript: transcript, rosterCount: organisations.count)
        guard Set(graph.neighbours(of: me)) == neighbours else { throw .noGraph }
      }
      try RoundChecks.checkDealers(
        bitmap, me: me, accepted: accepted, neighbours: neighbours, thresholds: thresholds)
    }
  }

  private static func survivors(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let organisations: [OrganisationID] = try item["organisations"].list { (v) throws(ConformanceError) in
      try v.name()
    }
    let dealers = try item["U2"].bytes
    let survivors = try item["U3"].bytes
    let me = try item["me"].int
    let mode = try ThresholdVectors.mode(item["mode"])
    let policy = try ThresholdVectors.policy(item["policy"])
    let before = try item.optional("signedBefore").map { (v) throws(ConformanceError) in try v.digest }
    return refused { () throws(Refusal) in
      try RoundChecks.checkSurvivors(
        try Bitmap(bytes: survivors, count: organisations.count),
        dealers: try Bitmap(bytes: dealers, count: organisations.count), me: me, organisations: organisations,
        signedBefore: before, mode: mode, policy: policy)
    }
  }

  private static func quorum(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let count = try item["count"].int(in: 0...10_000)
    let survivors = try item["U3"].bytes
    let quorum = try item["quorum"].int
    let keys: [SigningPublicKey] = try item["identityPublicKeys"].list { (v) throws(ConformanceError) in try v.fixed() }
    let signatures = try item["signatures"].list { (v) throws(ConformanceError) in
      QuorumSignature(worker: try v["worker"].int, signature: try v["signature"].fixed())
    }
    let transcript = try item["transcript"].digest
    let dealersDigest = try item["U2Digest"].digest
    return refused { () throws(Refusal) in
      try RoundChecks.checkQuorum(
        signatures, transcript: transcript, dealersDigest: dealersDigest,
        survivors: try Bitmap(bytes: survivors, count: count), quorum: quorum, keys: keys)
    }
  }

  private static func relayedInputs(_ item: VectorValue) throws(ConformanceError) -> Refusal? {
    let keys: [SigningPublicKey] = try item["identityPublicKeys"].list { (v) throws(ConformanceError) in try v.fixed() }
    let inputs = try item["inputs"].list { (v) throws(ConformanceError) in
      RelayedInput(
        worker: try v["worker"].int, payloadDigest: try v["payloadDigest"].digest, signature: try v["signature"].fixed()
      )
    }
    let transcript = try item["transcript"].digest
    let dealersDigest = try item["U2Digest"].digest
    return refused { () throws(Refusal) in
      try RoundChecks.checkRelayedInputs(
        inputs, transcript: transcript, dealersDigest: dealersDigest, keys: keys)
    }
  }

  /// A roster with an advert of another offer: that offer must be provable (ruling A17).
  private static func checkEvidence(_ item: VectorValue, _ checker: inout Checker) throws(ConformanceError) {
    let attempt = AttemptID(
      run: try item["run"].name(), round: RoundNumber(try item["round"].bits),
      attempt: AttemptNumber(UInt32(try item["attempt"].int(in: 0...Int(UInt32.max)))))
    let federation: FederationID = try item["federation"].name()
    let configuration = try item["configDigest"].digest
    try checker.bytes(
      item["roundId"],
      Transcript.roundID(
        federation: federation, attemptID: attempt, modelDigest: try item["modelDigest"].digest,
        configurationDigest: configuration))
    let foreign = Transcript.roundID(
      federation: federation, attemptID: attempt, modelDigest: try item["foreignModelDigest"].digest,
      configurationDigest: configuration)
    try checker.bytes(item["foreignRoundId"], foreign)
    let coordinator: SigningPublicKey = try item["coordinatorPublicKey"].fixed()
    let foreignModel = try item["foreignModelDigest"].digest
    let ownRoundID = try item["roundId"].digest
    var proofs = 0
    for entry in try item["entries"].items {
      let advert = KeyAdvert(
        entry: RosterEntry(
          worker: try entry["id"].name(), certificateFingerprint: try entry["certificateFingerprint"].digest,
          encryptionKey: try entry["encryptionPublicKey"].fixed(), maskKey: try entry["maskPublicKey"].fixed()),
        modelDigest: foreignModel, configurationDigest: configuration,
        offerSignature: try entry["offerSignature"].fixed(), signature: try entry["signature"].fixed())
      let isProof = RoundChecks.provesTwoOffers(
        advert, federation: federation, attemptID: attempt, ownRoundID: ownRoundID, coordinator: coordinator)
      proofs += isProof ? 1 : 0
    }
    checker.holds("evidence", "\(try item["evidence"].text): one advert answers the other offer", proofs == 1)
  }
}
