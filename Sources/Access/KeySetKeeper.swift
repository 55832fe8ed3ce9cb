/// Has the keys of one issuer, and fetches them when they are needed: one fetch at a time, for all who wait.
actor KeySetKeeper {
  private let location: KeySetLocation
  private let fetch: KeySetFetch
  private let complain: KeySetComplaint
  private var cache = KeySetCache()
  private var fetching: Task<Void, Never>?

  init(_ location: KeySetLocation, fetch: @escaping KeySetFetch, complain: @escaping KeySetComplaint) {
    self.location = location
    self.fetch = fetch
    self.complain = complain
  }

  /// The issuer's key of that id.
  ///
  /// - Throws: `AccessError.unknownKid`; `keysUnavailable` if there are no keys that are young enough.
  func key(_ kid: String, now: UInt64) async throws(AccessError) -> VerifyingKey {
    switch cache.lookup(kid, now: now) {
    case .found(let key): return key
    case .fetch: await refresh(now: now)
    case .unknown, .unavailable: await fetching?.value  // Somebody else may be asking at the moment.
    }
    switch cache.known(kid, now: now) {
    case .found(let key): return key
    case .unknown: throw .unknownKid
    case .unavailable, .fetch: throw .keysUnavailable
    }
  }

  /// The fetch is nobody's in particular: it goes on if the request that began it is cancelled.
  private func refresh(now: UInt64) async {
    cache.asked(at: now)
    let task = Task { await self.load(now: now) }
    fetching = task
    await task.value
  }

  /// Keys that cannot be had leave those that are there.
  private func load(now: UInt64) async {
    do {
      cache.fetched(try await KeySet(fetch(location)), askedAt: now)
    } catch {
      complain(location, error)
    }
    fetching = nil
  }
}

/// Told why keys could not be had: the error of the fetch, or `KeySetError`.
package typealias KeySetComplaint = @Sendable (KeySetLocation, any Error) -> Void
