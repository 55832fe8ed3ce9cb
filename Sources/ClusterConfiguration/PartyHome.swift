import Cryptography
import Federation
import Glibc
import ModelRegistry

/// One party's folder, loaded and checked: its keys fit its certificate, its certificate fits the federation.
package struct PartyHome: Sendable {
  package static let signingKeyName = "signing.key"
  package static let linkPublicName = "curve.key"
  package static let linkSecretName = "curve.key_secret"
  package static let certificateName = "certificate"

  package let directory: String
  package let federation: FederationFile
  package let certificate: SignedCertificate
  package let signingKey: SigningKey
  /// The CURVE secret key, 32 bytes.
  package let linkSecret: SecretBytes

  /// The party's own name.
  package var name: WorkerID { certificate.certificate.name }
  package var membership: MembershipList { federation.membership }
  package var linkPublicKey: LinkPublicKey { certificate.certificate.linkKey }

  /// The path of a file in the folder.
  package func path(_ file: String) -> String { directory + "/" + file }

  /// Loads a party's folder.
  ///
  /// - Parameters:
  ///   - expected: the role that the command needs.
  ///   - now: seconds since 1970-01-01 UTC.
  /// - Throws: `HomeError` for the first file that is missing, malformed, exposed or does not fit the others.
  package static func load(directory: String, expecting expected: Role, now: UInt64) throws(HomeError) -> PartyHome {
    let federation: FederationFile
    let own: SignedCertificate
    do throws(ConfigurationError) {
      federation = try FederationFile.load(path: directory + "/" + FederationFile.name)
      let file = try ConfigurationFile(path: directory + "/" + certificateName, expected: "the party's certificate")
      own = try SignedCertificate(file.top(keys: SignedCertificate.keys))
    } catch {
      throw .configuration(error)
    }
    let certificate = own.certificate
    guard certificate.role == expected else {
      throw .wrongRole(path: directory, found: certificate.role, expected: expected)
    }
    try check(own, path: directory + "/" + certificateName, authority: federation.membership.authorityKey)
    for member in federation.membership.members {
      try check(member, path: directory + "/" + FederationFile.name, authority: federation.membership.authorityKey)
    }
    guard federation.membership[certificate.name] == own else {
      throw .notAMember(certificate.name, path: directory + "/" + FederationFile.name)
    }
    guard (certificate.notBefore..<certificate.notAfter).contains(now) else {
      throw .certificateNotValidNow(
        certificate.name, notBefore: certificate.notBefore, notAfter: certificate.notAfter)
    }
    return try PartyHome(
      directory: directory, federation: federation, certificate: own,
      signingKey: signingKey(in: directory, certificate),
      linkSecret: linkSecret(in: directory, certificate))
  }

  /// Loads the folders of parties that share one federation file: it is read and checked in the first of them.
  package static func load(
    directories: [String], expecting expected: Role, now: UInt64
  ) throws(HomeError) -> [PartyHome] {
    guard let first = directories.first else { return [] }
    let federation = try load(directory: first, expecting: expected, now: now).federation
    var homes: [PartyHome] = []
    for directory in directories {
      let name = WorkerID(directory.split(separator: "/").last.map(String.init) ?? "")
      guard let own = name.flatMap({ federation.membership[$0] }), own.certificate.role == expected else {
        throw .notAMember(name ?? WorkerID(unchecked: "?"), path: first + "/" + FederationFile.name)
      }
      homes.append(
        try PartyHome(
          directory: directory, federation: federation, certificate: own,
          signingKey: signingKey(in: directory, own.certificate), linkSecret: linkSecret(in: directory, own.certificate)
        ))
    }
    return homes
  }

  private static func check(_ signed: SignedCertificate, path: String, authority: SigningPublicKey) throws(HomeError) {
    let isSigned = Ed25519.isValid(
      signature: signed.signature.bytes, message: signed.certificate.canonicalBytes, publicKey: authority.bytes)
    guard isSigned else { throw .certificateNotSigned(signed.certificate.name, path: path) }
  }

  private static func signingKey(in directory: String, _ certificate: Certificate) throws(HomeError) -> SigningKey {
    let path = directory + "/" + signingKeyName
    let key = try signingKey(at: path)
    guard key.publicKey == certificate.signingKey.bytes else {
      throw .keyMismatch(path: path, certificate: certificate.name)
    }
    return key
  }

  static func signingKey(at path: String) throws(HomeError) -> SigningKey {
    let file = try SecretFile(path: path, expected: "an Ed25519 secret key")
    guard let seed = file.hexadecimalLine(byteCount: SigningKey.seedByteCount), let key = try? SigningKey(seed: seed)
    else { throw .badKey(path: path, expected: "64 hexadecimal digits and a line feed") }
    return key
  }

  private static func linkSecret(in directory: String, _ certificate: Certificate) throws(HomeError) -> SecretBytes {
    let path = directory + "/" + linkSecretName
    let file = try SecretFile(path: path, expected: "a CURVE secret certificate")
    guard let secret = file.z85Value(of: "secret-key", byteCount: X25519.byteCount) else {
      throw .badKey(path: path, expected: "a line secret-key = \"…\" with 40 characters Z85")
    }
    // CURVE keys are X25519 keys: the public one follows from the secret one.
    guard X25519.publicKey(of: secret) == certificate.linkKey.bytes else {
      throw .keyMismatch(path: path, certificate: certificate.name)
    }
    return secret
  }

  /// The secrets of an authority or of workers that this process could read in the folders beside `directory`.
  ///
  /// A coordinator that finds any refuses to start unless all parties are meant to be on one machine (`--local`): who
  /// can read a worker's keys can read its updates. A folder whose certificate cannot be read counts as a worker's.
  package static func foreignSecrets(near directory: String) -> [String] {
    guard let resolved = realpath(directory, nil) else { return [] }
    defer { free(resolved) }
    let own = String(cString: resolved)
    let parent = DurableFile.parent(of: own)
    guard let names = try? DurableFile.names(in: parent) else { return [] }
    var found: [String] = []
    for name in names where "\(parent)/\(name)" != own {
      let folder = parent == "/" ? "/\(name)" : "\(parent)/\(name)"
      let secrets = [signingKeyName, linkSecretName].map { "\(folder)/\($0)" }.filter(isReadable)
      if !secrets.isEmpty, isAuthorityOrWorker(folder) { found += secrets }
    }
    return found
  }

  private static func isAuthorityOrWorker(_ folder: String) -> Bool {
    guard let file = try? ConfigurationFile(path: folder + "/" + certificateName, expected: "a certificate"),
      let top = try? file.top(keys: SignedCertificate.keys), let signed = try? SignedCertificate(top)
    else { return true }
    return signed.certificate.role == .worker || signed.certificate.role == .authority
  }

  private static func isReadable(_ path: String) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    close(descriptor)
    return true
  }
}

/// The authority's folder: the key that issues certificates, and the list of those it has issued.
package struct AuthorityHome: Sendable {
  package let directory: String
  package let federation: FederationFile
  package let signingKey: SigningKey

  /// Loads the authority's folder.
  package static func load(directory: String) throws(HomeError) -> AuthorityHome {
    let federation: FederationFile
    do throws(ConfigurationError) {
      federation = try FederationFile.load(path: directory + "/" + FederationFile.name)
    } catch {
      throw .configuration(error)
    }
    let path = directory + "/" + PartyHome.signingKeyName
    let key = try PartyHome.signingKey(at: path)
    guard key.publicKey == federation.membership.authorityKey.bytes else {
      throw .badKey(path: path, expected: "the secret key of the federation's authority")
    }
    return AuthorityHome(directory: directory, federation: federation, signingKey: key)
  }
}
