import ClusterConfiguration
import Cryptography
import Federation
import SecureAggregation

/// Keys and certificates of a simulated federation. Everything follows from the seed, the secrets too: here and nowhere
/// else.
struct VirtualParties {
  struct Party {
    let certificate: SignedCertificate
    let signingKey: SigningKey
    var name: WorkerID { certificate.certificate.name }
  }

  let membership: MembershipList
  let coordinator: Party
  let workers: [Party]

  init(_ population: Population, seed: UInt64) throws(CryptographyError) {
    let authority = try SigningKey(
      seed: Self.secrets(seed, owner: "authority", purpose: "signing").secret(SigningKey.seedByteCount))
    func party(_ name: WorkerID, _ organisation: OrganisationID, _ role: Role) throws(CryptographyError) -> Party {
      let key = try SigningKey(
        seed: Self.secrets(seed, owner: name.text, purpose: "signing").secret(SigningKey.seedByteCount))
      let link = X25519.publicKey(
        of: Self.secrets(seed, owner: name.text, purpose: "link").secret(X25519.byteCount))
      let certificate = Certificate(
        organisation: organisation, name: name, role: role, signingKey: key.signingPublicKey,
        linkKey: LinkPublicKey(unchecked: link), notBefore: VirtualTime.epoch - 3600,
        notAfter: VirtualTime.epoch + 100 * 365 * 24 * 3600)
      return Party(
        certificate: SignedCertificate(
          certificate: certificate, signature: authority.signature(over: certificate.canonicalBytes)),
        signingKey: key)
    }
    coordinator = try party("coordinator", "coordinator", .coordinator)
    var workers: [Party] = []
    for (name, organisation) in population.workerNames { workers.append(try party(name, organisation, .worker)) }
    self.workers = workers
    membership = MembershipList(
      federation: population.name, authorityKey: authority.signingPublicKey,
      members: ([coordinator] + workers).map(\.certificate))
  }

  /// One stream per owner and purpose: what one party draws never moves what another gets.
  static func secrets(_ seed: UInt64, owner: String, purpose: String) -> SeededSecretSource {
    SeededSecretSource(seed: Array("murmuration/simulation/\(seed)/\(owner)/\(purpose)".utf8))
  }
}
