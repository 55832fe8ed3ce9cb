import ClusterConfiguration
import Federation
import ModelRegistry
import SecureAggregation
import Wire
import ZeroMQ

/// A consumer's way to models: lists what a serving node has, downloads versions and verifies them.
///
/// The serving node is not trusted: the signature is a coordinator's of the consumer's own federation file, and every
/// byte is covered by it.
package final class PullClient: Sendable {
  /// Time without a byte after which a download gives up, in deadlines.
  static let stallDeadlines = 3

  private let connection: PullConnection
  private let membership: MembershipList
  private let deadline: Duration
  private let downloads = DownloadBoard()

  /// Connects; nothing is asked yet.
  ///
  /// - Parameters:
  ///   - home: the folder of a consumer, or of any other party that is let in.
  ///   - endpoint: in place of the federation file's; nil for that one.
  ///   - deadline: for each answer.
  package init(home: String, endpoint: String? = nil, deadline: Duration = .seconds(10)) throws(RuntimeError) {
    let keys = try ClientKeys(
      home: home, roles: [.consumer, .operator, .worker, .servingNode, .coordinator], server: .servingNode)
    membership = keys.home.membership
    let address = endpoint ?? keys.home.federation.endpoints.pull
    self.deadline = deadline
    connection = try PullConnection(
      to: Endpoint(rawValue: address), keys: keys, server: "the serving node", profile: .pull(.connecting),
      deadline: deadline
    ) { [downloads] event in downloads.post(event) }
  }

  /// What the serving node offers, sorted by name, newest versions first.
  package func models() async throws(RuntimeError) -> [ModelRow] {
    guard case .models(let rows) = try await connection.ask(.listModels) else { throw Self.unexpected }
    return rows
  }

  /// The signed statement about a version, verified.
  package func manifest(of text: String) async throws(RuntimeError) -> (manifest: Manifest, signed: SignedManifest) {
    let reference: ModelReference
    do throws(ModelReferenceError) {
      reference = try ModelReference(parsing: text)
    } catch {
      throw RuntimeError(.usage, error.description)
    }
    guard case .resolved(let signed) = try await connection.ask(.resolve(reference: text)) else {
      throw Self.unexpected
    }
    do throws(VerificationError) {
      let manifest = try signed.verify(membership: membership)
      try check(manifest, digest: signed.digest, against: reference)
      return (manifest, signed)
    } catch {
      throw RuntimeError(.verificationFailed, "\(text): \(error)")
    }
  }

  /// Downloads a version into a folder and verifies it. Nothing has its final name before all of it is verified.
  ///
  /// A download that stopped is taken up where it stopped. Files of another version in the folder are replaced, the
  /// weights last.
  ///
  /// - Parameters:
  ///   - reference: `digits@3`, `digits@champion` or `digits@sha256:…`.
  ///   - directory: made if there is none.
  ///   - progress: bytes that are there, and all bytes; called after each chunk, and once before the first.
  /// - Throws: `RuntimeError` of category `notFound`, `notAuthorised`, `verificationFailed`, `network`, or `failed` for
  ///   what the disk refuses.
  package func pull(
    reference: String, into directory: String, progress: @Sendable (UInt64, UInt64) -> Void = { _, _ in }
  ) async throws(RuntimeError) -> PulledModel {
    let (manifest, signed) = try await manifest(of: reference)
    let model = PulledModel(directory: directory, manifest: manifest, digest: signed.digest)
    do throws(FileError) {
      try DurableFile.createDirectory(directory)
    } catch {
      throw RuntimeError(error)
    }
    guard !isComplete(model) else {
      progress(manifest.file.byteCount, manifest.file.byteCount)
      try write(signed, of: model)
      return model
    }
    let file = try PartialFile(directory: directory, digest: manifest.file.digest)
    let download = FileDownload(manifest.file, to: file, over: connection, patience: deadline * Self.stallDeadlines)
    try await download.run(events: downloads, progress: progress)
    try check(file, against: manifest)
    try write(signed, of: model)
    do throws(FileError) {
      try file.commit(byteCount: manifest.file.byteCount, as: model.modelPath)
    } catch {
      throw RuntimeError(error)
    }
    return model
  }

  // MARK: Checks

  private func check(_ manifest: Manifest, digest: Digest, against reference: ModelReference)
    throws(VerificationError)
  {
    let found = "\(manifest.model)@\(manifest.version)"
    guard manifest.model == reference.model else { throw .otherVersion(found: found, expected: "\(reference)") }
    switch reference.selector {
    case .alias: break
    case .version(let version):
      guard version == manifest.version else { throw .otherVersion(found: found, expected: "\(reference)") }
    case .digest(let expected):
      guard digest == expected else { throw .manifestDigest(found: digest, expected: expected) }
    }
  }

  /// The digest of the file is right already: that its tensors are those of the manifest is checked here.
  private func check(_ file: PartialFile, against manifest: Manifest) throws(RuntimeError) {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try DurableFile.read(file.path, byteCountMax: DirectoryModelStore.blobByteCountMax)
    } catch {
      throw RuntimeError(error)
    }
    do throws(VerificationError) {
      _ = try manifest.verify(file: Array(bytes.prefix(Int(clamping: manifest.file.byteCount))))
    } catch {
      throw RuntimeError(error)
    }
  }

  private func isComplete(_ model: PulledModel) -> Bool {
    guard let bytes = try? DurableFile.read(model.modelPath, byteCountMax: Int(clamping: model.manifest.file.byteCount))
    else { return false }
    return (try? model.manifest.verify(file: bytes)) != nil
  }

  private func write(_ signed: SignedManifest, of model: PulledModel) throws(RuntimeError) {
    do throws(FileError) {
      try DurableFile.write(Array("\(signed.signature.hex)\n".utf8), to: model.signaturePath)
      try DurableFile.write(signed.bytes, to: model.manifestPath)
    } catch {
      throw RuntimeError(error)
    }
  }

  private static var unexpected: RuntimeError {
    RuntimeError(.failed, "the serving node gave the answer to another question")
  }
}
