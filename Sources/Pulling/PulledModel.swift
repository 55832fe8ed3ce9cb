import Federation
import ModelRegistry
import SecureAggregation

/// A verified version in a folder: what `murmur pull` wrote.
package struct PulledModel: Hashable, Sendable {
  package static let modelName = "model.safetensors"
  package static let manifestName = "manifest.json"
  package static let signatureName = "manifest.sig"

  package let directory: String
  package let manifest: Manifest
  /// Of the manifest: the version's name in `name@sha256:…`.
  package let digest: Digest
  /// The coordinator whose signature was checked.
  package let signer: WorkerID

  /// The safetensors file.
  package var modelPath: String { directory + "/" + Self.modelName }
  /// The manifest's bytes, exactly as signed.
  package var manifestPath: String { directory + "/" + Self.manifestName }
  /// The signature: 128 hexadecimal digits and a line feed.
  package var signaturePath: String { directory + "/" + Self.signatureName }

  package init(directory: String, manifest: Manifest, digest: Digest) {
    self.directory = directory
    self.manifest = manifest
    self.digest = digest
    signer = manifest.signer
  }

  /// Checks a folder that `murmur pull` wrote, without a network: signature, signer, size and digest of the file, and
  /// every tensor's.
  ///
  /// - Parameter membership: the list from the reader's own `federation` file.
  /// - Throws: `PullError` of kind `notFound` for a missing file, `verificationFailed` for one that is not what was signed.
  package static func verify(directory: String, membership: MembershipList) throws(PullError) -> PulledModel {
    let signed = try signedManifest(in: directory)
    let attachments = try attachments(in: directory)
    let file = try read(directory + "/" + modelName, byteCountMax: DirectoryModelStore.blobByteCountMax)
    do throws(VerificationError) {
      let manifest = try signed.verify(membership: membership)
      try attachments?.verify(signed, membership: membership)
      _ = try manifest.verify(file: file)
      return PulledModel(directory: directory, manifest: manifest, digest: signed.digest)
    } catch {
      throw PullError(.verificationFailed, "\(directory): \(error)")
    }
  }

  /// What stands in a folder as manifest and signature. Nothing is verified.
  static func signedManifest(in directory: String) throws(PullError) -> SignedManifest {
    let bytes = try read(directory + "/" + manifestName, byteCountMax: Manifest.byteCountMax)
    let path = directory + "/" + signatureName
    guard let signature = signature(try read(path, byteCountMax: 1024)) else {
      throw PullError(.verificationFailed, "\(path): found something else, expected 128 hexadecimal digits")
    }
    do throws(ManifestError) {
      return SignedManifest(bytes: bytes, signature: signature, signer: try Manifest(bytes: bytes).signer)
    } catch {
      throw PullError(.verificationFailed, "\(directory)/\(manifestName): \(error)")
    }
  }

  /// What lets foreign tools verify the version in a folder; nil for none. Nothing is verified.
  static func attachments(in directory: String) throws(PullError) -> ModelAttachments? {
    do throws(RegistryError) {
      return try ModelAttachments.read(directory: directory)
    } catch {
      throw PullError(.verificationFailed, "\(error)")
    }
  }

  /// The bytes of `manifest.sig`, and what they say.
  static func text(of signature: Signature) -> [UInt8] { Array("\(signature.hex)\n".utf8) }

  static func signature(_ bytes: [UInt8]) -> Signature? {
    let text = String(decoding: bytes, as: UTF8.self)
    return text.hasSuffix("\n") ? Signature(hex: String(text.dropLast())) : nil
  }

  private static func read(_ path: String, byteCountMax: Int) throws(PullError) -> [UInt8] {
    do throws(FileError) {
      return try DurableFile.read(path, byteCountMax: byteCountMax)
    } catch {
      throw PullError(error.isMissing ? .notFound : .failed, error.description)
    }
  }
}
