import Cryptography
import Federation
import ModelRegistry

/// What a new federation consists of.
package struct FederationPlan: Sendable {
  package var federation: FederationID
  package var workers: [(name: WorkerID, organisation: OrganisationID)]
  package var servingNodes: Int
  package var endpoints: Endpoints
  /// Seconds since 1970-01-01 UTC, of every certificate.
  package var notBefore: UInt64
  package var notAfter: UInt64
  /// Written into every worker's folder as the start of its owner's law.
  package var policy: WorkerPolicy
  /// Written into every worker's configuration; relative to its folder.
  package var dataFile: String
  package var label: String
  /// Threads of every worker; nil to leave it open.
  package var threads: Int?

  /// Certificates are valid from an hour before `now`, for clocks that differ, and for a year.
  package init(
    federation: FederationID, workers: [(name: WorkerID, organisation: OrganisationID)], servingNodes: Int = 1,
    endpoints: Endpoints = Endpoints(), now: UInt64, policy: WorkerPolicy = .standard, dataFile: String = "data.csv",
    label: String = "label", threads: Int? = nil
  ) {
    self.federation = federation
    self.workers = workers
    self.servingNodes = servingNodes
    self.endpoints = endpoints
    notBefore = now - min(now, 3600)
    notAfter = now + 365 * 24 * 3600
    self.policy = policy
    self.dataFile = dataFile
    self.label = label
    self.threads = threads
  }
}

