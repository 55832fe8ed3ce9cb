import ClusterConfiguration
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

  init(directory: String, manifest: Manifest, digest: Digest) {
    self.directory = directory
    self.manifest = manifest
    self.digest = digest
    signer = manifest.signer
  }

  /// Checks a folder that `murmur pull` wrote, without a network: signature, signer, size and digest of the file, and
  /// every tensor's.
  ///
  /// - Parameter home: the folder of any party; its `federation` file says who may sign.
  /// - Throws: `RuntimeError` of category `notFound` for a missing file, `verificationFailed` for one that is not what
  ///   was signed.
  package static func verify(directory: String, home: String) throws(RuntimeError) -> PulledModel {
    let federation: FederationFile
    do throws(ConfigurationError) {
      federation = try FederationFile.load(path: home + "/" + FederationFile.name)
    } catch {
      throw RuntimeError(error)
    }
    let signed = try signedManifest(in: directory)
    let file = try read(directory + "/" + modelName, byteCountMax: DirectoryModelStore.blobByteCountMax)
    do throws(VerificationError) {
      let manifest = try signed.verify(membership: federation.membership)
      _ = try manifest.verify(file: file)
      return PulledModel(directory: directory, manifest: manifest, digest: signed.digest)
    } catch {
      throw RuntimeError(.verificationFailed, "\(directory): \(error)")
    }
  }

  private static func signedManifest(in directory: String) throws(RuntimeError) -> SignedManifest {
    let bytes = try read(directory + "/" + manifestName, byteCountMax: Manifest.byteCountMax)
    let path = directory + "/" + signatureName
    let text = String(decoding: try read(path, byteCountMax: 1024), as: UTF8.self)
    guard text.hasSuffix("\n"), let signature = Signature(hex: String(text.dropLast())) else {
      throw RuntimeError(.verificationFailed, "\(path): found something else, expected 128 hexadecimal digits")
    }
    do throws(ManifestError) {
      return SignedManifest(bytes: bytes, signature: signature, signer: try Manifest(bytes: bytes).signer)
    } catch {
      throw RuntimeError(.verificationFailed, "\(directory)/\(manifestName): \(error)")
    }
  }

  private static func read(_ path: String, byteCountMax: Int) throws(RuntimeError) -> [UInt8] {
    do throws(FileError) {
      return try DurableFile.read(path, byteCountMax: byteCountMax)
    } catch {
      throw RuntimeError(error.isMissing ? .notFound : .failed, error.description)
    }
  }
}
