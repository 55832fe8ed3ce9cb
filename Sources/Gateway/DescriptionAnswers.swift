import Federation
import Hosting
import Inference
import Logging
import NIOCore
import Serving

/// What a node says of itself and its models, whichever protocol asks.
extension ServingGateway {
  package var serverMetadata: ServerMetadata { ServerMetadata(name: "murmur", version: options.version) }

  package func metadata(of model: ServedModel) -> ModelMetadata {
    let name = model.name.model.text
    return ModelMetadata(
      name: name, versions: host.versions(of: name).map(\.versionText), platform: ServedModel.platform,
      signature: model.interface.signature)
  }

  package func configuration(of model: ServedModel) -> ModelConfiguration {
    let name = model.name.model.text
    return ModelConfiguration(
      name: name, platform: ServedModel.platform, batchSizeMax: options.batches.batchRowsMax,
      signature: model.interface.signature, versionsServed: max(1, host.versions(of: name).count),
      queueDelayMax: options.batches.delay)
  }

  /// Of one version, of all versions of a model, or of everything that is loaded.
  ///
  /// - Parameter isShown: which models the caller may see where all are asked for.
  package func statistics(
    of model: String?, _ version: String?, where isShown: (String) -> Bool
  ) throws(InferenceError) -> [ModelStatistics] {
    let models: [ServedModel]
    if let model {
      let named = try host.find(model, version: version)
      models = version == nil ? host.versions(of: model) : [named]
    } else {
      models = host.models.filter { isShown($0.name.model.text) }
    }
    return models.map(ModelStatistics.init)
  }

  /// - Parameter isShown: which models the caller may see.
  package func index(isReadyOnly: Bool, where isShown: (String) -> Bool) -> RepositoryIndex {
    let listings = host.listings.filter { isShown($0.name.model.text) && (!isReadyOnly || $0.state == .ready) }
    return RepositoryIndex(entries: listings.map(RepositoryIndex.Entry.init))
  }

  /// Takes a model out of service, or back into it.
  ///
  /// - Throws: `InferenceError` of kind `notFound`. Its first words are those that clients of Triton look for.
  package func withhold(_ model: String, _ isWithheld: Bool) throws(InferenceError) {
    guard host.withhold(model, isWithheld) else {
      let wish = isWithheld ? "unload" : "load"
      throw InferenceError(.notFound, "failed to \(wish) '\(model.prefix(128))': found no such model here")
    }
    logger.notice(isWithheld ? "model unloaded" : "model loaded", metadata: ["model": "\(model)"])
  }
}

extension ModelStatistics {
  fileprivate init(_ model: ServedModel) {
    self.init(name: model.name.model.text, version: model.versionText)
    let figures = model.statistics.figures
    lastInferenceMilliseconds = UInt64(max(0, figures.lastInference))
    inferenceCount = UInt64(figures.inferences)
    executionCount = UInt64(figures.executions)
    success = Total(figures.success)
    fail = Total(figures.failure)
    queue = Total(figures.queue)
    computeInfer = Total(figures.computing)
  }
}

extension ModelStatistics.Total {
  fileprivate init(_ total: VersionStatistics.Total) {
    self.init(count: UInt64(max(0, total.count)), nanoseconds: UInt64(max(0, total.nanoseconds)))
  }
}

extension RepositoryIndex.Entry {
  fileprivate init(_ listing: ModelHost.Listing) {
    let name = listing.name.model.text, version = "\(listing.name.version)"
    switch listing.state {
    case .ready: self.init(name: name, version: version, state: .ready)
    case .loading: self.init(name: name, version: version, state: .loading, reason: "it is being loaded")
    case .unavailable(let reason): self.init(name: name, version: version, state: .unavailable, reason: reason)
    }
  }
}
