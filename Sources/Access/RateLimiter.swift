import Federation
import Synchronization

/// Keeps the limits of a node, over all its threads and all ways to ask.
///
/// A request needs the leave of two limits, and counts against both or neither: what its caller may ask of the model,
/// and what all callers together may. Callers are spread over shards with a lock each, and a limited model has another,
/// always taken last.
package final class RateLimiter: Sendable {
  /// Most pairs of caller and model that are remembered. The one whose burst is nearest to whole again is forgotten for
  /// a new one: it loses least, and nothing if it has been idle long enough.
  package static let countMax = 65_536
  private static let shardCount = 64

  /// Which limit a request met.
  package enum Limit: String, Hashable, Sendable {
    /// That of the caller's key or subject.
    case caller
    /// That of the model.
    case model
  }

  package enum Answer: Hashable, Sendable {
    case allowed
    case limited(by: Limit, retryAfter: Duration)
  }

  private struct Pair: Hashable {
    let caller: Principal.Key
    let model: String
  }

  /// The limits in force, and the arrivals of the models among them.
  private final class Rules: Sendable {
    let standard: RateLimit?
    let models: [String: Shared]

    init(_ limits: RateLimits, keeping models: [String: Shared]) {
      standard = limits.standard
      self.models = Dictionary(
        uniqueKeysWithValues: limits.models.map { name, limit in
          (name, models[name].flatMap { $0.limit == limit ? $0 : nil } ?? Shared(limit))
        })
    }
  }

  /// One limit for everybody.
  private final class Shared: Sendable {
    let limit: RateLimit
    private let arrival = Mutex(MonotonicTime(nanoseconds: 0))

    init(_ limit: RateLimit) { self.limit = limit }

    func admit(at now: MonotonicTime) -> RateLimit.Decision { arrival.withLock { limit.admit(&$0, at: now) } }
  }

  /// Callers whose hashes end alike.
  private final class Shard: Sendable {
    struct State {
      var rules: Rules
      var arrivals = BoundedTable<Pair, MonotonicTime>(countMax: RateLimiter.countMax / RateLimiter.shardCount)
    }

    let state: Mutex<State>

    init(_ rules: Rules) { state = Mutex(State(rules: rules)) }
  }

  private let shards: [Shard]

  package init(_ limits: RateLimits) {
    let rules = Rules(limits, keeping: [:])
    shards = (0..<Self.shardCount).map { _ in Shard(rules) }
  }

  /// Whether a request of a caller to a model may pass now. A limit that neither the caller's key nor the node sets
  /// limits nothing.
  package func admit(_ caller: Principal, model: String, at now: MonotonicTime) -> Answer {
    let pair = Pair(caller: caller.key, model: model)
    // Hash values are seeded anew in every process: no caller can choose its shard.
    let shard = shards[Int(UInt(bitPattern: pair.hashValue) % UInt(Self.shardCount))]
    return shard.state.withLock { state in
      let shared = state.rules.models[model]
      guard let limit = caller.rate ?? state.rules.standard else { return Self.answer(shared, at: now) }
      var arrival = state.arrivals[pair] ?? MonotonicTime(nanoseconds: 0)
      if case .limited(let duration) = limit.admit(&arrival, at: now) {
        return .limited(by: .caller, retryAfter: duration)
      }
      let answer = Self.answer(shared, at: now)
      if answer == .allowed { state.arrivals.set(arrival, for: pair) }
      return answer
    }
  }

  /// Other limits from now on; what was admitted before counts.
  package func replace(with limits: RateLimits) {
    let former = shards[0].state.withLock { $0.rules.models }
    let rules = Rules(limits, keeping: former)
    for shard in shards { shard.state.withLock { $0.rules = rules } }
  }

  private static func answer(_ shared: Shared?, at now: MonotonicTime) -> Answer {
    switch shared?.admit(at: now) {
    case nil, .allowed: .allowed
    case .limited(let duration): .limited(by: .model, retryAfter: duration)
    }
  }
}
