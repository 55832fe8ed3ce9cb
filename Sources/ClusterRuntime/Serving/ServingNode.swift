import Federation
import GradientKernel
import Logging
import ModelRegistry
import Serving
import Tensors
import Transfer
import Wire
import ZeroMQ

/// Drives the serving node's machine: records, snapshots and blobs in; verified, loaded and warm versions out, to the
/// desk that answers consumers. Owns the machine; runs on a compute thread of its own, where it hashes and loads.
actor ServingNode {
  typealias SnapshotClient = RequestClient<SnapshotRequest, SnapshotReply>

  /// A version whose bytes are verified.
  private struct Prepared {
    let signed: SignedManifest
    let manifest: Manifest
    let artifact: ModelArtifact
    var network: Network?
    /// Set when the version is in the folder of models.
    var stored: StoredVersion?
  }

  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private let membership: MembershipList
  private let models: DirectoryModelStore
  private let client: SnapshotClient
  private let desk: PullDesk
  private let records: Backlog
  private let chunks: Backlog
  private let logger: Logger
  private let fail: @Sendable (RuntimeError) -> Void
  private let observe: @Sendable (ServingAction) -> Void
  private var machine: ServingStateMachine
  private var shelf: ManifestShelf
  private var fetches: [VersionFetch] = []
  private var prepared: [VersionName: Prepared] = [:]
  private var silenceWatch = 0
  private var hasJoined = false

  /// - Parameters:
  ///   - records: bound on records on their way here.
  ///   - chunks: bound on chunks on their way here.
  ///   - fail: told why the node cannot go on.
  ///   - observe: told every action that was carried out.
  init(
    thread: ComputeThread, membership: MembershipList, models: DirectoryModelStore, client: SnapshotClient,
    desk: PullDesk, records: Backlog, chunks: Backlog, logger: Logger,
    fail: @escaping @Sendable (RuntimeError) -> Void, observe: @escaping @Sendable (ServingAction) -> Void
  ) {
    self.thread = thread
    self.membership = membership
    self.models = models
    self.client = client
    self.desk = desk
    self.records = records
    self.chunks = chunks
    self.logger = logger
    self.fail = fail
    self.observe = observe
    machine = ServingStateMachine(membership: membership)
    shelf = ManifestShelf(membership: membership)
  }

  // MARK: Events

  /// The node has subscribed.
  func start() { handle(.started) }

  func receive(_ record: StateRecord) {
    records.taken()
    KillPoint.reached(.serving, .afterReceive, "record")
    handle(.recordReceived(record))
  }

  /// What the snapshot socket brings beside answers.
  func receive(_ event: SnapshotClient.Event) {
    switch event {
    case .reply(.chunk(let chunk), let payload):
      chunks.taken()
      KillPoint.reached(.serving, .afterReceive, "chunk")
      advance(.chunkReceived(chunk, byteCount: payload?.count ?? 0, at: .now), payload: payload)
    case .reply(.unavailable(let unavailable), _):
      chunks.taken()
      advance(.unavailable(unavailable))
    case .reply(let reply, _):
      chunks.taken()
      logger.warning("answer ignored", metadata: ["kind": "\(reply.kind)"])
    case .linkLost: advance(.linkLost)
    case .linkRestored: advance(.linkRestored(at: .now))
    case .tick: advance(.tick(at: .now))
    case .refused(let error):
      logger.error("coordinator refuses this node", metadata: ["error": "\(error)"])
      if !hasJoined { fail(error) }
    }
  }

  /// The machine changes first; then its actions are carried out, in their order, and what they lead to after them.
  private func handle(_ event: ServingEvent) {
    var events = [event]
    while !events.isEmpty {
      let actions = machine.handle(events.removeFirst())
      machine.checkInvariants()
      for action in actions {
        if let next = perform(action) { events.append(next) }
        observe(action)
      }
    }
  }

  private func snapshotAnswered(_ result: Result<SnapshotReply, RuntimeError>) {
    switch result {
    case .success(.snapshot(let snapshot)):
      KillPoint.reached(.serving, .afterReceive, "snapshot")
      hasJoined = true
      shelf.take(snapshot.entries, keeping: Set(prepared.keys).union(fetches.map(\.name)))
      handle(.snapshotReceived(snapshot))
    case .success(.failed(let failure)): handle(.snapshotFailed(failure.description))
    case .success(let reply): handle(.snapshotFailed("answered with \(reply.kind)"))
    case .failure(let error): handle(.snapshotFailed(error.message))
    }
  }

  // MARK: Actions

  /// Carries an action out; the event that it leads to at once, if there is one.
  private func perform(_ action: ServingAction) -> ServingEvent? {
    switch action {
    case .requestSnapshot: requestSnapshot()
    case .retrySnapshot(let pause): later(pause) { $0.handle(.snapshotRetryDue) }
    case .watchSilence(let limit): watchSilence(limit)
    case .fetchBlobs(let name, let digests): return fetch(name, digests)
    case .retryFetch(let name, let pause): later(pause) { $0.handle(.fetchRetryDue(name)) }
    case .verifyBlobs(let name, let manifest): return verify(name, manifest)
    case .load(let name): return load(name)
    case .warmUp(let name): return warmUp(name)
    case .offer(let name, let alias): offer(name, alias)
    case .withdraw(let model, let alias): desk.thread.post(to: desk) { $0.withdraw(alias, of: model) }
    // Consumers are answered from disk: nobody holds a version while it is read.
    case .drain(let name): return .drained(name)
    case .unload(let name): prepared[name] = nil
    case .report(let report): log(report)
    }
    return nil
  }

  private func requestSnapshot() {
    let answered: @Sendable (Result<SnapshotReply, RuntimeError>) -> Void = { [weak self, thread] result in
      guard let self else { return }
      thread.post(to: self) { $0.snapshotAnswered(result) }
    }
    client.loop.post(to: client) { $0.ask(.snapshot, isRepeatable: true, then: answered) }
  }

  private func watchSilence(_ limit: Duration) {
    silenceWatch += 1
    let watch = silenceWatch
    later(limit) { if $0.silenceWatch == watch { $0.handle(.silencePassed) } }
  }

  /// A timer of the client's loop that ends here.
  private func later(_ delay: Duration, _ body: @escaping @Sendable (isolated ServingNode) -> Void) {
    let due = ContinuousClock.now + delay
    client.loop.perform { [weak self, thread, loop = client.loop] in
      loop.schedule(at: due) {
        guard let self else { return }
        thread.post(to: self, body)
      }
    }
  }

  private func verify(_ name: VersionName, _ manifest: Manifest) -> ServingEvent {
    guard let signed = shelf.signed(manifest, of: name) else {
      return .verificationFailed(name, .otherVersion(found: "another manifest", expected: "\(name)"))
    }
    var blobs: [[UInt8]] = []
    do throws(RegistryError) {
      for tensor in manifest.tensors { blobs.append(try models.blob(tensor.digest)) }
    } catch {
      // Bytes that were right a moment ago: a fault of this node's disk, not of the version.
      return .fetchFailed(name, error.description)
    }
    do throws(VerificationError) {
      prepared[name] = Prepared(signed: signed, manifest: manifest, artifact: try manifest.assemble(blobs: blobs))
      return .verified(name)
    } catch {
      return .verificationFailed(name, error)
    }
  }

  private func load(_ name: VersionName) -> ServingEvent? {
    guard let version = prepared[name] else { return nil }
    do {
      let architecture = try ModelArchitecture(parsing: version.manifest.architecture)
      let network = try Network(architecture, batchCapacity: 1, pool: ThreadPool(threads: 1))
      try network.load(ParameterSet(version.artifact.tensors, expecting: architecture.layout))
      guard network.hasFiniteParameters else { return .loadFailed(name, "a parameter is not finite") }
      prepared[name]?.network = network
      return .loaded(name)
    } catch {
      prepared[name] = nil
      return .loadFailed(name, "\(error)")
    }
  }

  /// Predicts once, then writes the version into the folder of models, where consumers are answered from.
  private func warmUp(_ name: VersionName) -> ServingEvent? {
    guard let version = prepared[name], let network = version.network else { return nil }
    let zeros = [Float](repeating: 0, count: network.architecture.featureCount)
    guard network.predict(features: zeros).allSatisfy(\.isFinite) else {
      return .warmUpFailed(name, "a prediction is not finite")
    }
    do throws(RegistryError) {
      try models.publish(version.signed, artifact: version.artifact)
      KillPoint.reached(.serving, .afterRecord, "version")
      prepared[name]?.stored = try models.find(ModelReference(model: name.model, selector: .version(name.version)))
      return .warmedUp(name)
    } catch {
      return .warmUpFailed(name, error.description)
    }
  }

  private func offer(_ name: VersionName, _ alias: Alias) {
    guard let stored = prepared[name]?.stored else { return }
    do throws(RegistryError) {
      try models.move(alias, of: name.model, to: name.version)
      KillPoint.reached(.serving, .afterRecord, "alias")
    } catch {
      logger.error("alias not stored", metadata: ["alias": "\(name.model)@\(alias)", "error": "\(error)"])
    }
    desk.thread.post(to: desk) { $0.offer(stored, as: alias) }
    logger.info("serving", metadata: ["version": "\(name)", "alias": "\(alias)", "digest": "\(stored.digest.short)"])
  }

  private func log(_ report: ServingReport) {
    switch report {
    case .joined(let epoch, let sequence):
      logger.info("joined", metadata: ["epoch": "\(epoch)", "sequence": "\(sequence)"])
    case .joining(let reason): logger.debug("snapshot needed", metadata: ["reason": "\(reason)"])
    case .publisherLost: logger.warning("coordinator lost; serving on")
    case .publisherFound: logger.info("coordinator found again")
    case .snapshotFailed(let reason): logger.notice("no snapshot", metadata: ["reason": "\(reason)"])
    case .fetchFailed(let name, let reason):
      logger.warning("version not fetched", metadata: ["version": "\(name)", "reason": "\(reason)"])
    case .refused(let name, let reason):
      logger.error("manifest refused", metadata: ["version": "\(name)", "reason": "\(reason)"])
    case .quarantined(let name, let reason):
      logger.error("version refused", metadata: ["version": "\(name)", "reason": "\(reason)"])
    case .conflict(let name, let known, let announced):
      logger.error(
        "version announced again with other bytes",
        metadata: ["version": "\(name)", "known": "\(known.short)", "announced": "\(announced.short)"])
    case .ignored(let what): logger.warning("announcement ignored", metadata: ["what": "\(what)"])
    }
  }

  // MARK: Blobs

  /// Queues a version's missing blobs. One version is fetched at a time, one blob after the other.
  private func fetch(_ name: VersionName, _ digests: [Digest]) -> ServingEvent? {
    guard let manifest = shelf.manifest(of: name, tensors: digests) else {
      return .fetchFailed(name, "its manifest is not known")
    }
    // A blob that is damaged on disk is fetched again.
    let missing = manifest.tensors.filter { (try? models.blob($0.digest)) == nil }
    guard !missing.isEmpty else { return .blobsFetched(name) }
    fetches.append(VersionFetch(name: name, missing: missing))
    if fetches.count == 1 { beginBlob() }
    return nil
  }

  private func beginBlob() {
    while !fetches.isEmpty {
      if let actions = fetches[0].beginNext(at: .now) { return carryOut(actions, payload: nil) }
      let name = fetches.removeFirst().name
      handle(.blobsFetched(name))
    }
  }

  private func advance(_ event: BlobDownload.Event, payload: Frame? = nil) {
    guard !fetches.isEmpty else { return }
    carryOut(fetches[0].handle(event), payload: payload)
  }

  private func carryOut(_ actions: [BlobDownload.Action], payload: Frame?) {
    var actions = actions
    while !actions.isEmpty {
      switch actions.removeFirst() {
      case .request(let request): client.loop.post(to: client) { $0.post(.blob(request)) }
      case .write(let offset, _): fetches[0].write(payload, at: offset)
      case .verify:
        let isRight = fetches[0].isRight
        actions += fetches[0].handle(.verified(isRight, at: .now))
      case .finished: return blobFinished()
      case .failed(let failure): return fetchFailed("blob: \(failure)")
      }
    }
  }

  private func blobFinished() {
    guard let blob = fetches[0].take() else { return }
    do throws(RegistryError) {
      try models.keep(blob.bytes, as: blob.digest)
      KillPoint.reached(.serving, .afterRecord, "blob")
      beginBlob()
    } catch {
      fetchFailed(error.description)
    }
  }

  private func fetchFailed(_ reason: String) {
    let name = fetches.removeFirst().name
    handle(.fetchFailed(name, reason))
    beginBlob()
  }
}
