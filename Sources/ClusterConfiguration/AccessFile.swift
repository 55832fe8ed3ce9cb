import Access
import Federation
import ModelRegistry

/// Who may do what at a serving node: `access.yaml`, and `keys.yaml` beside it, in the node's folder.
///
/// Two files, because they have two writers: `access.yaml` is its owner's, with comments, and no program changes it; the
/// API keys are `murmur keys`' (`KeysFile`). Without either file nobody is let in.
package struct AccessFile: Hashable, Sendable {
  package static let name = "access.yaml"
  /// What `anonymous` needs beside it: whoever starts the node has to have read the word.
  package static let insecureFlag = "--insecure-anonymous"
  private static let issuersMax = 64
  private static let textByteCountMax = 512

  package let issuers: [TrustedIssuer]
  package let limits: RateLimits
  /// What callers without a credential may do.
  package let anonymous: [Scope]

  package init(issuers: [TrustedIssuer] = [], limits: RateLimits = RateLimits(), anonymous: [Scope] = []) {
    self.issuers = issuers
    self.limits = limits
    self.anonymous = anonymous
  }

  /// Both files of a serving node's folder; what is missing has nothing in it.
  ///
  /// - Parameter insecure: whether the node was started with `insecureFlag`.
  package static func load(
    home: String, insecure: Bool
  ) throws(ConfigurationError) -> (policy: AccessPolicy, limits: RateLimits) {
    let path = "\(home)/\(name)"
    let file =
      DurableFile.exists(path)
      ? try read(ConfigurationFile(path: path, expected: "who may do what"), insecure: insecure) : AccessFile()
    let keys = try KeysFile.load(home: home).table
    return (AccessPolicy(keys: keys, issuers: file.issuers, anonymous: file.anonymous), file.limits)
  }

  /// Reads a file that is in memory.
  package static func read(_ file: ConfigurationFile, insecure: Bool) throws(ConfigurationError) -> AccessFile {
    let top = try file.top(keys: ["issuers", "limits", "anonymous"])
    return try AccessFile(
      issuers: issuers(in: top), limits: limits(in: top), anonymous: anonymous(in: top, insecure: insecure))
  }

  // MARK: Issuers

  private static let issuerKeys = ["issuer", "audience", "algorithms", "jwks", "tenant", "scope-claim"]

  private static func issuers(in top: ConfigurationSection) throws(ConfigurationError) -> [TrustedIssuer] {
    let sections = try top.sections("issuers", keys: issuerKeys)
    guard sections.count <= issuersMax else {
      throw top.error(at: "issuers", found: "\(sections.count) issuers", expected: "at most \(issuersMax)")
    }
    var issuers: [TrustedIssuer] = []
    for section in sections {
      let issuer = try issuer(in: section)
      guard !issuers.contains(where: { $0.issuer == issuer.issuer }) else {
        throw section.error(at: "issuer", found: "\"\(issuer.issuer)\" a second time", expected: "every issuer once")
      }
      issuers.append(issuer)
    }
    return issuers
  }

  private static func issuer(in section: ConfigurationSection) throws(ConfigurationError) -> TrustedIssuer {
    func claim(_ key: String, _ what: String, default value: String? = nil) throws(ConfigurationError) -> String {
      if let value, !section.has(key) { return value }
      return try section.text(key, expected: "\(what), of 1 to \(textByteCountMax) bytes") {
        (1...textByteCountMax).contains($0.utf8.count) ? $0 : nil
      }
    }
    return try TrustedIssuer(
      issuer: claim("issuer", "what the issuer's tokens have in 'iss'"),
      audience: claim("audience", "what tokens for this node have in 'aud'"), algorithms: algorithms(in: section),
      keys: keySet(in: section),
      tenant: section.has("tenant") ? section.name("tenant", as: OrganisationID.self).text : nil,
      scopeClaim: claim("scope-claim", "the name of a claim", default: TrustedIssuer.scopeClaimStandard))
  }

  private static func algorithms(in section: ConfigurationSection) throws(ConfigurationError) -> Set<SigningAlgorithm> {
    let known = ConfigurationFile.list(SigningAlgorithm.allCases.map(\.rawValue))
    let expected = "a list of algorithms, each \(known)"
    let names = try section.texts("algorithms", expected: expected)
    var algorithms: Set<SigningAlgorithm> = []
    for name in names {
      guard let algorithm = SigningAlgorithm(rawValue: name) else {
        throw section.error(at: "algorithms", found: "\"\(name)\"", expected: expected)
      }
      algorithms.insert(algorithm)
    }
    return algorithms
  }

  private static func keySet(in section: ConfigurationSection) throws(ConfigurationError) -> KeySetLocation {
    let expected = "an address with https:// (http:// of this machine only), or the path of a file"
    return try section.text("jwks", expected: expected) { text in
      if text.contains("://") { return KeySetLocation.web(checking: text) }
      return text.isEmpty ? nil : .file(path: section.file.resolve(text))
    }
  }

  // MARK: Limits

  private static func limits(in top: ConfigurationSection) throws(ConfigurationError) -> RateLimits {
    guard top.has("limits") else { return RateLimits() }
    let section = try top.section("limits", keys: ["default", "models"])
    var models: [String: RateLimit] = [:]
    if section.has("models") {
      let named = try section.namedSections("models", as: ModelName.self, keys: ConfigurationSection.rateKeys)
      for (name, limit) in named { models[name.text] = try limit.rateLimit() }
    }
    let standard = section.has("default") ? try section.rateLimit("default") : nil
    return RateLimits(standard: standard, models: models)
  }

  // MARK: Anonymous callers

  private static func anonymous(
    in top: ConfigurationSection, insecure: Bool
  ) throws(ConfigurationError) -> [Scope] {
    guard top.has("anonymous") else { return [] }
    let scopes = try top.scopes("anonymous")
    guard insecure else {
      throw top.error(
        at: "anonymous", found: "scopes for callers without a credential",
        expected: "none, or a node that is started with \(insecureFlag)")
    }
    guard !scopes.contains(where: { $0.permission == .admin }) else {
      throw top.error(at: "anonymous", found: "\"admin\"", expected: "scopes that may be everybody's")
    }
    return scopes
  }
}

extension ConfigurationSection {
  static let rateKeys = ["per-second", "burst"]

  /// Scopes, one or a list of different ones.
  func scopes(_ key: String) throws(ConfigurationError) -> [Scope] {
    var scopes: [Scope] = []
    for text in try texts(key, expected: "\(ScopeError.expected), or a list of different ones") {
      do throws(ScopeError) {
        scopes.append(try Scope(text))
      } catch {
        throw self.error(at: key, found: "\"\(text)\"", expected: error.expectation)
      }
    }
    return scopes
  }

  /// A rate and a burst.
  func rateLimit(_ key: String) throws(ConfigurationError) -> RateLimit {
    try section(key, keys: Self.rateKeys).rateLimit()
  }

  /// The mapping itself as a rate and a burst.
  func rateLimit() throws(ConfigurationError) -> RateLimit {
    let range = RateLimit.perSecondRange
    let rate = try number("per-second", expected: "a number from \(range.lowerBound) to \(range.upperBound)") {
      range.contains($0)
    }
    let burst = try integer("burst", in: RateLimit.burstRange)
    guard let limit = RateLimit(perSecond: rate, burst: burst) else {
      throw error(at: "per-second", found: "\(rate)", expected: "a rate and a burst")
    }
    return limit
  }
}
