import Federation
import ModelRegistry

/// Keeps a folder at the version that an alias names, for as long as it runs.
package struct ModelFollower: Sendable {
  package enum Event: Sendable {
    /// The version is in the folder, verified, and `current` points to it.
    case arrived(PulledModel, removed: [ModelVersion])
    /// Something went wrong that another attempt may put right; said once until something else does.
    case troubled(PullError, pause: Duration)
    /// The trouble is over, and there was no other version.
    case recovered
  }

  private let puller: ModelPuller
  private let folder: FollowFolder
  /// Nil to keep versions in the folder only.
  private let cache: PullCache?
  private let interval: Duration
  private let sleep: @Sendable (Duration) async -> Void

  /// - Parameters:
  ///   - interval: between two questions, above 0 and at most `FollowPace.intervalMax`.
  ///   - sleep: returns early when the task is cancelled.
  package init(
    _ puller: ModelPuller, into folder: FollowFolder, through cache: PullCache?, interval: Duration,
    sleep: @escaping @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
  ) {
    self.puller = puller
    self.folder = folder
    self.cache = cache
    self.interval = interval
    self.sleep = sleep
  }

  /// Follows the alias until the task is cancelled.
  ///
  /// - Parameters:
  ///   - choices: for the pauses.
  ///   - progress: of each download.
  ///   - tell: is waited for.
  /// - Throws: `PullError` of the first pull, and later what no other attempt puts right: a disk that refuses.
  package func run(
    _ reference: ModelReference, choices: inout some RandomNumberGenerator,
    progress: @escaping (PullProgress) -> Void = { _ in }, tell: (Event) async -> Void
  ) async throws(PullError) {
    guard case .alias = reference.selector else {
      throw PullError(.usage, "\(reference): found a version that never moves, expected an alias such as @latest")
    }
    var pace = FollowPace(interval: interval)
    var served: Digest?
    var trouble: PullError?
    while !Task.isCancelled {
      do throws(PullError) {
        let digest = try await puller.manifest(of: reference).signed.digest
        if digest != served {
          let (model, removed) = try await take(digest, of: reference, progress)
          served = digest
          await tell(.arrived(model, removed: removed))
        } else if trouble != nil {
          await tell(.recovered)
        }
        trouble = nil
        await sleep(pace.answered(choices: &choices))
      } catch {
        if error.kind == .interrupted { return }
        guard error.isOfSource, served != nil else { throw error }
        let pause = pace.failed(choices: &choices)
        if error != trouble { await tell(.troubled(error, pause: pause)) }
        trouble = error
        await sleep(pause)
      }
    }
  }

  /// Brings exactly the version that was resolved: the alias may have moved on since.
  private func take(
    _ digest: Digest, of reference: ModelReference, _ progress: @escaping (PullProgress) -> Void
  ) async throws(PullError) -> (PulledModel, removed: [ModelVersion]) {
    let exact = ModelReference(model: reference.model, selector: .digest(digest))
    let manifest = try await puller.manifest(of: exact).manifest
    let path = folder.path(of: manifest.version)
    let pulled =
      if let cache {
        try await puller.pull(exact, into: path, through: cache, progress: progress)
      } else {
        try await puller.pull(exact, into: path, progress: progress)
      }
    if let cache, case .alias(let alias) = reference.selector { try cache.note(alias, of: manifest) }
    return (pulled, try folder.moveCurrent(to: manifest.version))
  }
}
