import Cryptography
import Federation
import Synchronization

/// Says who asks.
///
/// A request's credential is first looked up where it arrives (`known`), in microseconds and without waiting: API keys
/// always, tokens once they have been verified. Only a token that was not seen before is verified (`verify`), which may
/// wait for its issuer's keys.
package final class Gatekeeper: Sendable {
  /// Most verified tokens that are remembered; for a new one, the one that is forgotten soonest leaves.
  static let rememberedMax = 4096
  /// Longest time for which a token is remembered, in seconds: then its key has to be published still.
  static let rememberedFor = KeySetCache.ageMax

  /// What is known of a credential without waiting.
  package enum Answer: Hashable, Sendable {
    case granted(Principal)
    case refused(AccessError)
    /// A token that `verify` has to look at.
    case unverified
  }

  private struct Remembered: Comparable {
    let principal: Principal
    /// Seconds since 1970.
    let until: UInt64

    static func < (a: Self, b: Self) -> Bool { a.until < b.until }
  }

  private struct State {
    var policy: AccessPolicy
    var verifiers: [String: TokenVerifier]
    /// By the SHA-256 of their text.
    var remembered = BoundedTable<Digest, Remembered>(countMax: Gatekeeper.rememberedMax)
    /// Counts policies: what was verified under one is not remembered under the next.
    var generation = 0
  }

  private let state: Mutex<State>
  private let fetch: KeySetFetch
  private let complain: KeySetComplaint

  /// - Parameters:
  ///   - fetch: fetches the keys of issuers, when tokens need them.
  ///   - complain: is told why that failed, for a log; whose token it was sees `AccessError.keysUnavailable`.
  package init(
    _ policy: AccessPolicy, fetch: @escaping KeySetFetch, complain: @escaping KeySetComplaint = { _, _ in }
  ) {
    self.fetch = fetch
    self.complain = complain
    state = Mutex(
      State(policy: policy, verifiers: Self.verifiers(for: policy, keeping: [:], fetch: fetch, complain: complain)))
  }

  /// Another policy from the next request on. Keys of issuers that stay the same are kept, verified tokens are not.
  package func replace(with policy: AccessPolicy) {
    state.withLock { state in
      state.verifiers = Self.verifiers(for: policy, keeping: state.verifiers, fetch: fetch, complain: complain)
      state.policy = policy
      state.remembered.removeAll()
      state.generation += 1
    }
  }

  /// What is known of a credential without waiting.
  ///
  /// - Parameter now: seconds since 1970.
  package func known(_ credential: Credential, now: UInt64) -> Answer {
    switch credential {
    case .none: anonymous()
    case .apiKey(let text): answer(toKey: text, now: now)
    case .bearer(let text): answer(toToken: text, now: now)
    }
  }

  /// Who brings the credential; waits for the keys of a token's issuer if they are not there.
  ///
  /// - Parameter now: seconds since 1970.
  package func verify(_ credential: Credential, now: UInt64) async -> Result<Principal, AccessError> {
    switch known(credential, now: now) {
    case .granted(let principal): return .success(principal)
    case .refused(let error): return .failure(error)
    case .unverified: break
    }
    guard case .bearer(let text) = credential else { return .failure(.missing) }
    do throws(AccessError) {
      return .success(try await principal(ofToken: text, now: now))
    } catch {
      return .failure(error)
    }
  }

  // MARK: Parts

  private func anonymous() -> Answer {
    let scopes = state.withLock { $0.policy.anonymous }
    return scopes.isEmpty ? .refused(.missing) : .granted(Principal(key: .anonymous, scopes: scopes))
  }

  private func answer(toKey text: String, now: UInt64) -> Answer {
    let keys = state.withLock { $0.policy.keys }
    do throws(AccessError) {
      return .granted(try keys.principal(of: text, now: now))
    } catch {
      return .refused(error)
    }
  }

  private func answer(toToken text: String, now: UInt64) -> Answer {
    guard text.utf8.count <= CompactToken.byteCountMax else { return .refused(.malformed(.tooLong)) }
    let digest = Self.digest(of: text)
    return state.withLock { state in
      guard let found = state.remembered[digest] else { return .unverified }
      guard now < found.until else {
        state.remembered.remove(digest)
        return .unverified
      }
      return .granted(found.principal)
    }
  }

  private func principal(ofToken text: String, now: UInt64) async throws(AccessError) -> Principal {
    let token = try CompactToken(text)
    // What no issuer may use is refused whoever is said to have signed.
    guard SigningAlgorithm(rawValue: token.algorithm) != nil else { throw .algorithmNotAllowed }
    let (verifier, generation) = state.withLock { ($0.verifiers[token.claims.issuer], $0.generation) }
    guard let verifier else { throw .unknownIssuer }
    let principal = try await verifier.principal(of: token, now: now)
    remember(principal, under: Self.digest(of: text), now: now, generation: generation)
    return principal
  }

  private func remember(_ principal: Principal, under digest: Digest, now: UInt64, generation: Int) {
    let end = (principal.expires ?? 0) + TokenVerifier.skewMax
    let entry = Remembered(principal: principal, until: min(end, now + Self.rememberedFor))
    state.withLock { state in
      if state.generation == generation { state.remembered.set(entry, for: digest) }
    }
  }

  private static func digest(of text: String) -> Digest { Digest(unchecked: SHA256.hash(Array(text.utf8))) }

  /// - Parameter former: verifiers with keys; those of an issuer that stays as it is go on.
  private static func verifiers(
    for policy: AccessPolicy, keeping former: [String: TokenVerifier], fetch: @escaping KeySetFetch,
    complain: @escaping KeySetComplaint
  ) -> [String: TokenVerifier] {
    policy.issuers.mapValues { issuer in
      if let same = former[issuer.issuer], same.issuer.keys == issuer.keys {
        return TokenVerifier(issuer: issuer, keys: same.keys)
      }
      return TokenVerifier(
        issuer: issuer, keys: KeySetKeeper(issuer.keys, fetch: fetch, complain: complain))
    }
  }
}
