import Federation
import ModelRegistry

/// Where the sockets of a federation are, as others connect to them.
package struct Endpoints: Hashable, Sendable {
  package var control: String
  package var bulk: String
  package var state: String
  package var snapshot: String
  package var pull: String

  package init(control: String, bulk: String, state: String, snapshot: String, pull: String) {
    self.control = control
    self.bulk = bulk
    self.state = state
    self.snapshot = snapshot
    self.pull = pull
  }

  /// All on one host, on five ports from `firstPort`: 7700 to 7704 by default.
  package init(host: String = "127.0.0.1", firstPort: UInt16 = 7700) {
    func address(_ offset: Int) -> String { "tcp://\(host):\(Int(firstPort) + offset)" }
    self.init(control: address(0), bulk: address(1), state: address(2), snapshot: address(3), pull: address(4))
  }
}

/// The public file `federation` in every party's folder: who belongs to the federation and where it is.
package struct FederationFile: Hashable, Sendable {
  package static let name = "federation"

  package var endpoints: Endpoints
  package var membership: MembershipList

  package init(endpoints: Endpoints, membership: MembershipList) {
    self.endpoints = endpoints
    self.membership = membership
  }

  /// The file's text.
  package var text: String {
    var out = """
      # Public: the authority's key, the addresses and the members of the federation "\(membership.federation)".
      federation: \(membership.federation)
      authority-key: "\(membership.authorityKey.hex)"
      endpoints:
        control: "\(endpoints.control)"
        bulk: "\(endpoints.bulk)"
        state: "\(endpoints.state)"
        snapshot: "\(endpoints.snapshot)"
        pull: "\(endpoints.pull)"
      members:

      """
    for member in membership.members {
      let certificate = member.certificate
      out += "  # \(certificate.name): \(certificate.role.word) of \(certificate.organisation)\n"
      out += "  - certificate: \"\(certificate.canonicalBytes.hex)\"\n"
      out += "    signature: \"\(member.signature.hex)\"\n"
    }
    return out
  }

  /// Reads a federation file; signatures are the caller's to check.
  package static func load(path: String) throws(ConfigurationError) -> FederationFile {
    try read(ConfigurationFile(path: path, expected: "the public file of a federation"))
  }

  /// Reads a federation file that is in memory.
  package static func read(_ file: ConfigurationFile) throws(ConfigurationError) -> FederationFile {
    let top = try file.top(keys: ["federation", "authority-key", "endpoints", "members"])
    let addresses = try top.section("endpoints", keys: ["control", "bulk", "state", "snapshot", "pull"])
    var members: [SignedCertificate] = []
    var names: Set<WorkerID> = []
    for section in try top.sections("members", keys: SignedCertificate.keys) {
      let member = try SignedCertificate(section)
      guard names.insert(member.certificate.name).inserted else {
        throw section.error(
          at: "certificate", found: "a second '\(member.certificate.name)'", expected: "every name once")
      }
      members.append(member)
    }
    return try FederationFile(
      endpoints: Endpoints(
        control: addresses.endpoint("control"), bulk: addresses.endpoint("bulk"), state: addresses.endpoint("state"),
        snapshot: addresses.endpoint("snapshot"), pull: addresses.endpoint("pull")),
      membership: MembershipList(
        federation: top.name("federation"),
        authorityKey: top.scalar("authority-key", expected: "64 hexadecimal digits") { SigningPublicKey(hex: $0) },
        members: members))
  }
}

extension SignedCertificate {
  static let keys = ["certificate", "signature"]

  init(_ section: ConfigurationSection) throws(ConfigurationError) {
    let certificate: Certificate? = try section.scalar(
      "certificate", expected: "the hexadecimal digits of a certificate"
    ) { text in
      [UInt8](hex: text).flatMap { bytes in try? Certificate(canonicalBytes: bytes) }
    }
    guard let certificate else {
      throw section.error(at: "certificate", found: "none", expected: "a certificate")
    }
    try self.init(
      certificate: certificate,
      signature: section.scalar("signature", expected: "128 hexadecimal digits") { Signature(hex: $0) })
  }

  /// The text of the file `certificate` in a party's folder.
  var text: String {
    """
    # Public: the certificate of "\(certificate.name)", \(certificate.role.word) of \(certificate.organisation).
    certificate: "\(certificate.canonicalBytes.hex)"
    signature: "\(signature.hex)"

    """
  }
}
