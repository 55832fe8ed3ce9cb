import Federation
import Hosting
import Inference
import Logging
import NIOCore
import Serving

extension ServingGateway {
  var serverMetadata: [UInt8] { ServerMetadata(name: "murmur", version: options.version).json }

  func metadata(of model: ServedModel) -> HTTPReply {
    let name = model.name.model.text
    return HTTPReply(
      body: ModelMetadata(
        name: name, versions: host.versions(of: name).map(\.versionText), platform: ServedModel.platform,
        signature: model.interface.signature
      ).json)
  }

  func configuration(of model: ServedModel) -> HTTPReply {
    let name = model.name.model.text
    return HTTPReply(
      body: ModelConfiguration(
        name: name, platform: ServedModel.platform, batchSizeMax: options.batches.batchRowsMax,
        signature: model.interface.signature, versionsServed: max(1, host.versions(of: name).count),
        queueDelayMax: options.batches.delay
      ).json)
  }

  /// Of one version, of all versions of a model, or of everything that is loaded.
  func statistics(
    of model: String?, _ version: String?, where isShown: (String) -> Bool
  ) throws(InferenceError) -> HTTPReply {
    let models: [ServedModel]
    if let model {
      let named = try host.find(model, version: version)
      models = version == nil ? host.versions(of: model) : [named]
    } else {
      models = host.models.filter { isShown($0.name.model.text) }
    }
    return HTTPReply(body: ModelStatistics.json(models.map(ModelStatistics.init)))
  }

  func index(_ request: HTTPRequest, where isShown: (String) -> Bool) throws(InferenceError) -> HTTPReply {
    let wanted = try request.body.withUnsafeReadableBytes { body throws(InferenceError) in
      try RepositoryIndexRequest(body: body, limits: options.inference)
    }
    let listings = host.listings.filter {
      isShown($0.name.model.text) && (!wanted.isReadyOnly || $0.state == .ready)
    }
    return HTTPReply(body: RepositoryIndex(entries: listings.map(RepositoryIndex.Entry.init)).json)
  }

  /// Takes a model out of service, or back into it.
  func withhold(_ model: String, _ isWithheld: Bool) throws(InferenceError) -> HTTPReply {
    guard host.withhold(model, isWithheld) else { throw InferenceError(.notFound, "found no model '\(model)' here") }
    logger.notice(isWithheld ? "model unloaded" : "model loaded", metadata: ["model": "\(model)"])
    return HTTPReply(body: Array("{}".utf8))
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
