import Federation
import ModelRegistry

/// What happens at a serving node.
package enum ServingEvent: Sendable {
  /// Before anything else: the versions and aliases that an earlier process of this node served.
  case remembered([StateSnapshot.Entry])
  /// The node has subscribed to the state socket.
  case started
  case recordReceived(StateRecord)
  case snapshotReceived(StateSnapshot)
  /// The request was refused, or its deadline passed.
  case snapshotFailed(String)
  case snapshotRetryDue
  /// No record or heartbeat for `silenceMax`.
  case silencePassed
  /// All blobs of the version are in the store.
  case blobsFetched(VersionName)
  case fetchFailed(VersionName, String)
  case fetchRetryDue(VersionName)
  case verified(VersionName)
  case verificationFailed(VersionName, VerificationError)
  case loaded(VersionName)
  case loadFailed(VersionName, String)
  /// There is no memory for the version now; nothing is wrong with it.
  case loadRefused(VersionName, String)
  case warmedUp(VersionName)
  case warmUpFailed(VersionName, String)
  /// The last request that uses the version has been answered.
  case drained(VersionName)
}

/// What the driver of a serving node has to do.
package enum ServingAction: Hashable, Sendable {
  case requestSnapshot
  case retrySnapshot(after: Duration)
  /// Starts again the timer that ends in `silencePassed`.
  case watchSilence(after: Duration)
  /// Gets the blobs that are not in the store yet.
  case fetchBlobs(VersionName, [Digest])
  case retryFetch(VersionName, after: Duration)
  /// Hashes the blobs and puts the version together, all against the manifest.
  case verifyBlobs(VersionName, Manifest)
  case load(VersionName)
  case warmUp(VersionName)
  /// From now on the alias means this version, for every request that comes in.
  case offer(VersionName, Alias)
  /// The alias is gone.
  case withdraw(ModelName, Alias)
  /// Answers what is under way with this version, then says `drained`.
  case drain(VersionName)
  case unload(VersionName)
  /// Remembers durably that the version is never to be offered again, and refuses it from now on.
  case retire(RetiredVersion)
  case report(ServingReport)
}

/// What an operator wants to know.
package enum ServingReport: Hashable, Sendable {
  case joined(epoch: UInt64, sequence: UInt64)
  case joining(StateFollower.Reason)
  case publisherLost
  case publisherFound
  case snapshotFailed(String)
  case fetchFailed(VersionName, String)
  /// A manifest that no coordinator of the federation has signed as it is.
  case refused(VersionName, String)
  /// The version's bytes are bad and are never tried again; what was served before is still served.
  case quarantined(VersionName, String)
  /// No memory for the version now; what was served before is still served.
  case loadRefused(VersionName, String)
  /// A version that is known was announced with other bytes. The known one stays.
  case conflict(VersionName, known: Digest, announced: Digest)
  /// More models or aliases than a node keeps.
  case ignored(String)
}

