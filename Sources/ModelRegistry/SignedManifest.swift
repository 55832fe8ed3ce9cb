import Cryptography
import Federation
import SecureAggregation

/// A manifest with the coordinator's signature over its bytes, as it is stored and sent.
package struct SignedManifest: Hashable, Sendable {
  /// The manifest's bytes, exactly as signed.
  package let bytes: [UInt8]
  package let signature: Signature
  /// The name in the membership list whose key is said to have signed.
  package let signer: WorkerID

  package init(bytes: [UInt8], signature: Signature, signer: WorkerID) {
    self.bytes = bytes
    self.signature = signature
    self.signer = signer
  }

  /// Signs a manifest.
  ///
  /// - Parameter key: of `manifest.signer`.
  package init(signing manifest: Manifest, key: SigningKey) throws(ManifestError) {
    let bytes = try manifest.encoded()
    self.init(bytes: bytes, signature: key.signature(over: Self.signedString(bytes)), signer: manifest.signer)
  }

  /// SHA-256 of the bytes: the name of the version in `name@sha256:…`.
  package var digest: Digest { .sha256(of: bytes) }

  /// `D("manifest") ‖ LP(manifest)`.
  package static func signedString(_ bytes: [UInt8]) -> [UInt8] {
    var out = CanonicalBytes(label: "manifest")
    out.append(prefixed: bytes)
    return out.bytes
  }

  /// The manifest, if a coordinator of the federation signed it while its certificate was valid.
  ///
  /// - Parameter membership: the list from the reader's own `federation` file; its certificates are checked again here.
  package func verify(membership: MembershipList) throws(VerificationError) -> Manifest {
    let manifest: Manifest
    do throws(ManifestError) {
      manifest = try Manifest(bytes: bytes)
    } catch {
      throw .manifest(error)
    }
    guard manifest.federation == membership.federation else {
      throw .otherFederation(found: manifest.federation, expected: membership.federation)
    }
    guard manifest.signer == signer else { throw .otherSigner(found: signer, expected: manifest.signer) }
    guard let member = membership[signer] else { throw .unknownSigner(signer) }
    let certificate = member.certificate
    guard certificate.role == .coordinator else { throw .signerIsNoCoordinator(signer, certificate.role) }
    guard member.signature.isValid(over: certificate.canonicalBytes, by: membership.authorityKey) else {
      throw .certificateNotSigned(signer)
    }
    guard signature.isValid(over: Self.signedString(bytes), by: certificate.signingKey) else {
      throw .badSignature(signer)
    }
    guard (certificate.notBefore..<certificate.notAfter).contains(manifest.createdAt) else {
      throw .certificateNotValidThen(signer, createdAt: manifest.createdAt)
    }
    return manifest
  }
}
