import Federation
import Hosting
import Logging
import ModelRegistry
import Observability
import Serving
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
    /// Let go when the version is in the folder of models.
    var artifact: ModelArtifact?
    /// Verified; nil for a version that was published without.
    let attachments: ModelAttachments?
    var served: ServedModel?
    /// Set when the version is in the folder of models.
    var stored: StoredVersion?
  }

  nonisolated let thread: ComputeThread
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private let membership: MembershipList
  private let models: DirectoryModelStore
  private let client: SnapshotClient
  private let desk: PullDesk
  private let host: ModelHost
  private let records: Backlog
  private let chunks: Backlog
  private let fetchedBytes: Counter
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
    desk: PullDesk, host: ModelHost, records: Backlog, chunks: Backlog, fetchedBytes: Counter, logger: Logger,
    fail: @escaping @Sendable (RuntimeError) -> Void, observe: @escaping @Sendable (ServingAction) -> Void
  ) {
    self.thread = thread
    self.membership = membership
    self.models = models
    self.client = client
    self.desk = desk
    self.host = host
    self.records = records
    self.chunks = chunks
    self.fetchedBytes = fetchedBytes
    self.logger = logger
    self.fail = fail
    self.observe = observe
    machine = ServingStateMachine(membership: membership, retired: Self.retired(in: models, logger: logger))
    shelf = ManifestShelf(membership: membership)
  }

  /// What an earlier process was told never to offer again.
  private static func retired(in models: DirectoryModelStore, logger: Logger) -> [RetiredVersion] {
    do throws(RegistryError) {
      var retired: [RetiredVersion] = []
      for model in try models.models() { retired += try models.retired(of: model) }
      return retired
    } catch {
      logger.error("retired versions cannot be read", metadata: ["error": "\(error)"])
      return []
    }
  }

  // MARK: Events

  /// Brings back what an earlier process served, whether the coordinator is there or not.
  ///
  /// - Parameter entries: stored versions that aliases point to.
  func remember(_ entries: [StateSnapshot.Entry]) {
    shelf.take(entries, keeping: [])
    handle(.remembered(entries))
  }

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
    case .withdraw(let model, let alias): withdraw(alias, of: model)
    case .drain(let name): drain(name)
    case .unload(let name): prepared[name] = nil
    case .retire(let version): retire(version)
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
      let attachments = shelf.attachments(of: signed, of: name)
      try attachments?.verify(signed, membership: membership)
      prepared[name] = Prepared(
        signed: signed, manifest: manifest, artifact: try manifest.assemble(blobs: blobs), attachments: attachments)
      return .verified(name)
    } catch {
      return .verificationFailed(name, error)
    }
  }

  private func load(_ name: VersionName) -> ServingEvent? {
    guard let version = prepared[name], let artifact = version.artifact else { return nil }
    host.note(name, .loading)
    do throws(HostingError) {
      prepared[name]?.served = try host.load(artifact, manifest: version.manifest, digest: version.signed.digest) {
        [weak self, thread] in
        guard let self else { return }
        thread.post(to: self) { $0.handle(.drained(name)) }
      }
      return .loaded(name)
    } catch {
      prepared[name] = nil
      switch error {
      case .memory: return .loadRefused(name, error.description)
      case .model: return .loadFailed(name, error.description)
      }
    }
  }

  /// The version answers nobody who comes now. Its object says when the last of those in hand has been answered.
  private func drain(_ name: VersionName) {
    host.remove(name)
    prepared[name]?.served = nil
  }

  /// Predicts once, then writes the version into the folder of models, where consumers are answered from.
  private func warmUp(_ name: VersionName) -> ServingEvent? {
    guard let version = prepared[name], let artifact = version.artifact, let served = version.served else { return nil }
    do throws(HostingError) {
      try served.warmUp()
    } catch {
      return .warmUpFailed(name, error.description)
    }
    do throws(RegistryError) {
      try models.publish(version.signed, artifact: artifact, attachments: version.attachments)
      KillPoint.reached(.serving, .afterRecord, "version")
      prepared[name]?.artifact = nil
      host.add(served)
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
    host.point(alias, at: name)
    desk.thread.post(to: desk) { $0.offer(stored, as: alias) }
    logger.info("serving", metadata: ["version": "\(name)", "alias": "\(alias)", "digest": "\(stored.digest.short)"])
  }

  /// Gone, for a later process that starts alone too.
  private func withdraw(_ alias: Alias, of model: ModelName) {
    host.withdraw(alias, of: model)
    do throws(RegistryError) {
      try models.remove(alias, of: model)
    } catch {
      logger.error("alias not removed", metadata: ["alias": "\(model)@\(alias)", "error": "\(error)"])
    }
    desk.thread.post(to: desk) { $0.withdraw(alias, of: model) }
  }

  /// Durable first, so that no later process offers the version either; then refused.
  private func retire(_ version: RetiredVersion) {
    do throws(RegistryError) {
      try models.markRetired(version)
      KillPoint.reached(.serving, .afterRecord, "retired")
      _ = try models.settleAliases(of: version.model)
    } catch {
      logger.error(
        "retirement not stored", metadata: ["version": "\(version.model)@\(version.version)", "error": "\(error)"])
    }
    let name = VersionName(version.model, version.version)
    host.remove(name)
    host.note(name, .unavailable("retired: \(version.reason)"))
    desk.thread.post(to: desk) { $0.retire(version) }
    logger.warning(
      "version retired", metadata: ["version": "\(version.model)@\(version.version)", "reason": "\(version.reason)"])
  }

  private func log(_ report: ServingReport) {
    note(report)
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
    case .loadRefused(let name, let reason):
      logger.warning("no memory for version", metadata: ["version": "\(name)", "reason": "\(reason)"])
    case .conflict(let name, let known, let announced):
      logger.error(
        "version announced again with other bytes",
        metadata: ["version": "\(name)", "known": "\(known.short)", "announced": "\(announced.short)"])
    case .ignored(let what): logger.warning("announcement ignored", metadata: ["what": "\(what)"])
    }
  }

  /// Shows in the repository index what is on its way, and why something is not there.
  private func note(_ report: ServingReport) {
    switch report {
    case .fetchFailed(let name, let reason), .refused(let name, let reason), .quarantined(let name, let reason),
      .loadRefused(let name, let reason):
      host.note(name, .unavailable(reason))
    case .joined, .joining, .publisherLost, .publisherFound, .snapshotFailed, .conflict, .ignored: break
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
      fetchedBytes.add(UInt64(blob.bytes.count))
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
