import Federation
import ModelRegistry

/// A version as the serving node speaks of it.
package struct VersionName: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let model: ModelName
  package let version: ModelVersion

  package init(_ model: ModelName, _ version: ModelVersion) {
    self.model = model
    self.version = version
  }

  package var description: String { "\(model)@\(version)" }
  package static func < (a: VersionName, b: VersionName) -> Bool { (a.model, a.version) < (b.model, b.version) }
}

/// The versions of one model on one serving node: TensorFlow Serving's aspired versions, with aliases.
///
///     fetching ─▶ verifying ─▶ loading ─▶ warming up ─▶ ready ─▶ draining ─▶ (unloaded)
///        ▲ ╲ network           ▲  ╲ ╲ bad bytes, bad model: quarantined, never tried again
///        waiting               waiting for memory
///
/// Availability comes first: an alias keeps the version that it serves until the next one is ready, and a version is
/// drained only when no alias serves it. One version at a time is on its way; if an alias moves on meanwhile, the version
/// is still offered when it is ready, so that a node slower than the rounds makes progress all the same. The version that
/// an alias served before stays loaded as its standby, so that going back takes no time, until memory is short. A version
/// that was retired is the exception: it is withdrawn at once, whether anything takes its place or not.
struct Rollout: Sendable {
  enum Status: Equatable, Sendable {
    case fetching(attempt: Int)
    case waiting(attempt: Int)
    case verifying
    case loading
    case waitingForMemory
    case warmingUp
    case ready
    case draining
  }

  /// Longest pause between two attempts to fetch a version.
  static let pauseMax = Duration.seconds(32)
  /// Versions that are remembered as bad.
  static let quarantineCountMax = 256

  let model: ModelName
  /// Whether the version that an alias served before stays loaded.
  private let keepsStandby: Bool
  /// Where the aliases point, as the coordinator has it.
  private(set) var announced: [Alias: ModelVersion] = [:]
  /// Where they point for this node's users: at ready versions only.
  private(set) var served: [Alias: ModelVersion] = [:]
  /// What the aliases served before: loaded, and not in use.
  private(set) var standbys: [Alias: ModelVersion] = [:]
  /// Never offered, never loaded.
  private var retired: Set<ModelVersion>
  /// Whether something was unloaded since a version was last refused for want of memory.
  private var hasRoom = false
  private var manifests: [ModelVersion: (digest: Digest, manifest: Manifest)] = [:]
  private var statuses: [ModelVersion: Status] = [:]
  /// Aliases that pointed at a version while it was on its way.
  private var pledges: [ModelVersion: Set<Alias>] = [:]
  /// Digests of manifests, well signed, whose bytes or models are bad; the oldest goes when there are too many.
  private var quarantined: [Digest] = []

  init(model: ModelName, keepsStandby: Bool, retired: Set<ModelVersion>) {
    self.model = model
    self.keepsStandby = keepsStandby
    self.retired = retired
  }

  func status(of version: ModelVersion) -> Status? { statuses[version] }
  func digest(of version: ModelVersion) -> Digest? { manifests[version]?.digest }
  func isQuarantined(_ digest: Digest) -> Bool { quarantined.contains(digest) }
  var isIdle: Bool { announced.isEmpty && served.isEmpty && statuses.isEmpty }
  /// Whether memory will be free soon, without anybody giving way.
  var isDraining: Bool { statuses.values.contains(.draining) }

  // MARK: State of the federation

  /// Learns a manifest whose signature has been verified.
  mutating func learn(_ manifest: Manifest, digest: Digest) { manifests[manifest.version] = (digest, manifest) }

  /// Replaces the alias table, as a snapshot does.
  mutating func announce(_ aliases: [Alias: ModelVersion]) -> [ServingAction] {
    announced = aliases.filter { !retired.contains($0.value) }
    return advance()
  }

  /// Moves one alias, as a record does.
  mutating func announce(_ alias: Alias, at version: ModelVersion) -> [ServingAction] {
    guard !retired.contains(version) else { return [] }
    announced[alias] = version
    return advance()
  }

  /// Takes an alias away.
  mutating func remove(_ alias: Alias) -> [ServingAction] {
    announced[alias] = nil
    return advance()
  }

  /// Stops with a version wherever it is, for good.
  mutating func retire(_ version: ModelVersion) -> [ServingAction] {
    retired.insert(version)
    announced = announced.filter { $0.value != version }
    standbys = standbys.filter { $0.value != version }
    pledges[version] = nil
    var actions: [ServingAction] = []
    switch statuses[version] {
    case nil, .ready, .draining: break
    case .fetching, .waiting: statuses[version] = nil
    case .verifying, .loading, .waitingForMemory, .warmingUp:
      statuses[version] = nil
      actions.append(.unload(VersionName(model, version)))
    }
    return actions + advance()
  }

