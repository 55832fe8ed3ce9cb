import Cryptography
import Federation
import SecureAggregation

/// One run of the core: digests, keys, shares, masked vectors, and the sum behind them.
enum CoreVectors {
  private struct Worker {
    let json: VectorValue
    let maskSecret: SecretBytes
    let seed: SecretBytes
    let maskKey: AgreementPublicKey
  }

  static func check(_ item: VectorValue, _ salt: String, _ checker: inout Checker) throws(ConformanceError) {
    let n = try item["n"].int(in: 1...10_000)
    let threshold = try item["threshold"].int(in: 1...n)
    let ringBits = try item["ringBits"].int(in: 1...64)
    let vectorID = UInt32(try item["vectorID"].int(in: 0...1000))
    let length = try item["length"].int(in: 0...(1 << 24))
    let dropped = Set(try item["dropped"].ints)
    let roundID = Transcript.roundID(
      federation: try item["federation"].name(),
      attemptID: AttemptID(
        run: try item["job"].name(), round: RoundNumber(try item["round"].bits),
        attempt: AttemptNumber(UInt32(try item["attempt"].int(in: 0...Int(UInt32.max))))),
      modelDigest: try item["modelDigest"].digest, configurationDigest: try item["configDigest"].digest)
    try checker.bytes(item["roundId"], roundID)
    var entries: [RosterEntry] = []
    var workers: [Worker] = []
    for json in try item["workers"].items {
      let worker = Worker(
        json: json, maskSecret: try json["maskSecretKey"].secret(32), seed: try json["selfMaskSeed"].secret(32),
        maskKey: try json["maskPublicKey"].fixed())
      try checker.bytes(json["maskPublicKey"], Agreement.publicKey(of: worker.maskSecret))
      try checker.bytes(
        json["encryptionPublicKey"], Agreement.publicKey(of: try json["encryptionSecretKey"].secret(32)))
      workers.append(worker)
      entries.append(
        RosterEntry(
          worker: try json["id"].name(), certificateFingerprint: try json["certificateFingerprint"].digest,
          encryptionKey: try json["encryptionPublicKey"].fixed(), maskKey: worker.maskKey))
    }
    guard workers.count == n else { throw try item["workers"].malformed("expected \(n), found \(workers.count)") }
    let rosterDigest = Transcript.rosterDigest(roundID: roundID, entries: entries)
    try checker.bytes(item["rosterDigest"], rosterDigest)
    let transcript = Transcript.transcript(roundID: roundID, rosterDigest: rosterDigest)
    try checker.bytes(item["transcript"], transcript)
    let vector = VectorSpecification(
      id: vectorID, ringBits: UInt8(ringBits), count: UInt64(length), chunkElements: UInt32(max(16, length)))
    if let rules = checker.accepted(
      "valueBits",
      { () throws(Refusal) in
        try EncodingRules(
          vectorLength: length, ringBits: ringBits, rosterCount: n, isRotated: false, clip: 1, maximumWeight: 1,
          rangeFailure: 1e-6)
      })
    {
      try checker.integer(item["valueBits"], rules.valueBits)
    }
    for (index, worker) in workers.enumerated() {
      try checkShares(worker, index, n, threshold, salt, &checker)
      try checkMasks(worker, index, workers, transcript, vector, &checker)
    }
    try checkSum(item, workers, dropped, threshold, transcript, vector, &checker)
  }

  private static func checkShares(
    _ worker: Worker, _ index: Int, _ n: Int, _ threshold: Int, _ salt: String, _ checker: inout Checker
  ) throws(ConformanceError) {
    for (field, label, secret) in [
      ("selfMaskSeedShares", "cb", worker.seed), ("maskKeyShares", "cs", worker.maskSecret),
    ] {
      try ShareVectors.check(
        try worker.json[field], of: secret, dealer: index, label: label, threshold: threshold, count: n, salt: salt,
        &checker)
    }
  }

