/// What a party may do in a federation. The raw value is part of the certificate.
package enum Role: UInt8, CaseIterable, Sendable, Codable {
  case authority = 0
  case worker = 1
  case coordinator = 2
  case servingNode = 3
  case consumer = 4
  case `operator` = 5
}

/// Who a party is: organisation, name, role and keys, for a time, as the federation's authority signs it.
///
/// Canonical bytes and their order: Protocols/secure-aggregation.md, "Certificate".
package struct Certificate: Hashable, Sendable {
  package let organisation: OrganisationID
  /// Unique in the federation; for a worker its `WorkerID`.
  package let name: WorkerID
  package let role: Role
  package let signingKey: SigningPublicKey
  package let linkKey: LinkPublicKey
  /// Seconds since 1970-01-01 UTC; valid while `notBefore ≤ now < notAfter`.
  package let notBefore: UInt64
  package let notAfter: UInt64

  package init(
    organisation: OrganisationID, name: WorkerID, role: Role, signingKey: SigningPublicKey, linkKey: LinkPublicKey,
    notBefore: UInt64, notAfter: UInt64
  ) {
    self.organisation = organisation
    self.name = name
    self.role = role
    self.signingKey = signingKey
    self.linkKey = linkKey
    self.notBefore = notBefore
    self.notAfter = notAfter
  }

  /// The bytes that the authority signs and whose SHA-256 is the certificate's fingerprint.
  package var canonicalBytes: [UInt8] {
    var out = CanonicalBytes(label: "certificate")
    out.append(prefixed: organisation.text)
    out.append(prefixed: name.text)
    out.append(role.rawValue)
    out.append(signingKey)
    out.append(linkKey)
    out.append(notBefore)
    out.append(notAfter)
    return out.bytes
  }

  /// Reads `canonicalBytes`.
  ///
  /// - Throws: `CertificateError.badLength` for a wrong label, a field cut short or trailing bytes, and the field's own
  ///   case for a name or role that no certificate may carry.
  package init(canonicalBytes: [UInt8]) throws(CertificateError) {
    var reader = CanonicalReader(canonicalBytes)
    guard let label = reader.readPrefixed(), label == Array("murmuration/sa1/certificate".utf8),
      let organisationBytes = reader.readPrefixed(max: OrganisationID.byteCountMax),
      let nameBytes = reader.readPrefixed(max: WorkerID.byteCountMax),
      let roleByte: UInt8 = reader.readInteger(),
      let signing = reader.read(32).flatMap({ SigningPublicKey($0) }),
      let link = reader.read(32).flatMap({ LinkPublicKey($0) }),
      let start: UInt64 = reader.readInteger(), let end: UInt64 = reader.readInteger(), reader.isAtEnd
    else { throw .badLength }
    guard let organisation = OrganisationID(String(decoding: organisationBytes, as: UTF8.self)) else {
      throw .badOrganisation
    }
    guard let name = WorkerID(String(decoding: nameBytes, as: UTF8.self)) else { throw .wrongName }
    guard let role = Role(rawValue: roleByte) else { throw .wrongRole }
    self.init(
      organisation: organisation, name: name, role: role, signingKey: signing, linkKey: link, notBefore: start,
      notAfter: end)
  }
}

/// Why a certificate was refused.
package enum CertificateError: Error, Equatable, Sendable {
  case badLength
  case badOrganisation
  case wrongName
  case wrongRole
  case certificateNotSigned
  case certificateNotValidNow
}

/// A certificate with the authority's signature over its canonical bytes.
package struct SignedCertificate: Hashable, Sendable {
  package let certificate: Certificate
  package let signature: Signature

  package init(certificate: Certificate, signature: Signature) {
    self.certificate = certificate
    self.signature = signature
  }
}
