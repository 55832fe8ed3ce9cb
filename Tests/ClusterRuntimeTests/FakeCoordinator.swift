import ClusterConfiguration
import ClusterRuntime
import Cryptography
import Federation
import Foundation
import Membership
import ModelRegistry
import Rounds
import SecureAggregation
import Tensors
import Testing
import Training
import Transfer
import Wire
import ZeroMQ

/// A coordinator's folder in the wrong hands: sockets that one worker connects to, and whatever a test says on them.
actor FakeCoordinator {
  private let control: Socket
  private let bulk: Socket
  /// Keep their ports for the coordinator that comes after this one.
  private let state: Socket
  private let snapshot: Socket
  private var link: RoutingID?
  private var bulkLink: RoutingID?
  private var spokenAt = ContinuousClock.now
  /// What it answers to requests for blobs; nobody gets one that is not here.
  private var blobs: [Digest: [UInt8]] = [:]
  /// Sent in the place of each blob's bytes, if there is something.
  private var changed: (@Sendable ([UInt8]) -> [UInt8])?
  /// Hellos received, one for each session or return.
  private(set) var hellos = 0

  /// Binds all of a coordinator's addresses, and writes them where the parties of the federation look for them.
  init(with home: PartyHome, writing endpointsPath: String) throws {
    let context = try Context()
    let authenticator = try ZAPAuthenticator(in: context)
    for member in home.membership.members(role: .worker) {
      let key = try #require(CurvePublicKey(bytes: member.certificate.linkKey.bytes))
      authenticator.admit(key, as: member.certificate.name.text, in: .worker)
    }
    let keys = try home.keys
    var addresses: [String] = []
    func open() throws -> Socket {
      let socket = try Socket(.router, in: context)
      try socket.set(.routerMandatory(true))
      try socket.serveCurve(keys, in: .worker, admittedBy: authenticator)
      addresses.append("tcp://127.0.0.1:\(try #require(try socket.bind(.tcpAtAnyPort(host: "127.0.0.1")).port))")
      return socket
    }
    control = try open()
    bulk = try open()
    state = try open()
    snapshot = try open()
    try EndpointsFile(control: addresses[0], bulk: addresses[1], state: addresses[2], snapshot: addresses[3])
      .write(path: endpointsPath)
  }

  // MARK: Speaking

  /// Sends frames to the worker on the control socket.
  func say(_ frames: [[UInt8]]) throws {
    guard let link else { return }
    _ = try control.send(frames.map { Frame(copying: $0) }, to: link)
    spokenAt = .now
  }

  func say(_ message: ControlToWorker) throws { try say([message.encoded()]) }

  func sayOnBulk(_ frames: [[UInt8]]) throws {
    guard let bulkLink else { return }
    _ = try bulk.send(frames.map { Frame(copying: $0) }, to: bulkLink)
  }

  func serve(_ blobs: [Digest: [UInt8]], changing changed: (@Sendable ([UInt8]) -> [UInt8])? = nil) {
    self.blobs = blobs
    self.changed = changed
  }

  // MARK: Hearing

  /// Answers greetings and heartbeats until a message satisfies the claim; false if none does within the limit.
  func hears(within limit: Duration = .seconds(20), _ claim: (WorkerMessage) -> Bool) async throws -> Bool {
    try await eventually(within: limit) { try listen().contains(where: claim) }
  }

  /// The same until a claim about something else holds.
  func waits(within limit: Duration = .seconds(20), until claim: () -> Bool) async throws -> Bool {
    try await eventually(within: limit) {
      _ = try listen()
      return claim()
    }
  }

  /// Whether the worker has greeted again since `count` hellos were heard.
  func isGreeted(after count: Int, within limit: Duration = .seconds(20)) async throws -> Bool {
    try await eventually(within: limit) {
      _ = try listen()
      return hellos > count
    }
  }

  private func listen() throws -> [WorkerMessage] {
    var messages: [WorkerMessage] = []
    while case .message(let message) = try control.receive() {
      switch try ControlToCoordinator(decoding: message.frames[0].array) {
      case .hello(let hello):
        link = message.origin
        hellos += 1
        try say(
          .welcome(
            Welcome(
              version: .current, session: hello.session, federation: "north", heartbeatInterval: .milliseconds(500),
              missedHeartbeats: 3)))
      case .heartbeat, .goodbye:
        // After a new connection the worker speaks from another link.
        if message.origin != link {
          link = message.origin
          try say(.refused(.unknownSession, detail: ""))
        }
      case .round(let body): messages.append(body)
      }
    }
    while case .message(let message) = try bulk.receive() {
      bulkLink = message.origin
      let payload = message.frames.count > 1 ? message.frames[1].count : nil
      guard
        case .request(let request) = try BulkToCoordinator(
          decoding: message.frames[0].array, payloadBytes: payload)
      else { continue }
      try answer(request)
    }
    if ContinuousClock.now - spokenAt > .milliseconds(300) { try say(.heartbeat) }
    return messages
  }

  private func answer(_ request: BlobRequest) throws {
    guard request.chunks > 0 else { return }
    guard let bytes = blobs[request.digest] else {
      return try sayOnBulk([BulkToWorker.unavailable(BlobUnavailable(digest: request.digest)).encoded()])
    }
    let chunk = BlobChunk(digest: request.digest, offset: request.offset, totalBytes: UInt64(bytes.count))
    try sayOnBulk([BulkToWorker.chunk(chunk).encoded(), changed?(bytes) ?? bytes])
  }
}

