import Federation
import ModelRegistry
import Observability
import Serving
import ZeroMQ

/// Counts what a serving node does, from the actions that it has carried out.
final class ServingMeter: Sendable {
  /// A version on its way: its blobs are checked, or its model is loaded and warm.
  private enum Step {
    case checked(VersionName, at: MonotonicTime)
    case loading(VersionName, since: MonotonicTime)
  }

  private struct State {
    /// Of each model one at most is on its way.
    var steps: [ModelName: Step] = [:]
    var loaded: Set<VersionName> = []
    var served: [ModelName: [Alias: ModelVersion]] = [:]

    var servedCount: Int { served.values.reduce(0) { $0 + Set($1.values).count } }
  }

  private let metrics: ServingMetrics
  private let state = Locked(State())

  init(_ metrics: ServingMetrics) { self.metrics = metrics }

  /// Takes an action that has just been carried out.
  func note(_ action: ServingAction, at time: MonotonicTime = .now, unixSeconds: UInt64 = unixTime()) {
    state.withLock { note(action, &$0, at: time, unixSeconds: unixSeconds) }
  }

  private func note(_ action: ServingAction, _ state: inout State, at time: MonotonicTime, unixSeconds: UInt64) {
    switch action {
    // Started again by every record and heartbeat, and once by the node's own start.
    case .watchSilence: metrics.publisherHeard.set(unixSeconds)
    case .verifyBlobs(let name, _): state.steps[name.model] = .checked(name, at: time)
    case .load(let name):
      guard case .checked(name, let start) = state.steps[name.model] else { break }
      state.steps[name.model] = .loading(name, since: start)
    case .warmUp(let name):
      if case .loading(name, let start) = state.steps[name.model] {
        metrics.loadSeconds.observe(time.since(start))
      }
      state.loaded.insert(name)
    case .offer(let name, let alias):
      state.steps[name.model] = nil
      let last = state.served[name.model, default: [:]].updateValue(name.version, forKey: alias)
      if let last, last != name.version { metrics.swapped("\(name.model)") }
    case .withdraw(let model, let alias): state.served[model]?[alias] = nil
    case .unload(let name): state.loaded.remove(name)
    case .report(let report): note(report, &state)
    case .requestSnapshot, .retrySnapshot, .fetchBlobs, .retryFetch, .drain, .retire: break
    }
    metrics.versionsLoaded.set(state.loaded.count)
    metrics.versionsReady.set(state.servedCount)
  }

  private func note(_ report: ServingReport, _ state: inout State) {
    switch report {
    case .joined, .publisherFound: metrics.publisherUp.set(1)
    case .publisherLost:
      metrics.publisherUp.set(0)
      metrics.publisherLost.add()
    case .fetchFailed: metrics.fetchFailures.add()
    case .refused: metrics.failedVerification(.manifest)
    case .conflict: metrics.failedVerification(.conflict)
    case .quarantined(let name, _):
      metrics.quarantined.add()
      // What passed the check of its bytes and failed later is a bad model, not a forged one.
      if case .checked(name, _) = state.steps[name.model] { metrics.failedVerification(.bytes) }
      state.steps[name.model] = nil
    case .loadRefused(let name, _): state.steps[name.model] = nil
    case .joining, .snapshotFailed, .ignored: break
    }
  }
}
