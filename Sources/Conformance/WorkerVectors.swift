import Cryptography
import Federation
import SecureAggregation

/// One worker of a complete round: what it holds and every message it sends.
struct WorkerVectors {
  let round: RoundVectors
  let index: Int
  let json: VectorValue
  private let identity: SigningKey
  private let encryptionSecret: SecretBytes
  private let maskSecret: SecretBytes
  private let seed: SecretBytes

  init(round: RoundVectors, index: Int) throws(ConformanceError) {
    self.round = round
    self.index = index
    json = round.workers[index]
    identity = try MessageVectors.signingKey(json["identitySecretKey"])
    encryptionSecret = try json["encryptionSecretKey"].secret(32)
    maskSecret = try json["maskSecretKey"].secret(32)
    seed = try json["selfMaskSeed"].secret(32)
  }

  private var transcript: Digest { round.transcript }
  private var count: Int { round.entries.count }
  var isDealer: Bool { json.has("bundle") }
  var hasInput: Bool { json.has("inputHeader") }
  var update: [Float] {
    get throws(ConformanceError) {
      guard let update = [Float](wireBytes: try json["update"].bytes) else {
        throw try json["update"].malformed("not a whole number of Float32")
      }
      return update
    }
  }

  /// Keys, certificate, M1 and M10.
  func checkIdentity(_ checker: inout Checker) throws(ConformanceError) {
    try checker.bytes(json["identityPublicKey"], identity.publicKey)
    try checker.bytes(json["encryptionPublicKey"], Agreement.publicKey(of: encryptionSecret))
    try checker.bytes(json["maskPublicKey"], Agreement.publicKey(of: maskSecret))
    let bytes = try json["certificate"].bytes
    let signature: Signature = try json["certificateSignature"].fixed()
    let name: WorkerID = try json["id"].name()
    let authority = round.authority.signingPublicKey
    let notBefore =
      bytes.count >= 16 ? bytes[(bytes.count - 16)...].prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) } : 0
    let accepted = checker.accepted(json.path + ".certificate") { () throws(Refusal) in
      try RoundChecks.checkCertificate(
        canonicalBytes: bytes, signature: signature, authority: authority, time: notBefore, role: .worker, name: name)
    }
    if let certificate = accepted {
      let rebuilt = Certificate(
        organisation: try json["organisation"].name(), name: name, role: .worker,
        signingKey: identity.signingPublicKey,
        linkKey: LinkPublicKey(unchecked: X25519.publicKey(of: try json["curveSecretKey"].secret(32))),
        notBefore: certificate.notBefore, notAfter: certificate.notAfter)
      try checker.bytes(json["certificate"], rebuilt.canonicalBytes)
      try checker.bytes(json["certificateFingerprint"], rebuilt.fingerprint)
      try checker.bytes(json["certificateSignature"], round.authority.signature(over: rebuilt.canonicalBytes))
    }
    try checker.message(
      json["advert"],
      SignedString.advert(
        roundID: round.roundID, entry: round.entries[index],
        offerSignature: try round.json["offer"]["signature"].fixed()),
      by: identity)
    try checker.message(
      json["abort"],
      SignedString.abort(transcript: transcript, worker: index, released: false, code: .deadline), by: identity)
  }

  /// M3: shares, commitments, sealing, body, signature.
  func checkDealing(_ salt: String, _ checker: inout Checker) throws(ConformanceError) {
    let threshold = round.thresholds.threshold
    for (field, label, secret) in [("selfMaskSeedShares", "cb", seed), ("maskKeyShares", "cs", maskSecret)] {
      try ShareVectors.check(
        try json[field], of: secret, dealer: index, label: label, threshold: threshold, count: count, salt: salt,
        &checker)
    }
    let seedCommitment = ShareSealing.seedCommitment(transcript: transcript, dealer: index, seed: seed)
    try checker.bytes(json["selfMaskSeedCommitment"], seedCommitment)
    guard let own = try share("selfMaskSeedShares", of: index, &checker) else { return }
    let ownCommitment = ShareSealing.shareCommitment(
      .selfMask, transcript: transcript, dealer: index, helper: index, share: own)
    try checker.bytes(json["ownShareCommitment"], ownCommitment)
    var entries: [ShareBundle.Entry] = []
    for sealed in try json["sealed"].items {
      guard let entry = try checkSealed(sealed, &checker) else { return }
      entries.append(entry)
    }
    let bundle = ShareBundle(seedCommitment: seedCommitment, ownShareCommitment: ownCommitment, entries: entries)
    try checker.bytes(json["bundleBody"], bundle.bodyBytes)
    let body = try json["bundleBody"].bytes
    let reread = checker.accepted(json.path + ".bundleBody") { () throws(Refusal) in try ShareBundle(bodyBytes: body) }
    checker.holds(json.path + ".bundleBody", "reads back as it was written", reread == bundle)
    try checker.message(
      json["bundle"], SignedString.bundle(transcript: transcript, dealer: index, bodyDigest: bundle.bodyDigest),
      by: identity)
  }

  private func checkSealed(
    _ sealed: VectorValue, _ checker: inout Checker
  ) throws(ConformanceError) -> ShareBundle.Entry? {
    let helper = try sealed["helper"].int(in: 0...(count - 1))
    let derived = checker.accepted(sealed.path + ".key") { () throws(Refusal) in
      try ShareSealing.key(
        transcript: transcript, secret: encryptionSecret, publicKey: round.entries[helper].encryptionKey,
        dealer: index, helper: helper)
    }
    guard let key = derived, let selfShare = try share("selfMaskSeedShares", of: helper, &checker),
      let keyShare = try share("maskKeyShares", of: helper, &checker)
    else { return nil }
    try checker.bytes(sealed["key"], key)
    let nonce = try sealed["nonce"].bytes
    guard nonce.count == ChaCha20Poly1305.nonceByteCount else {
      throw try sealed["nonce"].malformed("expected 12 bytes")
    }
    let entry = ShareSealing.seal(
      SharePair(selfMask: selfShare, maskKey: keyShare), key: key, nonce: nonce, transcript: transcript, dealer: index,
      helper: helper)
    try checker.bytes(sealed["selfShareCommitment"], entry.selfMaskCommitment)
    try checker.bytes(sealed["keyShareCommitment"], entry.maskKeyCommitment)
    var associated = CanonicalBytes()
    associated.append(transcript)
    associated.append(UInt32(index))
    associated.append(UInt32(helper))
    associated.append(entry.selfMaskCommitment)
    associated.append(entry.maskKeyCommitment)
    try checker.bytes(sealed["aad"], associated.bytes)
    let plaintext = try sealed["plaintext"].secret
    let honest = selfShare.released + keyShare.released
    guard !plaintext.isEqual(to: SecretBytes(copying: honest)) else {
      checker.holds(sealed.path + ".plaintext", "the two shares", true)
      try checker.bytes(sealed["ciphertext"], entry.ciphertext)
      return entry
    }
    // A dealer that seals something else: the file says what; the helper's complaint is checked with the others.
    let ciphertext = ChaCha20Poly1305.seal(
      key: key, nonce: nonce, associatedData: associated.bytes, plaintext: plaintext)
    try checker.bytes(sealed["ciphertext"], ciphertext)
    return ShareBundle.Entry(
      helper: helper, nonce: nonce, ciphertext: ciphertext, selfMaskCommitment: entry.selfMaskCommitment,
      maskKeyCommitment: entry.maskKeyCommitment)
  }

  /// M4 and its answer: opens what every dealer sealed for this worker.
  ///
  /// - Returns: this worker's complaints.
  func checkShareCheck(
    _ views: [WorkerVectors], _ checker: inout Checker
  ) throws(ConformanceError) -> Set<Complaint> {
    var bad: [Int] = []
    for dealer in views where dealer.isDealer && dealer.index != index {
      for sealed in try dealer.json["sealed"].items where try sealed["helper"].int == index {
        let entry = ShareBundle.Entry(
          helper: index, nonce: try sealed["nonce"].bytes, ciphertext: try sealed["ciphertext"].bytes,
          selfMaskCommitment: try sealed["selfShareCommitment"].digest,
          maskKeyCommitment: try sealed["keyShareCommitment"].digest)
        let opened = Result { () throws(Refusal) in
          let key = try ShareSealing.key(
            transcript: transcript, secret: encryptionSecret, publicKey: round.entries[dealer.index].encryptionKey,
            dealer: dealer.index, helper: index)
          return try ShareSealing.open(entry, key: key, transcript: transcript, dealer: dealer.index)
        }
        guard case .success(let pair) = opened else {
          bad.append(dealer.index)
          continue
        }
        try checker.bytes(dealer.json["selfMaskSeedShares"]["\(index + 1)"], pair.selfMask.bytes)
        try checker.bytes(dealer.json["maskKeyShares"]["\(index + 1)"], pair.maskKey.bytes)
      }
    }
    try checker.message(
      json["shareCheck"],
      SignedString.shareCheck(
        transcript: transcript, helper: index, complaints: Bitmap(members: bad, count: count)),
      by: identity)
    return Set(bad.map { Complaint(dealer: $0, complainer: index) })
  }

  /// M5: encoding, masks, chunks, digests, header and trailer.
  func checkInput(_ checker: inout Checker) throws(ConformanceError) {
    let vectors = VectorSpecification.all(for: round.configuration)
    let roundingSeed = try json["roundingSeed"].secret
    let exampleCount = try json["weight"].bits
    let update = try update
    try checker.bytes(
      json["roundingKey"], UpdateEncoder.roundingKey(transcript: transcript, seed: roundingSeed))
    let made = checker.accepted(json.path + ".encoding") { () throws(Refusal) in
      try UpdateEncoder(
        update: update, exampleCount: exampleCount, rules: round.rules, transcript: transcript,
        roundingSeed: roundingSeed)
    }
    guard let encoder = made else { return }
    let encoding = try json["encoding"]
    try checker.number(encoding["norm"], encoder.norm)
    try checker.flag(encoding["clipped"], encoder.isClipped)
    try checker.number(encoding["factor"], encoder.factor)
    try checker.integer(encoding["saturated"], encoder.saturated)
    try checker.integers(json["quantised"], encoder.encode(0..<encoder.count), tolerance: 1)
    let metrics = RoundMetrics(
      lossSum: try json["lossSum"].double, correct: try json["correct"].bits, evaluated: try json["evaluated"].bits)
    let auxiliary = checker.accepted(json.path + ".auxiliary") { () throws(Refusal) in
      try AuxiliaryVector.encode(
        layout: round.configuration.auxiliaryLayout, exampleCount: exampleCount, metrics: metrics,
        isClipped: encoder.isClipped, saturated: encoder.saturated, norm: encoder.norm, rules: round.rules)
    }
    guard let auxiliary else { return }
    try checker.integers(json["auxiliary"], auxiliary)
    try checker.flag(json["countsInSum"], round.survivors.contains(index))

    var secrets: [Int: SecretBytes] = [:]
    for peer in round.dealers.members where peer != index {
      secrets[peer] = checker.accepted("\(json.path).pairMaskKeys") { () throws(Refusal) in
        try Agreement.sharedSecret(maskSecret, round.entries[peer].maskKey)
      }
    }
    try checker.message(
      json["inputHeader"],
      SignedString.inputHeader(
        transcript: transcript, worker: index, dealersDigest: round.dealers.digest, vectors: vectors),
      by: identity)
    var digests: [Digest] = []
    let listed = try json["chunks"].items
    for vector in vectors {
      let source: InputChunks.Source =
        vector.id == VectorSpecification.updateID
        ? .quantised(try json["quantised"].int64s) : .auxiliary(try json["auxiliary"].int64s)
      digests += try checkChunks(vector, source, secrets, listed, digests.count, &checker)
    }
    checker.holds(json.path + ".chunks.count", "\(listed.count)", digests.count == listed.count)
    let payload = ChunkDigests.payload(digests)
    try checker.bytes(json["payloadDigest"], payload)
    try checker.message(
      json["inputTrailer"],
      SignedString.input(
        transcript: transcript, worker: index, dealersDigest: round.dealers.digest, payloadDigest: payload),
      by: identity)
  }

  private func checkChunks(
    _ vector: VectorSpecification, _ source: InputChunks.Source, _ secrets: [Int: SecretBytes],
    _ listed: [VectorValue], _ first: Int, _ checker: inout Checker
  ) throws(ConformanceError) -> [Digest] {
    let keys = MaskKeys(
      transcript: transcript, worker: index, vector: vector, suite: round.configuration.suite, selfMaskSeed: seed,
      sharedSecrets: secrets)
    try checker.bytes(json["selfMaskKeys"]["\(vector.id)"], keys.terms[0].key)
    let pairs = try json["pairMaskKeys"]["\(vector.id)"].numbered
    checker.holds(
      "\(json.path).pairMaskKeys.\(vector.id)", "one key for every peer in U2",
      pairs.map(\.key) == secrets.keys.sorted())
    for (term, entry) in zip(keys.terms.dropFirst(), pairs) { try checker.bytes(entry.value, term.key) }
    let made = checker.accepted(json.path + ".chunks") { () throws(Refusal) in
      try InputChunks(transcript: transcript, worker: index, vector: vector, source: source, keys: keys)
    }
    guard let chunks = made else { return [] }
    var digests: [Digest] = []
    for number in (0..<chunks.count).reversed() {  // In any order: a chunk can be made again alone.
      let bytes = chunks.chunk(number)
      let digest = chunks.digest(ofChunk: number, bytes: bytes)
      digests.insert(digest, at: 0)
      guard listed.indices.contains(first + number) else { continue }
      let expected = listed[first + number]
      try checker.integer(expected["vector"], Int(vector.id))
      try checker.integer(expected["index"], number)
      try checker.bytes(expected["bytes"], bytes)
      try checker.bytes(expected["digest"], digest)
    }
    return digests
  }

  /// M6 as this worker judges it, M7 and M9.
  func checkAgreement(_ views: [WorkerVectors], _ checker: inout Checker) throws(ConformanceError) {
    let organisations = round.adverts.map(\.organisation)
    _ = checker.accepted("survivors for \(index)") { () throws(Refusal) in
      try RoundChecks.checkSurvivors(
        round.survivors, dealers: round.dealers, me: index, organisations: organisations, signedBefore: nil,
        mode: round.configuration.mode, policy: round.policy)
    }
    try checker.message(
      json["agree"],
      SignedString.agree(
        transcript: transcript, dealersDigest: round.dealers.digest, bitmap: round.survivors),
      by: identity)
    func released(_ field: String, _ owners: [Int]) throws(ConformanceError) -> [UnmaskShares.Entry] {
      var out: [UnmaskShares.Entry] = []
      for owner in owners {
        out.append(.init(owner: owner, share: try views[owner].json[field]["\(index + 1)"].bytes))
      }
      return out
    }
    let lost = round.dealers.members.filter { !round.survivors.contains($0) }
    let message = UnmaskShares(
      transcript: transcript, helper: index,
      selfMaskShares: try released("selfMaskSeedShares", round.survivors.members),
      maskKeyShares: try released("maskKeyShares", lost))
    try checker.bytes(json["unmask"], message.canonicalBytes)
  }

  /// Adds this worker's chunks as they stand in the file.
  func addChunks(
    of vector: VectorSpecification, to sum: RingAccumulator?, _ checker: inout Checker
  ) throws(ConformanceError) {
    guard let sum else { return }
    for chunk in try json["chunks"].items where try chunk["vector"].int == Int(vector.id) {
      let bytes = try chunk["bytes"].bytes
      let start = try chunk["index"].int(in: 0...Int(UInt32.max)) * Int(vector.chunkElements)
      _ = checker.accepted(chunk.path) { () throws(Refusal) in try sum.add(bytes, at: start) }
    }
  }

  private func share(
    _ field: String, of helper: Int, _ checker: inout Checker
  ) throws(ConformanceError) -> Shamir.Share? {
    let value = try json[field]["\(helper + 1)"]
    let bytes = try value.secret
    return checker.accepted(value.path) { () throws(Refusal) in try Shamir.Share(bytes) }
  }
}