/// A serving node: follows the coordinator's state, brings versions in, and offers only what is verified, loaded and warm.
///
/// No signature, no digest, no service: manifests are verified here when a snapshot brings them, blobs by `verifyBlobs`
/// before `load`. A bad version leaves the old one serving.
package struct ServingStateMachine: Sendable {
  /// Three heartbeats of 0.5 s missed.
  package static let silenceMax = Duration.milliseconds(1500)
  package static let snapshotPause = Duration.seconds(1)
  package static let modelCountMax = 64
  /// Of one model; each may keep a version loaded.
  package static let aliasCountMax = 16

  private let membership: MembershipList
  private let keepsStandby: Bool
  /// In the order in which they became known; the oldest goes when there are more than `RetiredVersion.countMax`.
  private var retired: [RetiredVersion]
  private var follower = StateFollower()
  private var rollouts: [ModelName: Rollout] = [:]
  private var isPublisherLost = false
  private var isSnapshotAsked = false
  /// Snapshots in a row that led to another one.
  private var fruitlessSnapshots = 0

  /// - Parameters:
  ///   - membership: whose coordinators may sign what this node serves.
  ///   - standby: versions that an alias served before and that stay loaded, 0 or 1 of each alias.
  ///   - retired: what an earlier process was told.
  package init(membership: MembershipList, standby: Int = 1, retired: [RetiredVersion] = []) {
    precondition((0...1).contains(standby), "an alias has one standby or none")
    self.membership = membership
    keepsStandby = standby > 0
    self.retired = retired.suffix(RetiredVersion.countMax)
  }

  /// The version that an alias stands for, for a request that comes in now; nil if there is none yet.
  package func version(of alias: Alias, of model: ModelName) -> ModelVersion? { rollouts[model]?.served[alias] }

  /// Whether the publisher is heard of and the node knows its state.
  package var isCurrent: Bool { !isPublisherLost && !follower.isJoining }

  /// Why a version was retired; nil if it was not, as far as this node knows.
  package func retirement(of name: VersionName) -> RetiredVersion? {
    retired.first { $0.model == name.model && $0.version == name.version }
  }

  /// Takes an event; the actions are to be carried out in order.
  package mutating func handle(_ event: ServingEvent) -> [ServingAction] {
    let actions = follow(event)
    let isMemoryFreed = actions.contains { if case .unload = $0 { true } else { false } }
    return isMemoryFreed ? actions + memoryFreed() : actions
  }

  private mutating func follow(_ event: ServingEvent) -> [ServingAction] {
    switch event {
    case .remembered(let entries): return take(entries)
    case .started:
      return [.report(.joining(.started)), .watchSilence(after: Self.silenceMax)] + askForSnapshot()
    case .recordReceived(let record): return signOfLife() + apply(follower.receive(record))
    case .snapshotReceived(let snapshot): return apply(snapshot)
    case .snapshotFailed(let reason):
      guard isSnapshotAsked else { return [] }
      isSnapshotAsked = false
      return [.report(.snapshotFailed(reason)), .retrySnapshot(after: Self.snapshotPause)]
    case .snapshotRetryDue: return follower.isJoining ? askForSnapshot() : []
    case .silencePassed:
      guard !isPublisherLost else { return [] }
      isPublisherLost = true
      return [.report(.publisherLost)]
    case .blobsFetched(let name): return change(name) { $0.blobsFetched(name.version) }
    case .fetchFailed(let name, let reason): return change(name) { $0.fetchFailed(name.version, reason) }
    case .fetchRetryDue(let name): return change(name) { $0.retryDue(name.version) }
    case .verified(let name): return bring(name) { $0.verified(name.version) }
    case .verificationFailed(let name, let error): return change(name) { $0.failed(name.version, error.description) }
    case .loaded(let name): return bring(name) { $0.loaded(name.version) }
    case .loadFailed(let name, let reason), .warmUpFailed(let name, let reason):
      return change(name) { $0.failed(name.version, reason) }
    case .loadRefused(let name, let reason):
      return bring(name) { $0.loadRefused(name.version, reason) } + makeRoom(for: name)
    case .warmedUp(let name): return change(name) { $0.warmedUp(name.version) }
    case .drained(let name): return change(name) { $0.drained(name.version) }
    }
  }

  /// Traps if a rule is broken; for simulations and tests.
  package func checkInvariants() { for rollout in rollouts.values { rollout.checkInvariants() } }

  // MARK: Memory

  private mutating func memoryFreed() -> [ServingAction] {
    rollouts.keys.sorted().flatMap { model in change(VersionName(model, 0)) { $0.memoryFreed() } }
  }

  /// Unloads one standby, of the same model rather than of another, unless memory will be free anyway.
  private mutating func makeRoom(for name: VersionName) -> [ServingAction] {
    guard rollouts[name.model]?.status(of: name.version) == .waitingForMemory,
      !rollouts.values.contains(where: \.isDraining)
    else { return [] }
    for candidate in [name.model] + rollouts.keys.filter({ $0 != name.model }).sorted() {
      let actions = change(VersionName(candidate, 0)) { $0.giveWay() }
      if !actions.isEmpty { return actions }
    }
    return []
  }

  // MARK: State of the federation

  private mutating func signOfLife() -> [ServingAction] {
    guard isPublisherLost else { return [.watchSilence(after: Self.silenceMax)] }
    isPublisherLost = false
    return [.report(.publisherFound), .watchSilence(after: Self.silenceMax)]
  }

  private mutating func askForSnapshot() -> [ServingAction] {
    guard !isSnapshotAsked else { return [] }
    isSnapshotAsked = true
    return [.requestSnapshot]
  }

  private mutating func apply(_ outcome: StateFollower.Outcome) -> [ServingAction] {
    switch outcome {
    case .ignore: return []
    case .apply(let record): return apply(record)
    case .join(let reason):
      let ask = fruitlessSnapshots > 0 ? [.retrySnapshot(after: Self.snapshotPause)] : askForSnapshot()
      return [.report(.joining(reason))] + ask
    }
  }

  private mutating func apply(_ record: StateRecord) -> [ServingAction] {
    switch record.kind {
    case .heartbeat: return []
    case .versionPublished(let model, let version, let digest):
      guard let known = rollouts[model]?.digest(of: version) else {
        // The signed manifest comes with a snapshot; so does where the aliases point by then.
        return apply(follower.join(becauseOf: .unknownManifest))
      }
      return known == digest
        ? [] : [.report(.conflict(VersionName(model, version), known: known, announced: digest))]
    case .aliasMoved(let model, let alias, let version):
      guard let rollout = rollouts[model], rollout.digest(of: version) != nil else {
        return apply(follower.join(becauseOf: .unknownManifest))
      }
      guard rollout.canAnnounce(alias) else { return [.report(.ignored("\(model)@\(alias): too many aliases"))] }
      return change(VersionName(model, version)) { $0.announce(alias, at: version) }
    case .aliasRemoved(let model, let alias): return change(VersionName(model, 0)) { $0.remove(alias) }
    case .versionRetired(let version): return retire(version)
    }
  }

  /// Learns of a retired version; nothing happens if it is known.
  private mutating func retire(_ version: RetiredVersion) -> [ServingAction] {
    let name = VersionName(version.model, version.version)
    guard retirement(of: name) == nil else { return [] }
    if let known = rollouts[name.model]?.digest(of: name.version), known != version.digest {
      return [.report(.conflict(name, known: known, announced: version.digest))]
    }
    retired = retired.suffix(RetiredVersion.countMax - 1) + [version]
    return [.retire(version)] + change(name) { $0.retire(name.version) }
  }

  private mutating func apply(_ snapshot: StateSnapshot) -> [ServingAction] {
    guard isSnapshotAsked else { return [] }
    isSnapshotAsked = false
    let (isAccepted, outcomes) = follower.receive(snapshot)
    var actions: [ServingAction] = []
    if isAccepted {
      actions.append(.report(.joined(epoch: snapshot.epoch, sequence: snapshot.sequence)))
      // Where the aliases point by now comes first: what takes the place of a retired version may be ready.
      actions += take(snapshot.entries)
      for version in snapshot.retired { actions += retire(version) }
    }
    for outcome in outcomes { actions += apply(outcome) }
    fruitlessSnapshots = follower.isJoining ? fruitlessSnapshots + 1 : 0
    return actions
  }

  /// Takes over all models and aliases of a snapshot; what it leaves out is gone.
  private mutating func take(_ entries: [StateSnapshot.Entry]) -> [ServingAction] {
    var actions: [ServingAction] = []
    var aliases: [ModelName: [Alias: ModelVersion]] = [:]
    for entry in entries {
      let name = VersionName(entry.model, entry.version)
      guard rollouts[entry.model] != nil || rollouts.count < Self.modelCountMax else {
        actions.append(.report(.ignored("\(name): too many models")))
        continue
      }
      let (isUsable, reports) = learn(entry)
      actions += reports
      guard isUsable else { continue }
      for alias in entry.aliases {
        guard aliases[entry.model, default: [:]].count < Self.aliasCountMax else {
          actions.append(.report(.ignored("\(name): too many aliases")))
          break
        }
        aliases[entry.model, default: [:]][alias] = entry.version
      }
    }
    for model in rollouts.keys.sorted() {
      let table = keepingOld(aliases[model] ?? [:], of: model, in: entries)
      actions += change(VersionName(model, 0)) { $0.announce(table) }
    }
    return actions
  }

  /// An alias of a bad entry stays where it was: only a snapshot that does not have the alias at all takes it away.
  private func keepingOld(_ table: [Alias: ModelVersion], of model: ModelName, in entries: [StateSnapshot.Entry])
    -> [Alias: ModelVersion]
  {
    let mentioned = Set(entries.filter { $0.model == model }.flatMap(\.aliases))
    return table.merging((rollouts[model]?.announced ?? [:]).filter { mentioned.contains($0.key) }) { new, _ in new }
  }

  /// Verifies the manifest of an entry; false if the entry cannot be used.
  private mutating func learn(_ entry: StateSnapshot.Entry) -> (Bool, [ServingAction]) {
    let name = VersionName(entry.model, entry.version)
    let digest = entry.manifest.digest
    if retirement(of: name) != nil { return (false, []) }
    var rollout = rollouts[entry.model] ?? newRollout(of: entry.model)
    defer { rollouts[entry.model] = rollout }
    if rollout.isQuarantined(digest) { return (false, []) }
    if let known = rollout.digest(of: entry.version) {
      guard known == digest else {
        return (false, [.report(.conflict(name, known: known, announced: digest))])
      }
      return (true, [])
    }
    do throws(VerificationError) {
      let manifest = try entry.manifest.verify(membership: membership)
      let found = VersionName(manifest.model, manifest.version)
      guard found == name else { throw .otherVersion(found: "\(found)", expected: "\(name)") }
      rollout.learn(manifest, digest: digest)
      return (true, [])
    } catch {
      return (false, [.report(.refused(name, error.description))])
    }
  }

  /// As `change`, for what takes memory: a version that was retired meanwhile is let go again.
  private mutating func bring(_ name: VersionName, _ body: (inout Rollout) -> [ServingAction]) -> [ServingAction] {
    guard retirement(of: name) == nil || rollouts[name.model]?.status(of: name.version) != nil else {
      return [.unload(name)]
    }
    return change(name, body)
  }

  private func newRollout(of model: ModelName) -> Rollout {
    let gone = retired.filter { $0.model == model }.map(\.version)
    return Rollout(model: model, keepsStandby: keepsStandby, retired: Set(gone))
  }

  /// Hands an event to the model's rollout; a model that is not known has nothing to do.
  private mutating func change(_ name: VersionName, _ body: (inout Rollout) -> [ServingAction]) -> [ServingAction] {
    guard var rollout = rollouts[name.model] else { return [] }
    let actions = body(&rollout)
    rollouts[name.model] = rollout.isIdle ? nil : rollout
    return actions
  }
}
