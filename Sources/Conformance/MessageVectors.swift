import Cryptography
import Federation
import SecureAggregation

/// A complete round: every message of every worker, from the configuration to the result.
enum MessageVectors {
  /// Elements; a file of vectors lists them all, so that there are never many.
  private static let vectorLengthMax: UInt64 = 1 << 24

  static func check(_ item: VectorValue, _ salt: String, _ checker: inout Checker) throws(ConformanceError) {
    guard let round = try setup(item, &checker) else { return }
    var views: [WorkerVectors] = []
    for index in round.workers.indices {
      let view = try WorkerVectors(round: round, index: index)
      try view.checkIdentity(&checker)
      if view.isDealer { try view.checkDealing(salt, &checker) }
      if view.hasInput { try view.checkInput(&checker) }
      views.append(view)
    }
    try checkSets(round, views, &checker)
    try checkClosing(round, views, &checker)
  }

  /// Configuration, model, offer, roster, transcript, thresholds; nil if the configuration itself is refused.
  private static func setup(
    _ item: VectorValue, _ checker: inout Checker
  ) throws(ConformanceError) -> RoundVectors? {
    let configurationBytes = try item["configuration"].bytes
    let parsed = checker.accepted("configuration") { () throws(Refusal) in
      try RoundConfiguration(canonicalBytes: configurationBytes)
    }
    guard let configuration = parsed else { return nil }
    guard configuration.vectorLength <= vectorLengthMax else {
      throw try item["configuration"].malformed("more than \(vectorLengthMax) elements in a vector file")
    }
    try checker.bytes(item["configuration"], configuration.canonicalBytes)
    try checker.bytes(item["configDigest"], configuration.digest)
    try ConfigurationVectors.check(item["configurationFields"], configuration, &checker)
    try checker.integer(item["suite"], Int64(clamping: configuration.suite.rawValue))
    try checker.integer(item["ringBits"], Int64(clamping: configuration.ringBits))
    try checker.flag(item["rotation"], configuration.rotation)
    try checker.integer(item["length"], Int64(clamping: configuration.vectorLength))
    try checker.integer(item["chunkElements"], Int64(clamping: configuration.chunkElements))
    try checker.integer(item["maximumWeight"], Int64(clamping: configuration.maximumWeight))
    try checker.number(item["clip"], configuration.clip)
    try checker.bytes(
      item["modelDigest"], ModelDigest.of(tensors: try item["tensors"].list(ConfigurationVectors.tensor)))

    let authority = try signingKey(item["authoritySecretKey"])
    let coordinator = try signingKey(item["coordinatorSecretKey"])
    try checker.bytes(item["authorityPublicKey"], authority.publicKey)
    try checker.bytes(item["coordinatorPublicKey"], coordinator.publicKey)
    let roundID = Transcript.roundID(
      federation: try item["federation"].name(),
      attemptID: AttemptID(
        run: try item["run"].name(), round: RoundNumber(try item["round"].bits),
        attempt: AttemptNumber(UInt32(try item["attempt"].int(in: 0...Int(UInt32.max))))),
      modelDigest: try item["modelDigest"].digest, configurationDigest: try item["configDigest"].digest)
    try checker.bytes(item["roundId"], roundID)
    try checker.message(item["offer"], SignedString.offer(roundID: roundID), by: coordinator)

    let workers = try item["workers"].items
    let entries = try item["workers"].list { (w) throws(ConformanceError) in
      RosterEntry(
        worker: try w["id"].name(), certificateFingerprint: try w["certificateFingerprint"].digest,
        encryptionKey: try w["encryptionPublicKey"].fixed(), maskKey: try w["maskPublicKey"].fixed())
    }
    let rosterDigest = Transcript.rosterDigest(roundID: roundID, entries: entries)
    try checker.bytes(item["rosterDigest"], rosterDigest)
    try checker.message(
      item["roster"], SignedString.roster(roundID: roundID, rosterDigest: rosterDigest), by: coordinator)
    let transcript = Transcript.transcript(roundID: roundID, rosterDigest: rosterDigest)
    try checker.bytes(item["transcript"], transcript)

    let offerSignature: Signature = try item["offer"]["signature"].fixed()
    let adverts = try item["workers"].list { (w) throws(ConformanceError) in
      RosterAdvert(
        entry: RosterEntry(
          worker: try w["id"].name(), certificateFingerprint: try w["certificateFingerprint"].digest,
          encryptionKey: try w["encryptionPublicKey"].fixed(), maskKey: try w["maskPublicKey"].fixed()),
        organisation: try w["organisation"].name(), signingKey: try w["identityPublicKey"].fixed(),
        offerSignature: offerSignature, signature: try w["advert"]["signature"].fixed())
    }
    let rosterSignature: Signature = try item["roster"]["signature"].fixed()
    let policy = CohortPolicy(configuration)
    guard let own = entries.first else { throw try item["workers"].malformed("nobody is on the roster") }
    let computed = checker.accepted("derived") { () throws(Refusal) in
      try RoundChecks.checkRoster(
        roundID: roundID, adverts: adverts, ownEntry: own, coordinator: coordinator.signingPublicKey,
        rosterSignature: rosterSignature, mode: configuration.mode, policy: policy)
    }
    guard let thresholds = computed else { return nil }
    try ThresholdVectors.compare(item["derived"], thresholds, &checker)
    let made = checker.accepted("range") { () throws(Refusal) in
      try EncodingRules(configuration, rosterCount: entries.count)
    }
    guard let rules = made else { return nil }
    try checker.integer(item["valueBits"], rules.valueBits)
    try checker.number(item["range"], rules.range, tolerance: 0)
    try checker.number(item["step"], rules.step, tolerance: 0)
    let n = entries.count
    return RoundVectors(
      json: item, configuration: configuration, policy: policy, authority: authority, coordinator: coordinator,
      roundID: roundID, transcript: transcript, thresholds: thresholds, rules: rules, workers: workers,
      entries: entries, adverts: adverts, dealers: try members(item["U2"], of: n),
      survivors: try members(item["U3"], of: n))
  }

