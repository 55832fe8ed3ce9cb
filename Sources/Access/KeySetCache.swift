/// The keys of one issuer as a node last had them, and when it may ask for them again. Times are seconds since 1970.
///
///     lookup ── known key ──▶ found
///        ├───── no such key, or old keys, and nobody asked in the last 30 s ──▶ fetch ──▶ fetched or failed
///        └───── otherwise ──▶ unknown, or unavailable without keys
struct KeySetCache: Sendable {
  /// Whoever names ids of keys that do not exist makes this node ask no more often.
  static let fetchInterval: UInt64 = 30
  /// From this age on keys are asked for again; they go on to be used while that fails, for so long as below.
  static let refreshAge: UInt64 = 1800
  /// Keys that are older are not used: their issuer may have withdrawn them.
  static let ageMax: UInt64 = 3600

  enum Lookup {
    case found(VerifyingKey)
    case unknown
    case unavailable
    case fetch
  }

  private var keys: (set: KeySet, fetchedAt: UInt64)?
  private var askedAt: UInt64?

  /// What is known of a key.
  func lookup(_ kid: String, now: UInt64) -> Lookup {
    let known = known(kid, now: now)
    let isFresh = keys.map { Self.age(of: $0.fetchedAt, now: now) < Self.refreshAge } ?? false
    if isFresh, case .found = known { return known }
    return askedAt.map { Self.age(of: $0, now: now) >= Self.fetchInterval } ?? true ? .fetch : known
  }

  /// What is known of a key, whether or not it is time to ask again; never `fetch`.
  func known(_ kid: String, now: UInt64) -> Lookup {
    guard let keys, Self.age(of: keys.fetchedAt, now: now) < Self.ageMax else { return .unavailable }
    return keys.set[kid].map { .found($0) } ?? .unknown
  }

  mutating func asked(at now: UInt64) { askedAt = now }

  mutating func fetched(_ set: KeySet, askedAt: UInt64) { keys = (set, askedAt) }

  /// Of a clock that was set back, nothing is old: keys are then kept for longer by as much.
  private static func age(of moment: UInt64, now: UInt64) -> UInt64 { now > moment ? now - moment : 0 }
}
