import ClusterConfiguration
import Cryptography
import Federation
import ZeroMQ

extension ZAPDomain {
  /// Whose keys may connect.
  var roles: Set<Role> {
    switch self {
    case .worker: [.worker]
    case .serve: [.servingNode]
    // Whoever takes part may have what came out of it.
    case .user: [.consumer, .operator, .worker, .servingNode, .coordinator]
    case .operator: [.operator]
    default: []
    }
  }
}

extension ZAPAuthenticator {
  /// Lets in, under their names, the members whose roles the domains are for and whose certificates are valid now.
  ///
  /// - Parameter now: seconds since 1970-01-01 UTC.
  func admit(_ membership: MembershipList, in domains: [ZAPDomain], now: UInt64) {
    for domain in domains {
      for member in membership.members.map(\.certificate)
      where domain.roles.contains(member.role)
        && (member.notBefore..<max(member.notBefore, member.notAfter)).contains(now)
      {
        guard let key = CurvePublicKey(member.linkKey) else { continue }
        admit(key, as: member.name.text, in: domain)
      }
    }
  }
}

extension CurvePublicKey {
  init?(_ key: LinkPublicKey) { self.init(bytes: key.bytes) }
}

extension PartyHome {
  /// The party's identity on CURVE connections.
  func curveKeyPair() throws(RuntimeError) -> CurveKeyPair {
    guard let secret = linkSecret.withUnsafeBytes({ CurveSecretKey(copying: $0) }),
      let pair = try? CurveKeyPair(secretKey: secret)
    else { throw RuntimeError(.failed, "\(path(Self.linkSecretName)): found another key, expected one of CURVE") }
    return pair
  }
}