  private static func checkMasks(
    _ worker: Worker, _ index: Int, _ workers: [Worker], _ transcript: Digest, _ vector: VectorSpecification,
    _ checker: inout Checker
  ) throws(ConformanceError) {
    var secrets: [Int: SecretBytes] = [:]
    for (peer, other) in workers.enumerated() where peer != index {
      secrets[peer] = checker.accepted("\(worker.json.path).pairMaskKeys.\(peer)") { () throws(Refusal) in
        try Agreement.sharedSecret(worker.maskSecret, other.maskKey)
      }
    }
    let keys = MaskKeys(
      transcript: transcript, worker: index, vector: vector, suite: .aes128, selfMaskSeed: worker.seed,
      sharedSecrets: secrets)
    try checker.bytes(worker.json["selfMaskKey"], keys.terms[0].key)
    let listed = try worker.json["pairMaskKeys"].numbered
    checker.holds(
      worker.json.path + ".pairMaskKeys", "one key for every peer", listed.map(\.key) == secrets.keys.sorted())
    for (term, entry) in zip(keys.terms.dropFirst(), listed) { try checker.bytes(entry.value, term.key) }
    let quantised = try worker.json["quantised"].int64s
    guard
      let chunks = checker.accepted(
        worker.json.path + ".masked",
        { () throws(Refusal) in
          try InputChunks(
            transcript: transcript, worker: index, vector: vector, source: .quantised(quantised), keys: keys)
        })
    else { return }
    let expected = try lanes(worker.json["masked"], vector)
    let found = chunks.count > 0 ? chunks.chunk(0) : []
    checker.holds(worker.json.path + ".masked", "the lanes of the file, byte for byte", found == expected)
  }

  /// What the coordinator does: reconstruct from t shares, add, take the masks off.
  private static func checkSum(
    _ item: VectorValue, _ workers: [Worker], _ dropped: Set<Int>, _ threshold: Int, _ transcript: Digest,
    _ vector: VectorSpecification, _ checker: inout Checker
  ) throws(ConformanceError) {
    guard let sum = RingAccumulator(ringBits: vector.ringBits, count: Int(vector.count)) else {
      throw try item["ringBits"].malformed("no ring of \(vector.ringBits) bits")
    }
    let survivors = workers.indices.filter { !dropped.contains($0) }
    let helpers = Array(survivors.prefix(threshold))
    for index in survivors {
      let worker = workers[index]
      let lanes = try lanes(worker.json["masked"], vector)
      _ = checker.accepted(worker.json.path) { () throws(Refusal) in try sum.add(lanes, at: 0) }
      guard let seed = try ShareVectors.combine(worker.json["selfMaskSeedShares"], helpers, threshold, &checker) else {
        continue
      }
      let key = MaskKeys.selfKey(
        transcript: transcript, worker: index, vector: vector.id, ringBits: vector.ringBits, suite: .aes128, seed: seed)
      sum.apply([MaskTerm(key: key, isAdded: false)], elements: 0..<sum.count)
    }
    for index in dropped.sorted() where workers.indices.contains(index) {
      let shares = try workers[index].json["maskKeyShares"]
      guard let secret = try ShareVectors.combine(shares, helpers, threshold, &checker) else { continue }
      for survivor in survivors {
        let shared = checker.accepted("\(shares.path)") { () throws(Refusal) in
          try Agreement.sharedSecret(secret, workers[survivor].maskKey)
        }
        guard let shared else { continue }
        let term = MaskKeys.pairTerm(
          transcript: transcript, worker: survivor, peer: index, vector: vector, suite: .aes128, sharedSecret: shared)
        sum.apply([term.removed], elements: 0..<sum.count)
      }
    }
    try checker.integers(item["sum"], sum.signedValues)
  }

  /// Ring elements, written as unsigned numbers, as the bytes of their lanes.
  private static func lanes(
    _ json: VectorValue, _ vector: VectorSpecification
  ) throws(ConformanceError) -> [UInt8] {
    var out: [UInt8] = []
    for item in try json.items {
      let bits = try item.bits
      for byte in 0..<vector.laneByteCount { out.append(UInt8(truncatingIfNeeded: bits >> UInt64(8 * byte))) }
    }
    return out
  }
}