/// The folder that `murmur init` writes: one self-contained folder per party, to be handed to its owner.
///
///     authority/  coordinator/  worker-1/ …  serving/  consumer/  operator/
///
/// Nobody's folder holds another's secret: `authority/` alone can issue certificates, and belongs off-line.
package enum FederationHome {
  /// A CURVE key pair as 40 characters Z85 each.
  package typealias LinkKeyPair = (publicKey: String, secretKey: String)

  /// Writes all folders of a new federation, or nothing: they are made under a temporary name and renamed at the end.
  ///
  /// - Parameters:
  ///   - secrets: of the Ed25519 keys.
  ///   - makeLinkKeyPair: called once for each party but the authority.
  /// - Throws: `HomeError.exists` if `directory` has anything in it.
  @discardableResult
  package static func initialise(
    directory: String, plan: FederationPlan, secrets: any SecretSource, makeLinkKeyPair: () -> LinkKeyPair
  ) throws(HomeError) -> FederationFile {
    let target = directory.count > 1 && directory.hasSuffix("/") ? String(directory.dropLast()) : directory
    let isTaken = try filed { () throws(FileError) in
      DurableFile.exists(target) ? try !DurableFile.names(in: target).isEmpty : false
    }
    guard !isTaken else { throw .exists(target) }
    let authority = try Party.Keys.signing(from: secrets)
    let parties = try makeParties(plan, secrets: secrets, authority: authority.key, makeLinkKeyPair: makeLinkKeyPair)
    let file = FederationFile(
      endpoints: plan.endpoints,
      membership: MembershipList(
        federation: plan.federation, authorityKey: SigningPublicKey(unchecked: authority.key.publicKey),
        members: parties.map(\.certificate)))
    let parent = DurableFile.parent(of: target)
    let name = target.split(separator: "/").last.map(String.init) ?? "federation"
    let temporary = "\(parent)/.\(name).\(secrets.bytes(6).hex)"
    do throws(FileError) {
      try DurableFile.createDirectory(temporary, mode: 0o700)
      try write(
        folder: "\(temporary)/authority",
        public: [FederationFile.name: file.text], secret: [PartyHome.signingKeyName: authority.text])
      // Of a large federation it is long, and the same for all.
      let text = file.text
      for party in parties {
        try write(
          folder: "\(temporary)/\(party.certificate.certificate.name)", public: publicFiles(of: party, text, plan),
          secret: [
            PartyHome.signingKeyName: party.keys.signing.text,
            PartyHome.linkSecretName: ZPLCertificate.text(of: party.keys.link, name: party.name, withSecret: true),
          ])
        guard party.certificate.certificate.role == .coordinator else { continue }
        let key = P256SigningKey.make(from: secrets.source(for: "model-signing"))
        try ModelSigningKeyFile.write(key, directory: "\(temporary)/\(party.name)")
      }
      try DurableFile.rename(temporary, to: target)
    } catch {
      try? DurableFile.remove(temporary)
      throw error.operation == .rename ? .exists(target) : .file(error)
    }
    return file
  }

  /// Writes new addresses into the federation file of every party's folder under `directory`.
  package static func replaceEndpoints(directory: String, with endpoints: Endpoints) throws(HomeError) {
    for name in try filed({ () throws(FileError) in try DurableFile.names(in: directory) }) {
      let path = "\(directory)/\(name)/\(FederationFile.name)"
      guard DurableFile.exists(path) else { continue }
      var file: FederationFile
      do throws(ConfigurationError) {
        file = try FederationFile.load(path: path)
      } catch {
        throw .configuration(error)
      }
      file.endpoints = endpoints
      let text = file.text
      try filed { () throws(FileError) in try DurableFile.write(Array(text.utf8), to: path) }
    }
  }

  /// A CURVE key pair out of a secret source: an X25519 secret and its public key.
  package static func linkKeyPair(from secrets: any SecretSource) -> LinkKeyPair {
    let secret = secrets.secret(X25519.byteCount)
    let text = secret.withUnsafeBytes { Z85.encode(Array($0)) }
    return (publicKey: Z85.encode(X25519.publicKey(of: secret)), secretKey: text)
  }

  // MARK: Parts

  private struct Party {
    struct Keys {
      let signing: (key: SigningKey, text: String)
      let link: LinkKeyPair

      /// A new Ed25519 key and the text of its file.
      static func signing(from secrets: any SecretSource) throws(HomeError) -> (key: SigningKey, text: String) {
        let seed = secrets.secret(SigningKey.seedByteCount)
        guard let key = try? SigningKey(seed: seed) else {
          throw .badKey(path: PartyHome.signingKeyName, expected: "32 bytes from the secret source")
        }
        return (key, seed.withUnsafeBytes { Array($0).hex } + "\n")
      }
    }

    let keys: Keys
    let certificate: SignedCertificate
    var name: String { certificate.certificate.name.text }
  }

  private static func makeParties(
    _ plan: FederationPlan, secrets: any SecretSource, authority: SigningKey, makeLinkKeyPair: () -> LinkKeyPair
  ) throws(HomeError) -> [Party] {
    var members: [(name: WorkerID, organisation: OrganisationID, role: Role)] = [
      ("coordinator", "coordinator", .coordinator)
    ]
    members += plan.workers.map { ($0.name, $0.organisation, .worker) }
    members += (0..<plan.servingNodes).map { i in
      (WorkerID(unchecked: i == 0 ? "serving" : "serving-\(i + 1)"), "serving", .servingNode)
    }
    members += [("consumer", "consumer", .consumer), ("operator", "operator", .operator)]
    var parties: [Party] = []
    for member in members {
      let keys = Party.Keys(signing: try Party.Keys.signing(from: secrets), link: makeLinkKeyPair())
      guard let linkKey = Z85.decode(keys.link.publicKey).flatMap({ LinkPublicKey($0) }) else {
        throw .badKey(path: PartyHome.linkPublicName, expected: "40 characters Z85")
      }
      let certificate = Certificate(
        organisation: member.organisation, name: member.name, role: member.role,
        signingKey: SigningPublicKey(unchecked: keys.signing.key.publicKey), linkKey: linkKey,
        notBefore: plan.notBefore, notAfter: plan.notAfter)
      let signature = Signature(unchecked: authority.sign(certificate.canonicalBytes))
      parties.append(Party(keys: keys, certificate: SignedCertificate(certificate: certificate, signature: signature)))
    }
    return parties
  }

  private static func publicFiles(of party: Party, _ federation: String, _ plan: FederationPlan) -> [String: String] {
    var files = [
      FederationFile.name: federation, PartyHome.certificateName: party.certificate.text,
      PartyHome.linkPublicName: ZPLCertificate.text(of: party.keys.link, name: party.name, withSecret: false),
    ]
    switch party.certificate.certificate.role {
    case .coordinator: files["coordinator.yaml"] = PartyTemplate.coordinator
    case .worker:
      files["worker.yaml"] = PartyTemplate.worker(
        ExampleFile(path: plan.dataFile, label: plan.label), threads: plan.threads)
      files["policy.yaml"] = plan.policy.text
    case .servingNode: files["serving.yaml"] = PartyTemplate.serving
    case .operator: files["run.yaml"] = PartyTemplate.run
    case .authority, .consumer: break
    }
    return files
  }

  private static func write(folder: String, public open: [String: String], secret: [String: String]) throws(FileError) {
    try DurableFile.createDirectory(folder, mode: 0o700)
    for (name, text) in open { try DurableFile.write(Array(text.utf8), to: "\(folder)/\(name)", mode: 0o644) }
    for (name, text) in secret { try DurableFile.write(Array(text.utf8), to: "\(folder)/\(name)", mode: 0o600) }
  }

  static func filed<T>(_ body: () throws(FileError) -> T) throws(HomeError) -> T {
    do throws(FileError) {
      return try body()
    } catch {
      throw .file(error)
    }
  }
}

/// CURVE certificates as ZPL text (RFC 4), as czmq and pyzmq read them.
enum ZPLCertificate {
  static func text(of pair: FederationHome.LinkKeyPair, name: String, withSecret: Bool) -> String {
    var out = """
      #   ZeroMQ CURVE \(withSecret ? "**Secret**" : "Public") Certificate
      \(withSecret ? "#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions." : "#   Public: may be given to anyone.")
      metadata
          name = "\(name)"
      curve
          public-key = "\(pair.publicKey)"

      """
    if withSecret { out += "    secret-key = \"\(pair.secretKey)\"\n" }
    return out
  }
}
