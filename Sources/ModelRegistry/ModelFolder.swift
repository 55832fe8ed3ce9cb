import Federation
import Tensors

/// One version as its consumer keeps it: three files in a folder.
///
///     model.safetensors    the weights
///     manifest.json        the manifest's bytes, exactly as signed
///     manifest.sig         the signature, 128 hexadecimal digits and a line feed
package struct ModelFolder: Hashable, Sendable {
  package static let modelName = "model.safetensors"
  package static let manifestName = "manifest.json"
  package static let signatureName = "manifest.sig"
  /// Largest model file that is read, in bytes.
  package static let modelByteCountMax = 16 << 30

  package let directory: String

  package init(directory: String) { self.directory = directory }

  package var modelPath: String { directory + "/" + Self.modelName }
  package var manifestPath: String { directory + "/" + Self.manifestName }
  package var signaturePath: String { directory + "/" + Self.signatureName }

  /// Writes a version that its caller has verified; older files of these names are replaced, others stay.
  ///
  /// Each file is complete or absent. The manifest comes last: a folder whose writing was interrupted does not verify.
  @discardableResult
  package static func write(_ manifest: SignedManifest, file: [UInt8], to directory: String) throws(FileError)
    -> ModelFolder
  {
    let folder = ModelFolder(directory: directory)
    try DurableFile.createDirectory(directory)
    try DurableFile.write(file, to: folder.modelPath)
    try DurableFile.write(Array("\(manifest.signature.hex)\n".utf8), to: folder.signaturePath)
    try DurableFile.write(manifest.bytes, to: folder.manifestPath)
    return folder
  }

  /// The manifest with its signature, unverified.
  package func signedManifest() throws(ModelFolderError) -> SignedManifest {
    let bytes = try read(manifestPath, byteCountMax: Manifest.byteCountMax)
    let text = String(decoding: try read(signaturePath, byteCountMax: 1024), as: UTF8.self)
    guard text.hasSuffix("\n"), let signature = Signature(hex: String(text.dropLast())) else {
      throw .notASignature(path: signaturePath)
    }
    do throws(ManifestError) {
      return SignedManifest(bytes: bytes, signature: signature, signer: try Manifest(bytes: bytes).signer)
    } catch {
      throw .notVerified(path: manifestPath, .manifest(error))
    }
  }

  /// Checks signature, signer, every tensor and the file, without a network.
  ///
  /// - Parameter membership: of the reader's own `federation` file.
  package func verify(membership: MembershipList) throws(ModelFolderError) -> (manifest: Manifest, digest: Digest) {
    let signed = try signedManifest()
    let manifest: Manifest
    do throws(VerificationError) {
      manifest = try signed.verify(membership: membership)
    } catch {
      throw .notVerified(path: manifestPath, error)
    }
    let file = try read(modelPath, byteCountMax: Self.modelByteCountMax)
    do throws(VerificationError) {
      _ = try manifest.verify(file: file)
    } catch {
      throw .notVerified(path: modelPath, error)
    }
    return (manifest, signed.digest)
  }

  private func read(_ path: String, byteCountMax: Int) throws(ModelFolderError) -> [UInt8] {
    do throws(FileError) {
      return try DurableFile.read(path, byteCountMax: byteCountMax)
    } catch {
      throw .file(error)
    }
  }
}

/// Why a consumer's folder does not hold a verified version.
package enum ModelFolderError: Error, Equatable, Sendable, CustomStringConvertible {
  case file(FileError)
  case notASignature(path: String)
  case notVerified(path: String, VerificationError)

  package var description: String {
    switch self {
    case .file(let error): "\(error)"
    case .notASignature(let path): "\(path): found something else, expected 128 hexadecimal digits and a line feed"
    case .notVerified(let path, let error): "\(path): \(error)"
    }
  }
}
