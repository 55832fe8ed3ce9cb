import Cryptography
import Federation
import SecureAggregation

/// What lets foreign tools verify a version: a model signature, the key that made it, and the coordinator's word for
/// that key. Older versions have none.
package struct ModelAttachments: Hashable, Sendable {
  /// Longest key that is read, in bytes.
  package static let keyByteCountMax = 1 << 10

  /// `ModelSignature.bundle`.
  package let bundle: [UInt8]
  /// The P-256 public key as a SubjectPublicKeyInfo in DER.
  package let key: [UInt8]
  /// The Ed25519 signature of the manifest's signer over the key.
  package let endorsement: Signature

  package init(bundle: [UInt8], key: [UInt8], endorsement: Signature) {
    self.bundle = bundle
    self.key = key
    self.endorsement = endorsement
  }

  /// `D("model-signing-key") ‖ LP(SubjectPublicKeyInfo)`: what the endorsement signs.
  package static func endorsedString(_ key: [UInt8]) -> [UInt8] {
    var out = CanonicalBytes(label: "model-signing-key")
    out.append(prefixed: key)
    return out.bytes
  }

  /// Checks that the manifest's signer endorses the key, and that the key signed this version.
  ///
  /// - Parameter signed: verified already against the same list.
  package func verify(_ signed: SignedManifest, membership: MembershipList) throws(VerificationError) {
    guard let signer = membership[signed.signer]?.certificate.signingKey else { throw .unknownSigner(signed.signer) }
    guard endorsement.isValid(over: Self.endorsedString(key), by: signer) else {
      throw .keyNotEndorsed(by: signed.signer)
    }
    let publicKey: P256PublicKey
    do throws(CryptographyError) {
      publicKey = try P256PublicKey(checking: key)
    } catch {
      throw .badModelSignature("its key is not a P-256 key")
    }
    let manifest: Manifest
    do throws(ManifestError) {
      manifest = try Manifest(bytes: signed.bytes)
    } catch {
      throw .manifest(error)
    }
    try ModelSignature.verify(bundle, of: manifest, digest: signed.digest, key: publicKey)
  }

  // MARK: Files

  /// The files that hold the attachments in a version's folder; the signature is the last.
  ///
  /// - Precondition: the key is one that `verify` accepts.
  package var files: [(file: VersionFile, bytes: [UInt8])] {
    guard let pem = (try? P256PublicKey(checking: key))?.pem else { preconditionFailure("a key that was not verified") }
    return [
      (.endorsement, Array("\(endorsement.hex)\n".utf8)), (.signingKey, Array(pem.utf8)), (.modelSignature, bundle),
    ]
  }

  /// Reads what `files` says; nil if the folder has no model signature.
  ///
  /// Nothing is verified yet.
  ///
  /// - Throws: `RegistryError.file`, or `.corruptedVersion` for a file that is no key or endorsement.
  package static func read(directory: String) throws(RegistryError) -> ModelAttachments? {
    func path(_ file: VersionFile) -> String { "\(directory)/\(file.name)" }
    guard DurableFile.exists(path(.modelSignature)) else { return nil }
    let bundle: [UInt8]
    let pem: [UInt8]
    let digits: [UInt8]
    do throws(FileError) {
      bundle = try DurableFile.read(path(.modelSignature), byteCountMax: ModelSignature.bundleByteCountMax)
      pem = try DurableFile.read(path(.signingKey), byteCountMax: 2 * keyByteCountMax)
      digits = try DurableFile.read(path(.endorsement), byteCountMax: 1024)
    } catch {
      throw .file(error)
    }
    let text = String(decoding: digits, as: UTF8.self)
    guard text.hasSuffix("\n"), let endorsement = Signature(hex: String(text.dropLast())) else {
      throw .corruptedVersion(path: path(.endorsement), reason: "not a signature")
    }
    do throws(CryptographyError) {
      return ModelAttachments(bundle: bundle, key: try P256PublicKey(pem: pem).der, endorsement: endorsement)
    } catch {
      throw .corruptedVersion(path: path(.signingKey), reason: "not a P-256 key")
    }
  }
}

/// Signs versions for foreign tools, with a key that the coordinator's identity endorses.
package struct ModelSigner: Sendable {
  private let key: P256SigningKey
  private let endorsement: Signature

  /// - Parameter identity: the coordinator's own key, which signs its manifests.
  package init(key: P256SigningKey, endorsedBy identity: SigningKey) {
    self.key = key
    endorsement = identity.signature(over: ModelAttachments.endorsedString(key.publicKey.der))
  }

  /// - Throws: `ManifestError` for bytes that are not a manifest.
  package func attachments(for signed: SignedManifest) throws(ManifestError) -> ModelAttachments {
    ModelAttachments(
      bundle: try ModelSignature.bundle(of: signed, key: key), key: key.publicKey.der, endorsement: endorsement)
  }
}
