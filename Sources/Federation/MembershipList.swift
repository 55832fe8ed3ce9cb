/// Everyone who may take part: the certificates that the authority has issued and not revoked.
///
/// Part of the public `federation` file in every party's folder. Its digests stand in the configuration of every
/// attempt, so that a coordinator cannot show two workers different lists.
package struct MembershipList: Hashable, Sendable {
  package let federation: FederationID
  package let authorityKey: SigningPublicKey
  /// Sorted by name; names are unique.
  package let members: [SignedCertificate]

  /// - Precondition: names in `members` are unique.
  package init(federation: FederationID, authorityKey: SigningPublicKey, members: [SignedCertificate]) {
    self.federation = federation
    self.authorityKey = authorityKey
    self.members = members.sorted { $0.certificate.name < $1.certificate.name }
    for (a, b) in zip(self.members, self.members.dropFirst()) {
      precondition(a.certificate.name != b.certificate.name, "two certificates of one name")
    }
  }

  /// The certificate of a member by name; nil for a stranger.
  package subscript(name: WorkerID) -> SignedCertificate? {
    var low = 0, high = members.count
    while low < high {
      let middle = (low + high) / 2
      if members[middle].certificate.name < name { low = middle + 1 } else { high = middle }
    }
    return low < members.count && members[low].certificate.name == name ? members[low] : nil
  }

  /// The members that hold one role, sorted by name.
  package func members(role: Role) -> [SignedCertificate] { members.filter { $0.certificate.role == role } }

  /// The bytes whose SHA-256 is `issuanceLog` in a configuration.
  package var issuanceLogBytes: [UInt8] {
    var out = CanonicalBytes(label: "issuance-log")
    out.append(prefixed: federation.text)
    out.append(authorityKey)
    out.append(UInt32(members.count))
    for member in members { out.append(prefixed: member.certificate.canonicalBytes) }
    return out.bytes
  }

  /// The bytes whose SHA-256 is `revocationList`. Nothing has been revoked: revocation removes a member from the list.
  package var revocationListBytes: [UInt8] {
    var out = CanonicalBytes(label: "revocation-list")
    out.append(UInt32(0))
    return out.bytes
  }
}
