/// An organisation whose access tokens a node accepts, and how it reads them.
package struct TrustedIssuer: Hashable, Sendable {
  /// The claim `iss`, character by character.
  package let issuer: String
  /// What has to be among the claim `aud`.
  package let audience: String
  /// What the issuer may sign with; not empty.
  package let algorithms: Set<SigningAlgorithm>
  package let keys: KeySetLocation
  /// On whose behalf its subjects ask; nil to say nothing.
  package let tenant: String?
  /// The claim with the scopes: words with spaces between them, or a list.
  package let scopeClaim: String

  package static let scopeClaimStandard = "scope"

  package init(
    issuer: String, audience: String, algorithms: Set<SigningAlgorithm>, keys: KeySetLocation, tenant: String? = nil,
    scopeClaim: String = scopeClaimStandard
  ) {
    precondition(!algorithms.isEmpty, "an issuer may sign with something")
    self.issuer = issuer
    self.audience = audience
    self.algorithms = algorithms
    self.keys = keys
    self.tenant = tenant
    self.scopeClaim = scopeClaim
  }
}

/// Where the keys of an issuer are published.
package enum KeySetLocation: Hashable, Sendable, CustomStringConvertible {
  /// `https`, or `http` on this machine only.
  case web(String)
  case file(path: String)

  /// Largest key set that is read, in bytes.
  package static let byteCountMax = 64 << 10
  private static let addressByteCountMax = 2048
  private static let loopbackHosts = ["127.0.0.1", "localhost", "[::1]"]

  /// The web address; nil if whoever is between could put keys of their own there, or it is none.
  package static func web(checking address: String) -> KeySetLocation? {
    guard address.utf8.count <= addressByteCountMax, address.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
      !address.contains("\\"),
      let scheme = ["https://", "http://"].first(where: address.hasPrefix)
    else { return nil }
    // A name before '@' would make another host look like the one that is asked; of '\' readers differ in what it is.
    let authority = address.dropFirst(scheme.count).prefix { !"/?#".contains($0) }
    guard !authority.contains("@"), let host = host(of: authority) else { return nil }
    return scheme == "https://" || loopbackHosts.contains(host) ? .web(address) : nil
  }

  /// The host of `host`, `host:port` or `[address]:port`.
  private static func host(of authority: Substring) -> String? {
    let end = authority.first == "[" ? authority.firstIndex(of: "]").map(authority.index(after:)) : nil
    if authority.first == "[", end == nil { return nil }
    let host = end.map { authority[..<$0] } ?? authority.prefix { $0 != ":" }
    let port = authority[host.endIndex...]
    let isPort = port.first == ":" && port.dropFirst().allSatisfy(\.isNumber) && UInt16(port.dropFirst()) != nil
    return host.isEmpty || !(port.isEmpty || isPort) ? nil : host.lowercased()
  }

  package var description: String {
    switch self {
    case .web(let address): address
    case .file(let path): path
    }
  }
}

/// Fetches what stands at the place. Has a deadline of its own, and a bound little above `KeySetLocation.byteCountMax`.
package typealias KeySetFetch = @Sendable (KeySetLocation) async throws -> [UInt8]