  func canAnnounce(_ alias: Alias) -> Bool {
    announced[alias] != nil || announced.count < ServingStateMachine.aliasCountMax
  }

  // MARK: Progress of a version

  mutating func blobsFetched(_ version: ModelVersion) -> [ServingAction] {
    guard case .fetching = statuses[version], let known = manifests[version] else { return [] }
    statuses[version] = .verifying
    return [.verifyBlobs(VersionName(model, version), known.manifest)]
  }

  mutating func fetchFailed(_ version: ModelVersion, _ reason: String) -> [ServingAction] {
    guard case .fetching(let attempt) = statuses[version] else { return [] }
    statuses[version] = .waiting(attempt: attempt)
    let pause = min(Duration.seconds(1 << min(attempt, 16)), Self.pauseMax)
    let name = VersionName(model, version)
    return [.report(.fetchFailed(name, reason)), .retryFetch(name, after: pause)] + advance()
  }

  mutating func retryDue(_ version: ModelVersion) -> [ServingAction] {
    guard case .waiting(let attempt) = statuses[version] else { return [] }
    statuses[version] = nil
    guard announced.values.contains(version) else { return advance() }
    guard !isBusy else {
      // Another version is on its way; look again when it has arrived.
      statuses[version] = .waiting(attempt: attempt)
      return [.retryFetch(VersionName(model, version), after: .seconds(1))]
    }
    return start(version, attempt: attempt + 1)
  }

  mutating func verified(_ version: ModelVersion) -> [ServingAction] {
    step(version, from: .verifying, to: .loading, then: .load(VersionName(model, version)))
  }

  /// There is no memory for the version now. It waits; what is served stays.
  mutating func loadRefused(_ version: ModelVersion, _ reason: String) -> [ServingAction] {
    guard statuses[version] == .loading else { return [] }
    statuses[version] = .waitingForMemory
    hasRoom = false
    return [.report(.loadRefused(VersionName(model, version), reason))] + advance()
  }

  /// Something was unloaded on this node: what waits for memory may try again.
  mutating func memoryFreed() -> [ServingAction] {
    guard statuses.values.contains(.waitingForMemory) else { return [] }
    hasRoom = true
    return advance()
  }

  /// Gives up the oldest standby, so that another version can be loaded; empty if there is none.
  mutating func giveWay() -> [ServingAction] {
    let inUse = Set(served.values).union(announced.values)
    guard let oldest = Set(standbys.values).subtracting(inUse).min() else { return [] }
    standbys = standbys.filter { $0.value != oldest }
    return advance()
  }

  mutating func loaded(_ version: ModelVersion) -> [ServingAction] {
    step(version, from: .loading, to: .warmingUp, then: .warmUp(VersionName(model, version)))
  }

  mutating func warmedUp(_ version: ModelVersion) -> [ServingAction] {
    guard statuses[version] == .warmingUp else { return [] }
    statuses[version] = .ready
    return advance()
  }

  /// The version's bytes or the model in them are bad. What is served stays.
  mutating func failed(_ version: ModelVersion, _ reason: String) -> [ServingAction] {
    switch statuses[version] {
    case .verifying, .loading, .warmingUp: break
    case nil, .fetching, .waiting, .waitingForMemory, .ready, .draining: return []
    }
    let isLoaded = statuses[version] == .warmingUp
    statuses[version] = nil
    pledges[version] = nil
    if let digest = manifests[version]?.digest {
      quarantined = quarantined.suffix(Self.quarantineCountMax - 1) + [digest]
    }
    let name = VersionName(model, version)
    return [.report(.quarantined(name, reason))] + (isLoaded ? [.unload(name)] : []) + advance()
  }

  mutating func drained(_ version: ModelVersion) -> [ServingAction] {
    guard statuses[version] == .draining else { return [] }
    statuses[version] = nil
    return [.unload(VersionName(model, version))] + advance()
  }

  // MARK: Policy

  private mutating func step(_ version: ModelVersion, from: Status, to next: Status, then action: ServingAction)
    -> [ServingAction]
  {
    guard statuses[version] == from else { return [] }
    statuses[version] = next
    return [action]
  }

  /// Whether a version is on its way.
  private var isBusy: Bool {
    statuses.values.contains { status in
      switch status {
      case .fetching, .verifying, .loading, .warmingUp: true
      case .waiting, .waitingForMemory, .ready, .draining: false
      }
    }
  }

