import ClusterConfiguration
import Cryptography
import Federation
import ZeroMQ

/// The CURVE side of a party's folder: own keys, and who may connect to its sockets.
extension PartyHome {
  func curveKeys() throws -> CurveKeyPair {
    guard let secret = linkSecret.withUnsafeBytes({ CurveSecretKey(copying: $0) }) else {
      throw RuntimeError(.failed, "\(path(Self.linkSecretName)): not a CURVE key")
    }
    return try CurveKeyPair(secretKey: secret)
  }

  /// The key that a server of this role must prove to hold.
  func serverKey(_ role: Role) throws -> CurvePublicKey {
    guard let member = membership.members(role: role).first,
      let key = CurvePublicKey(bytes: member.certificate.linkKey.bytes)
    else {
      throw RuntimeError(
        .notFound, "\(path(FederationFile.name)): found no member of role \(role), expected one")
    }
    return key
  }

  /// Link keys of the members with these roles, with the names that stand for them.
  func admitted(_ roles: [Role]) -> [CurvePublicKey: String] {
    var table: [CurvePublicKey: String] = [:]
    for role in roles {
      for member in membership.members(role: role) {
        if let key = CurvePublicKey(bytes: member.certificate.linkKey.bytes) {
          table[key] = member.certificate.name.text
        }
      }
    }
    return table
  }
}
