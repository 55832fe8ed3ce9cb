import Access
import ClusterConfiguration
import Logging
import ModelRegistry

/// Who a serving node lets in, read again when its files change.
final class AccessWatch: Sendable {
  /// How often the files are looked at.
  private static let interval = Duration.seconds(2)

  let gate: Gatekeeper
  let limiter: RateLimiter
  private let home: String
  private let isAnonymousAllowed: Bool
  private let logger: Logger

  /// Reads the folder's files.
  ///
  /// - Parameter insecureAnonymous: the node was started with `AccessFile.insecureFlag`: callers without a credential may
  ///   do what `access.yaml` says, and without that file list, pull and predict.
  /// - Throws: `RuntimeError` for a file that cannot be read as what it should be.
  init(home: String, insecureAnonymous: Bool, logger: Logger) throws(RuntimeError) {
    self.home = home
    isAnonymousAllowed = insecureAnonymous
    self.logger = logger
    let (policy, limits): (AccessPolicy, RateLimits)
    do throws(ConfigurationError) {
      (policy, limits) = try Self.load(home: home, insecureAnonymous: insecureAnonymous)
    } catch {
      throw RuntimeError(error)
    }
    let fetcher = KeySetFetcher()
    gate = Gatekeeper(policy, fetch: { try await fetcher.fetch($0) }) { location, error in
      logger.warning("keys of an issuer not fetched", metadata: ["location": "\(location)", "reason": "\(error)"])
    }
    limiter = RateLimiter(limits)
    if !policy.anonymous.isEmpty { logger.warning("callers without a credential are let in, as was asked for") }
  }

  private static func load(
    home: String, insecureAnonymous: Bool
  ) throws(ConfigurationError) -> (AccessPolicy, RateLimits) {
    let (policy, limits) = try AccessFile.load(home: home, insecure: insecureAnonymous)
    guard insecureAnonymous, policy.anonymous.isEmpty, !DurableFile.exists("\(home)/\(AccessFile.name)") else {
      return (policy, limits)
    }
    let everything = [Scope(.read), Scope(.infer)]
    return (AccessPolicy(keys: policy.keys, issuers: Array(policy.issuers.values), anonymous: everything), limits)
  }

  /// Looks at the files until the task is cancelled. A file that cannot be read changes nothing.
  func run() async {
    var known = stamps
    while (try? await Task.sleep(for: Self.interval)) != nil {
      let found = stamps
      guard found != known else { continue }
      known = found
      do throws(ConfigurationError) {
        let (policy, limits) = try Self.load(home: home, insecureAnonymous: isAnonymousAllowed)
        gate.replace(with: policy)
        limiter.replace(with: limits)
        logger.info("access rules read again", metadata: ["home": "\(home)"])
      } catch {
        logger.error("access rules stay as they were", metadata: ["error": "\(error)"])
      }
    }
  }

  private var stamps: [DurableFile.Stamp?] {
    [AccessFile.name, KeysFile.name].map { DurableFile.stamp(of: "\(home)/\($0)") }
  }
}