/// Offers as a coordinator makes them, and with one thing changed.
struct OfferMaker {
  let home: PartyHome
  let plan: RunPlan
  let artifact: ModelArtifact
  let tensors: [TensorReference]

  init(of federation: ProcessFederation) throws {
    home = try federation.home("coordinator", .coordinator)
    let run = try RunConfiguration.read(ConfigurationFile(path: "run", text: federation.run))
    plan = run.plan(membership: home.membership, architecture: run.model.architecture)
    artifact = try ModelArtifact(
      tensors: run.model.architecture.initialParameters(seed: 1).tensors, model: run.model.name, version: 0)
    tensors = artifact.manifestTensors.map {
      TensorReference(
        name: $0.name, dtypeCode: $0.dtype.code, shape: $0.shape.map { UInt64($0) }, digest: $0.digest,
        byteCount: $0.byteCount)
    }
  }

  /// The blobs of the offered model.
  var blobs: [Digest: [UInt8]] {
    Dictionary(uniqueKeysWithValues: zip(tensors.map(\.digest), artifact.tensors.map(\.bytes)))
  }

  /// - Parameters:
  ///   - round: of the run `fake`, whose first attempt this is.
  ///   - key: that signs; the coordinator's own if nil.
  func offer(
    round: RoundNumber, signedBy key: SigningKey? = nil,
    changing change: (inout RoundConfiguration, inout TrainingTask) -> Void = { _, _ in }
  ) -> RoundOffer {
    var (configuration, task) = (plan.configuration, plan.task)
    change(&configuration, &task)
    configuration.trainer = .sha256(of: task.canonicalBytes)
    let attempt = AttemptID(run: "fake", round: round, attempt: 0)
    let context = AttemptContext(
      attempt: attempt, modelDigest: artifact.modelDigest, configuration: configuration, membership: home.membership,
      coordinatorKey: home.certificate.certificate.signingKey, now: UInt64(Date.now.timeIntervalSince1970))
    return RoundOffer(
      attempt: attempt, modelName: plan.modelName, baseVersion: 0, modelDigest: artifact.modelDigest,
      tensors: tensors, configuration: configuration, task: task,
      signature: (key ?? home.signingKey).signature(over: SignedString.offer(roundID: context.roundID)))
  }

  func roundID(of offer: RoundOffer) -> Digest {
    Transcript.roundID(
      federation: home.membership.federation, attemptID: offer.attempt, modelDigest: offer.modelDigest,
      configurationDigest: offer.configuration.digest)
  }

  /// A roster that holds these adverts, signed.
  func roster(of adverts: [KeyAdvert], in offer: RoundOffer) -> ControlToWorker {
    let digest = Transcript.rosterDigest(roundID: roundID(of: offer), entries: adverts.map(\.entry))
    let signature = home.signingKey.signature(
      over: SignedString.roster(roundID: roundID(of: offer), rosterDigest: digest))
    return .round(.roster(offer.attempt, RosterMessage(adverts: adverts, signature: signature)))
  }

  /// What the worker of a folder says to an offer that it was shown.
  func advert(of worker: PartyHome, answering offer: RoundOffer) -> KeyAdvert {
    let certificate = worker.certificate.certificate
    let entry = RosterEntry(
      worker: certificate.name, certificateFingerprint: certificate.fingerprint,
      encryptionKey: Agreement.publicKey(of: SystemSecretSource().secret(32)),
      maskKey: Agreement.publicKey(of: SystemSecretSource().secret(32)))
    return KeyAdvert(
      entry: entry, modelDigest: offer.modelDigest, configurationDigest: offer.configuration.digest,
      offerSignature: offer.signature,
      signature: worker.signingKey.signature(
        over: SignedString.advert(roundID: roundID(of: offer), entry: entry, offerSignature: offer.signature)))
  }
}
