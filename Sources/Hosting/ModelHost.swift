import Federation
import GradientKernel
import Inference
import ModelRegistry
import Observability
import Serving
import Synchronization

/// The versions that answer now, by name: what every path of requests looks a model up in. Any thread may.
package final class ModelHost: Sendable {
  package struct Options: Hashable, Sendable {
    /// For all loaded versions together, in bytes.
    package var memoryMax: Int
    /// Threads that may compute with one version at a time.
    package var threads: Int
    /// What a request without a version means: the first of these aliases that the model has.
    package var defaultAliases: [Alias]

    package init(memoryMax: Int = 2 << 30, threads: Int = 2, defaultAliases: [Alias]) {
      self.memoryMax = memoryMax
      self.threads = threads
      self.defaultAliases = defaultAliases
    }
  }

  /// A version as the repository index shows it.
  package struct Listing: Hashable, Sendable {
    package enum State: Hashable, Sendable {
      case ready
      case loading
      /// With the reason.
      case unavailable(String)
    }

    package let name: VersionName
    package let state: State
    /// Sorted.
    package let aliases: [Alias]
  }

  private struct Shelf {
    let model: ModelName
    var versions: [ModelVersion: ServedModel] = [:]
    var aliases: [Alias: ModelVersion] = [:]
    /// Versions that do not answer, and why.
    var absent: [ModelVersion: Listing.State] = [:]
    /// An administrator has taken the model out of service.
    var isWithheld = false
  }

  private struct Table {
    var shelves: [String: Shelf] = [:]
    /// Bytes of everything that is loaded or on its way, by a number of its own: a version may come while it is still going.
    var reserved: [UInt64: Int] = [:]
    var lastReservation: UInt64 = 0
    var loadedCount: Int { shelves.values.reduce(0) { $0 + $1.versions.count } }
  }

  /// Versions of a model that are listed although they do not answer.
  static let absentMax = 64

  package let options: Options
  private let table = Mutex(Table())

  private let metrics: ServingMetrics

  package init(options: Options, metrics: ServingMetrics) {
    self.options = options
    self.metrics = metrics
  }

  // MARK: Loading

  /// Reserves memory for a version and loads it. It answers nobody before `add`.
  ///
  /// - Parameter released: called once, on any thread, when the last request that used the version has been answered.
  /// - Throws: `HostingError.memory` if what is loaded leaves no room; nothing is then changed.
  package func load(
    _ artifact: ModelArtifact, manifest: Manifest, digest: Digest, released: @escaping @Sendable () -> Void
  ) throws(HostingError) -> ServedModel {
    let name = VersionName(manifest.model, manifest.version)
    let reservation = try reserve(for: manifest.architecture)
    do throws(HostingError) {
      let model = name.model.text, version = "\(name.version)"
      return try ServedModel(
        manifest: manifest, digest: digest, tensors: artifact.tensors,
        metrics: metrics.version(model, version, digest: "\(digest)")
      ) { [self] in
        // The memory is free before anybody hears of it.
        free(reservation)
        metrics.forget(model, version)
        released()
      }
    } catch {
      free(reservation)
      throw error
    }
  }

  /// - Returns: the number of the reservation.
  private func reserve(for text: String) throws(HostingError) -> UInt64 {
    let architecture: ModelArchitecture
    do throws(ArchitectureError) {
      architecture = try ModelArchitecture(parsing: text)
    } catch {
      throw .model("\(error)")
    }
    let needed = ServedModel.byteCountMax(of: architecture, sessions: options.threads)
    let made = table.withLock { table -> Result<UInt64, HostingError> in
      let free = options.memoryMax - table.reserved.values.reduce(0, +)
      guard needed <= free else { return .failure(.memory(needed: needed, free: free)) }
      table.lastReservation += 1
      table.reserved[table.lastReservation] = needed
      return .success(table.lastReservation)
    }
    return try made.get()
  }

  private func free(_ reservation: UInt64) { table.withLock { _ = $0.reserved.removeValue(forKey: reservation) } }

  // MARK: What answers

  /// From now on the version answers whoever names it.
  package func add(_ model: ServedModel) {
    // What is replaced may end here, and its end takes the lock: so it is let go outside.
    let replaced = table.withLock { table -> ServedModel? in
      var shelf = table.shelves[model.name.model.text] ?? Shelf(model: model.name.model)
      let former = shelf.versions.updateValue(model, forKey: model.name.version)
      shelf.absent[model.name.version] = nil
      table.shelves[model.name.model.text] = shelf
      return former
    }
    withExtendedLifetime(replaced) {}
  }

  /// From now on the alias means this version.
  ///
  /// - Precondition: the version was added.
  package func point(_ alias: Alias, at name: VersionName) {
    change(name.model) { shelf in
      precondition(shelf.versions[name.version] != nil, "an alias points to a version that answers")
      shelf.aliases[alias] = name.version
    }
  }

  package func withdraw(_ alias: Alias, of model: ModelName) { change(model) { $0.aliases[alias] = nil } }

  /// The version answers no new request; those in hand keep it.
  package func remove(_ name: VersionName) {
    let gone = table.withLock { table in table.shelves[name.model.text]?.versions.removeValue(forKey: name.version) }
    withExtendedLifetime(gone) {}
  }

  /// Lists a version that does not answer, with the reason; nil forgets it.
  package func note(_ name: VersionName, _ state: Listing.State?) {
    table.withLock { table in
      var shelf: Shelf
      switch table.shelves[name.model.text] {
      case let known?: shelf = known
      case nil where table.shelves.count < ServingStateMachine.modelCountMax: shelf = Shelf(model: name.model)
      case nil: return
      }
      guard shelf.versions[name.version] == nil else { return }
      shelf.absent[name.version] = state
      if shelf.absent.count > Self.absentMax, let oldest = shelf.absent.keys.min() { shelf.absent[oldest] = nil }
      table.shelves[name.model.text] = shelf
    }
  }

  private func change(_ model: ModelName, _ body: (inout Shelf) -> Void) {
    table.withLock { body(&$0.shelves[model.text, default: Shelf(model: model)]) }
  }

  /// Takes a model out of service, or back into it. Its versions stay in memory and in step with the federation.
  ///
  /// - Returns: false if there is no such model.
  package func withhold(_ model: String, _ isWithheld: Bool) -> Bool {
    table.withLock { table in
      guard table.shelves[model] != nil else { return false }
      table.shelves[model]?.isWithheld = isWithheld
      return true
    }
  }

  // MARK: Requests

  /// The version that a request means.
  ///
  /// - Parameters:
  ///   - model: as the request names it.
  ///   - version: a number or an alias; nil for the model's default.
  /// - Throws: `InferenceError` of kind `notFound` or `notReady`.
  package func find(_ model: String, version: String?) throws(InferenceError) -> ServedModel {
    let found = table.withLock { table -> Result<ServedModel, InferenceError> in
      guard let shelf = table.shelves[model], !shelf.versions.isEmpty || !shelf.absent.isEmpty else {
        return .failure(InferenceError(.notFound, "found no model '\(model.prefix(128))' here"))
      }
      return Self.find(version, on: shelf, model, defaults: options.defaultAliases)
    }
    return try found.get()
  }

  private static let withheldReason = "was unloaded by an administrator"

  private static func find(_ version: String?, on shelf: Shelf, _ model: String, defaults: [Alias])
    -> Result<ServedModel, InferenceError>
  {
    guard !shelf.isWithheld else {
      return .failure(InferenceError(.notReady, "'\(model)' \(withheldReason)"))
    }
    guard let version else {
      for alias in defaults {
        if let model = shelf.aliases[alias].flatMap({ shelf.versions[$0] }) { return .success(model) }
      }
      return .failure(InferenceError(.notReady, "no version of '\(model)' is ready"))
    }
    if let number = UInt64(version) {
      if let model = shelf.versions[ModelVersion(number)] { return .success(model) }
      guard let state = shelf.absent[ModelVersion(number)] else {
        return .failure(InferenceError(.notFound, "found no version \(number) of '\(model)' here"))
      }
      let reason = if case .unavailable(let reason) = state { reason } else { "it is being loaded" }
      return .failure(InferenceError(.notReady, "version \(number) of '\(model)' is not ready: \(reason)"))
    }
    if let alias = Alias(version), let model = shelf.aliases[alias].flatMap({ shelf.versions[$0] }) {
      return .success(model)
    }
    return .failure(InferenceError(.notFound, "found no version '\(version.prefix(64))' of '\(model)' here"))
  }

  /// Whether a model has an answer for requests that name no version.
  package var isAnyReady: Bool { table.withLock { $0.loadedCount > 0 } }

  /// All versions that answer or should, by model, newest first.
  package var listings: [Listing] {
    table.withLock { $0.shelves.values.flatMap(Self.listings) }.sorted {
      ($0.name.model, $1.name.version) < ($1.name.model, $0.name.version)
    }
  }

  private static func listings(of shelf: Shelf) -> [Listing] {
    let ready = shelf.versions.keys.map { version in
      Listing(
        name: VersionName(shelf.model, version),
        state: shelf.isWithheld ? .unavailable(withheldReason) : .ready,
        aliases: shelf.aliases.filter { $0.value == version }.keys.sorted())
    }
    return ready + shelf.absent.map { Listing(name: VersionName(shelf.model, $0.key), state: $0.value, aliases: []) }
  }

  /// Everything that answers, by model, newest first.
  package var models: [ServedModel] {
    table.withLock { table in table.shelves.values.flatMap(\.versions.values) }
      .sorted { ($0.name.model, $1.name.version) < ($1.name.model, $0.name.version) }
  }

  /// The versions of one model that answer, newest first.
  package func versions(of model: String) -> [ServedModel] {
    table.withLock { ($0.shelves[model]?.versions.values).map(Array.init) ?? [] }
      .sorted { $0.name.version > $1.name.version }
  }
}
