import Federation
import ModelRegistry

/// A version whose manifest a coordinator of the reader's federation signed, and the small files that go with it.
struct VerifiedVersion: Sendable {
  let signed: SignedManifest
  let manifest: Manifest
  /// Of the manifest.
  let digest: Digest
  private let attachments: ModelAttachments?

  /// - Throws: `PullError.verificationFailed` for a manifest that is not signed, or not the one that was asked for, and for
  ///   attachments that are not the signer's for this version.
  init(_ resolved: ResolvedVersion, membership: MembershipList, reference: ModelReference) throws(PullError) {
    signed = resolved.signed
    digest = resolved.signed.digest
    attachments = resolved.attachments
    do throws(VerificationError) {
      manifest = try signed.verify(membership: membership)
      try reference.check(manifest, digest: digest)
      try attachments?.verify(signed, membership: membership)
    } catch {
      throw PullError(.verificationFailed, "\(reference): \(error)")
    }
  }

  /// All files of the version's folder but the weights, in the order in which they are written. The model card follows
  /// from the manifest.
  var smallFiles: [(name: String, bytes: [UInt8])] {
    [(VersionFile.card.name, Array(ModelCard.text(of: manifest, digest: digest).utf8))]
      + (attachments?.files ?? []).map { ($0.file.name, $0.bytes) }
      + [
        (PulledModel.signatureName, PulledModel.text(of: signed.signature)), (PulledModel.manifestName, signed.bytes),
      ]
  }

  /// Names of small files that another version may have and this one has not.
  var absentFiles: [String] {
    let present = smallFiles.map(\.name)
    return VersionFile.allCases.filter { $0 != .model }.map(\.name).filter { !present.contains($0) }
  }
}