  /// Complaints, U2, U3, agreement and quorum.
  private static func checkSets(
    _ round: RoundVectors, _ views: [WorkerVectors], _ checker: inout Checker
  ) throws(ConformanceError) {
    let item = round.json
    var complaints: Set<Complaint> = []
    for view in views where view.isDealer { complaints.formUnion(try view.checkShareCheck(views, &checker)) }
    let listed = try item["complaints"].list { (pair) throws(ConformanceError) in try pair.ints }
    let found = complaints.map { [$0.dealer, $0.complainer] }.sorted { $0.lexicographicallyPrecedes($1) }
    checker.holds("complaints", "\(listed)", listed == found)
    let removed = Complaints.settle(complaints, bound: round.thresholds.corruptionBound)
    try checker.integers(item["U2"], views.filter { $0.isDealer && !removed.contains($0.index) }.map(\.index))
    try checker.bytes(item["U2Bitmap"], round.dealers.bytes)
    try checker.bytes(item["U2Digest"], round.dealers.digest)
    try checker.message(
      item["U2Final"], SignedString.dealers(transcript: round.transcript, bitmap: round.dealers), by: round.coordinator)
    try checker.bytes(item["U3Bitmap"], round.survivors.bytes)
    try checker.bytes(item["U3Digest"], round.survivors.digest)
    try checker.message(
      item["survivors"],
      SignedString.survivors(
        transcript: round.transcript, dealersDigest: round.dealers.digest, bitmap: round.survivors),
      by: round.coordinator)
    let quorum = try item["quorum"].list { (pair) throws(ConformanceError) in
      QuorumSignature(worker: try pair["worker"].int, signature: try pair["signature"].fixed())
    }
    let keys = round.adverts.map(\.signingKey)
    _ = checker.accepted("quorum") { () throws(Refusal) in
      try RoundChecks.checkQuorum(
        quorum, transcript: round.transcript, dealersDigest: round.dealers.digest, survivors: round.survivors,
        quorum: round.thresholds.quorum, keys: keys)
    }
    for view in views where round.survivors.contains(view.index) {
      try view.checkAgreement(views, &checker)
    }
  }

