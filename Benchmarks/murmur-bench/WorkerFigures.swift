import Cryptography
import Federation
import GradientKernel
import SecureAggregation

/// One worker of a hundred: its update onto the wire, and its share of the public-key work.
struct WorkerFigures {
  private let setting: Setting
  private let rosterCount = 100
  private let threshold = 67
  private let length = 1_000_000
  private let transcript = Digest.sha256(of: [5])

  init(_ setting: Setting) { self.setting = setting }

  func report(to report: inout Report) throws {
    try reportInput(to: &report)
    try reportShares(to: &report)
  }

  // MARK: Encode and mask

  private func reportInput(to report: inout Report) throws {
    var generator = SeededGenerator(seed: 6)
    let update = (0..<length).map { _ in Float.random(in: -1...1, using: &generator) / 1000 }
    let terms = MaskFigures.terms(rosterCount)
    for (bits, isRotated) in [(32, false), (24, true), (16, true)] {
      let rules = try EncodingRules(
        vectorLength: length, ringBits: bits, rosterCount: rosterCount, isRotated: isRotated, clip: 1,
        maximumWeight: 1024, rangeFailure: 1e-6)
      let vector = VectorSpecification(
        id: 0, ringBits: UInt8(bits), count: UInt64(length), chunkElements: 65_536)
      func input(on pool: ThreadPool, masks: [MaskTerm]) throws {
        let encoder = try UpdateEncoder(
          update: update, exampleCount: 100, rules: rules, transcript: transcript,
          roundingSeed: SecretBytes(copying: Array(repeating: 1, count: 32)), on: pool)
        let chunks = try InputChunks(
          transcript: transcript, worker: 0, vector: vector, source: .update(encoder), keys: MaskKeys(terms: masks))
        for index in 0..<chunks.count {
          let bytes = chunks.chunk(index, on: pool)
          _ = chunks.digest(ofChunk: index, bytes: bytes)
        }
      }
      let section = "worker, n = 100, m = 10⁶, k = \(bits)\(isRotated ? " rotated" : "")"
      try setting.forEachPool { pool in
        let seconds = try setting.stopwatch.least(threads: pool.count) { try input(on: pool, masks: terms) }
        let bytes = Double(terms.count * vector.byteCount)
        report.add(
          Figure(
            section: section, name: "encode, mask, digest; threads: \(pool.count)", value: seconds * 1e3, unit: "ms",
            limit: bytes / setting.limits.keystream[pool.count - 1] * 1e3,
            budget: pool.count == 1 ? .atMost(70) : nil))
      }
      let pool = ThreadPool(threads: 1)
      let seconds = try setting.stopwatch.least(threads: pool.count) { try input(on: pool, masks: []) }
      report.add(
        Figure(section: section, name: "of that encode and digest; threads: 1", value: seconds * 1e3, unit: "ms"))
    }
  }

  // MARK: Shares and signatures

  private func reportShares(to report: inout Report) throws {
    let source = SeededSecretSource(seed: [7])
    let encryption = (0..<rosterCount).map { _ in source.secret(32) }
    let encryptionKeys = encryption.map { Agreement.publicKey(of: $0) }
    let signing = try (0..<rosterCount).map { _ in try SigningKey(seed: source.secret(32)) }
    let publicKeys = signing.map { SigningPublicKey(unchecked: $0.publicKey) }
    let (seed, maskSecret) = (source.secret(32), source.secret(32))
    let peers = Array(1..<rosterCount)

    let agreed = try peers.map { (index: $0, agreed: try Agreement.sharedSecret(encryption[0], encryptionKeys[$0])) }
    // One agreement a pair serves both directions, as in the worker.
    func agree(on pool: ThreadPool) {
      pool.run(parts: peers.count) { place in
        precondition((try? Agreement.sharedSecret(encryption[0], encryptionKeys[peers[place]])) != nil, "a usable key")
      }
    }
    func deal() {
      _ = ShareBundle.deal(
        transcript: transcript, dealer: 0, threshold: threshold, seed: seed, maskSecret: maskSecret, helpers: agreed,
        secrets: source)
    }
    let incoming = try peers.map { peer in
      ShareBundle.deal(
        transcript: transcript, dealer: peer, threshold: threshold, seed: seed, maskSecret: maskSecret,
        helpers: [(0, try Agreement.sharedSecret(encryption[peer], encryptionKeys[0]))], secrets: source
      ).bundle.entries[0]
    }
    func open() throws {
      for (peer, entry) in zip(agreed, incoming) {
        let key = ShareSealing.key(transcript: transcript, agreed: peer.agreed, dealer: peer.index, helper: 0)
        _ = try ShareSealing.open(entry, key: key, transcript: transcript, dealer: peer.index)
      }
    }
    // An advert and an agreement are of this length, give or take a name.
    let advert = [UInt8](repeating: 1, count: 250), agreement = [UInt8](repeating: 2, count: 110)
    let adverts = signing.map { $0.signature(over: advert) }
    let quorum = signing[..<threshold].map { $0.signature(over: agreement) }
    func verify(_ signatures: [Signature], over string: [UInt8], on pool: ThreadPool) {
      pool.run(parts: signatures.count) { index in
        precondition(
          signatures[index].isValid(over: string, by: publicKeys[index]), "a signature that was just made")
      }
    }

    let limits = setting.limits
    try setting.forEachPool { pool in
      let section = "worker, n = 100: shares and signatures; threads: \(pool.count)"
      var total = 0.0, limitTotal = 0.0
      func add(_ name: String, limit: Double?, threads: Int = 1, _ body: () throws -> Void) rethrows {
        let seconds = try setting.stopwatch.least(threads: threads, body)
        total += seconds
        limitTotal += limit ?? 0
        report.add(
          Figure(section: section, name: name, value: seconds * 1e3, unit: "ms", limit: limit.map { $0 * 1e3 }))
      }
      let atOnce = Double(pool.count)
      add("agree with 99", limit: 99 / atOnce * limits.agreement, threads: pool.count) { agree(on: pool) }
      add("deal to and seal for 99", limit: nil, deal)
      try add("open 99", limit: nil, open)
      add("verify 100 adverts", limit: 100 / atOnce * limits.verification, threads: pool.count) {
        verify(adverts, over: advert, on: pool)
      }
      add("verify a quorum of 67", limit: 67 / atOnce * limits.verification, threads: pool.count) {
        verify(quorum, over: agreement, on: pool)
      }
      add("sign 6 messages", limit: 6 * limits.signature) { for _ in 0..<6 { _ = signing[0].sign(advert) } }
      report.add(
        Figure(
          section: section, name: "all of it", value: total * 1e3, unit: "ms", limit: limitTotal * 1e3,
          budget: .atMost(20)))
    }
  }
}