  private mutating func start(_ version: ModelVersion, attempt: Int) -> [ServingAction] {
    guard let known = manifests[version] else { return [] }
    statuses[version] = .fetching(attempt: attempt)
    return [.fetchBlobs(VersionName(model, version), known.manifest.tensors.map(\.digest))]
  }

  /// Moves aliases to ready versions, drains what nobody is served by, and starts on the highest version that is due or
  /// waits for memory that there may be now.
  private mutating func advance() -> [ServingAction] {
    for (alias, version) in announced where statuses[version] != nil && statuses[version] != .ready {
      pledges[version, default: []].insert(alias)
    }
    var actions = switchAliases()
    for version in statuses.keys.sorted() where statuses[version] == .ready {
      guard !served.values.contains(version), !announced.values.contains(version), !standbys.values.contains(version)
      else { continue }
      statuses[version] = .draining
      actions.append(.drain(VersionName(model, version)))
    }
    actions += dropSuperseded()
    if !isBusy, hasRoom, let version = waitingForMemory.max() {
      hasRoom = false
      statuses[version] = .loading
      actions.append(.load(VersionName(model, version)))
    }
    if !isBusy, let version = announced.values.filter(isDue).max() {
      actions += start(version, attempt: 0)
      for (alias, target) in announced where target == version { pledges[version, default: []].insert(alias) }
    }
    forget()
    return actions
  }

  private var waitingForMemory: [ModelVersion] {
    statuses.filter { $0.value == .waitingForMemory }.keys.sorted()
  }

  /// A version that no alias points to any more does not wait for memory on.
  private mutating func dropSuperseded() -> [ServingAction] {
    let superseded = waitingForMemory.filter { !announced.values.contains($0) }
    for version in superseded { statuses[version] = nil }
    return superseded.map { .unload(VersionName(model, $0)) }
  }

  private func isDue(_ version: ModelVersion) -> Bool {
    guard statuses[version] == nil, let known = manifests[version] else { return false }
    return !quarantined.contains(known.digest)
  }

  private mutating func switchAliases() -> [ServingAction] {
    var actions: [ServingAction] = []
    for alias in Set(announced.keys).union(served.keys).sorted() {
      let before = served[alias]
      let kept = before.flatMap { retired.contains($0) ? nil : $0 }
      guard let target = announced[alias] else {
        served[alias] = nil
        standbys[alias] = nil
        actions.append(.withdraw(model, alias))
        continue
      }
      served[alias] = kept
      if let version = offerable(alias, target), version != kept {
        served[alias] = version
        standbys[alias] = keepsStandby ? kept : nil
        actions.append(.offer(VersionName(model, version), alias))
      } else if kept == nil, before != nil {
        actions.append(.withdraw(model, alias))
      }
    }
    return actions
  }

  /// The version that the alias can serve now: its target if that is ready, otherwise the newest ready version on the way
  /// from what it serves to its target.
  private func offerable(_ alias: Alias, _ target: ModelVersion) -> ModelVersion? {
    if statuses[target] == .ready { return target }
    let floor = served[alias]
    return pledges.filter { version, aliases in
      aliases.contains(alias) && statuses[version] == .ready && version < target && floor.map { $0 < version } ?? true
    }.keys.max()
  }

  /// Drops what is known of versions that nobody will ask for again.
  private mutating func forget() {
    let needed = Set(announced.values).union(served.values).union(statuses.keys)
    manifests = manifests.filter { needed.contains($0.key) }
    pledges = pledges.filter { statuses[$0.key] != nil }
  }

  /// Traps if a rule of the rollout is broken.
  func checkInvariants() {
    for (alias, version) in served {
      precondition(statuses[version] == .ready, "\(model)@\(alias) serves version \(version), which is not ready")
    }
    for (alias, version) in standbys {
      precondition(keepsStandby, "\(model)@\(alias) has a standby that nobody asked for")
      precondition(statuses[version] == .ready, "\(model)@\(alias) has the standby \(version), which is not ready")
    }
    for version in retired {
      precondition(!served.values.contains(version), "\(model)@\(version) is retired and served")
      precondition(!announced.values.contains(version), "\(model)@\(version) is retired and announced")
      precondition([nil, .draining].contains(statuses[version]), "\(model)@\(version) is retired and on its way")
    }
    for (version, status) in statuses where status != .draining {
      guard let digest = manifests[version]?.digest else { preconditionFailure("\(model)@\(version) has no manifest") }
      precondition(!quarantined.contains(digest), "\(model)@\(version) is on its way and quarantined")
    }
  }
}