  /// Reconstruction, the sum behind the masks, the average, the result.
  private static func checkClosing(
    _ round: RoundVectors, _ views: [WorkerVectors], _ checker: inout Checker
  ) throws(ConformanceError) {
    let item = round.json
    let helpers = try members(item["helpers"], of: views.count).members
    let vectors = VectorSpecification.all(for: round.configuration)
    var sums: [UInt32: RingAccumulator] = [:]
    for vector in vectors {
      sums[vector.id] = RingAccumulator(ringBits: vector.ringBits, count: Int(vector.count))
    }
    for index in round.survivors.members {
      let view = views[index]
      for vector in vectors { try view.addChunks(of: vector, to: sums[vector.id], &checker) }
      let seed = try ShareVectors.combine(
        view.json["selfMaskSeedShares"], helpers, round.thresholds.threshold, &checker)
      guard let seed else { continue }
      try checker.bytes(item["reconstructedSeeds"]["\(index)"], seed)
      checker.holds(
        "reconstructedSeeds.\(index)", "fits the dealer's commitment",
        ShareSealing.seedCommitment(transcript: round.transcript, dealer: index, seed: seed)
          == (try view.json["selfMaskSeedCommitment"].digest))
      for vector in vectors {
        let key = MaskKeys.selfKey(
          transcript: round.transcript, worker: index, vector: vector.id, ringBits: vector.ringBits,
          suite: round.configuration.suite, seed: seed)
        sums[vector.id]?.apply([MaskTerm(key: key, isAdded: false)], elements: 0..<Int(vector.count))
      }
    }
    for index in round.dealers.members where !round.survivors.contains(index) {
      let shares = try views[index].json["maskKeyShares"]
      guard let secret = try ShareVectors.combine(shares, helpers, round.thresholds.threshold, &checker) else {
        continue
      }
      try checker.bytes(item["reconstructedMaskKeys"]["\(index)"], secret)
      for survivor in round.survivors.members {
        let shared = checker.accepted(shares.path) { () throws(Refusal) in
          try Agreement.sharedSecret(secret, round.entries[survivor].maskKey)
        }
        guard let shared else { continue }
        for vector in vectors {
          let term = MaskKeys.pairTerm(
            transcript: round.transcript, worker: survivor, peer: index, vector: vector,
            suite: round.configuration.suite, sharedSecret: shared)
          sums[vector.id]?.apply([term.removed], elements: 0..<Int(vector.count))
        }
      }
    }
    let auxiliary = sums[VectorSpecification.auxiliaryID]?.signedValues ?? []
    let total = sums[VectorSpecification.updateID]?.signedValues ?? []
    try checker.integers(item["auxiliarySum"], auxiliary)
    try checker.integers(item["sum"], total)
    let read = checker.accepted("auxiliarySum") { () throws(Refusal) in
      try AuxiliaryVector.decode(auxiliary, layout: round.configuration.auxiliaryLayout)
    }
    guard let weight = read?.weight else { return }
    let decoded = checker.accepted("average") { () throws(Refusal) in
      try UpdateDecoder.average(total, weight: weight, rules: round.rules, transcript: round.transcript)
    }
    if let average = decoded {
      try checker.numbers(item["average"], average)
      try checker.number(item["averageError"], try error(of: average, round, views))
    }
    try checker.message(
      item["result"],
      SignedString.result(
        transcript: round.transcript, survivorsDigest: round.survivors.digest,
        modelDigest: try item["newModelDigest"].digest, weight: weight),
      by: round.coordinator)
  }

  /// L2 distance of the decoded average from the clipped, weighted average in the clear.
  private static func error(
    of average: [Double], _ round: RoundVectors, _ views: [WorkerVectors]
  ) throws(ConformanceError) -> Double {
    var exact = [Double](repeating: 0, count: average.count)
    var total = 0.0
    for index in round.survivors.members {
      let update = try views[index].update
      let weight = Double(min(try views[index].json["weight"].bits, round.rules.maximumWeight))
      let norm = update.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      let factor = weight * min(1, round.rules.clip / norm)
      total += weight
      for e in exact.indices where e < update.count { exact[e] += Double(update[e]) * factor }
    }
    return zip(average, exact).reduce(0.0) { $0 + ($1.0 - $1.1 / total) * ($1.0 - $1.1 / total) }.squareRoot()
  }

  static func signingKey(_ json: VectorValue) throws(ConformanceError) -> SigningKey {
    do {
      return try SigningKey(seed: try json.secret)
    } catch let error as ConformanceError {
      throw error
    } catch {
      throw json.malformed("an Ed25519 seed has 32 bytes")
    }
  }

  static func members(_ json: VectorValue, of n: Int) throws(ConformanceError) -> Bitmap {
    let members = try json.ints
    guard members.allSatisfy((0..<n).contains) else { throw json.malformed("expected indices below \(n)") }
    return Bitmap(members: members, count: n)
  }
}

/// What the workers of one round share.
struct RoundVectors {
  let json: VectorValue
  let configuration: RoundConfiguration
  let policy: CohortPolicy
  let authority: SigningKey
  let coordinator: SigningKey
  let roundID: Digest
  let transcript: Digest
  let thresholds: Thresholds
  let rules: EncodingRules
  let workers: [VectorValue]
  let entries: [RosterEntry]
  let adverts: [RosterAdvert]
  let dealers: Bitmap
  let survivors: Bitmap
}
