import Federation
import SecureAggregation
import Tensors

/// A registry in a folder.
///
///     blobs/SHA256                            one tensor's raw bytes
///     models/NAME/versions/N/manifest.json    the manifest's bytes
///     models/NAME/versions/N/manifest.sig     the signature, 128 hexadecimal digits and a line feed
///     models/NAME/versions/N/README.md        the model card
///     models/NAME/versions/N/model.sig        and the other attachments, if the version has them
///     models/NAME/aliases/ALIAS               the version's number and a line feed
///     models/NAME/taken-back/N                the reason and a line feed
///     models/NAME/retired/N                   the manifest's digest, a space, the reason and a line feed
///
/// Blobs come first, then the version's folder in one rename, then the alias: whatever interrupts a publication, a version
/// that can be seen is complete. Nothing in memory: several processes may read one folder, one writes.
package final class DirectoryModelStore: ModelRegistryStore, Sendable {
  /// Largest blob that is read, in bytes.
  package static let blobByteCountMax = 4 << 30

  package let root: String

  /// Opens or makes the folder, and removes what an interrupted publication left.
  package init(root: String) throws(RegistryError) {
    self.root = root
    try Self.filed { () throws(FileError) in
      try DurableFile.createDirectory(root + "/blobs")
      try DurableFile.createDirectory(root + "/models")
      for name in try DurableFile.names(in: root + "/blobs") where name.hasPrefix(".") {
        try DurableFile.remove(root + "/blobs/" + name)
      }
    }
  }

  /// Opens a folder that another process may be writing: nothing in it is changed.
  ///
  /// - Throws: `RegistryError.file` if there is none.
  package init(reading root: String) throws(RegistryError) {
    self.root = root
    _ = try Self.filed { () throws(FileError) in try DurableFile.names(in: root + "/models") }
  }

  package func publish(
    _ manifest: SignedManifest, artifact: ModelArtifact, attachments: ModelAttachments?
  ) throws(RegistryError) {
    let version = try Self.checked(manifest, artifact, attachments)
    let (model, number) = (version.manifest.model, version.manifest.version)
    if let existing = try stored(model, number) {
      guard existing.signed.bytes == manifest.bytes else {
        throw .versionTaken(model, number, existing: existing.digest)
      }
      if existing.attachments == nil, let attachments {
        try Self.filed { () throws(FileError) in try Self.write(attachments, to: "\(versionsPath(model))/\(number)") }
      }
    } else {
      for (record, tensor) in zip(version.manifest.tensors, artifact.tensors) {
        try keep(tensor.bytes, as: record.digest)
      }
      try write(version)
    }
    if try retired(of: model).contains(where: { $0.version == number }) { return }
    let latest = try pointer(.latest, of: model)
    if latest.map({ $0 < number }) ?? true { try point(.latest, of: model, to: number) }
  }

  /// Keeps one blob, as a serving node does while it fetches a version.
  ///
  /// - Throws: `corruptedBlob` if the bytes do not have the digest; nothing is then written.
  package func keep(_ bytes: [UInt8], as digest: Digest) throws(RegistryError) {
    let found = Digest.sha256(of: bytes)
    guard found == digest else { throw .corruptedBlob(digest, found: found) }
    // A blob that is there is read again, so that a damaged one is replaced rather than published.
    if has(digest), let existing = try? blob(digest), existing == bytes { return }
    try Self.filed { () throws(FileError) in try DurableFile.write(bytes, to: blobPath(digest), mode: 0o444) }
  }

  /// Whether a blob is there, unread.
  package func has(_ digest: Digest) -> Bool { DurableFile.exists(blobPath(digest)) }

  package func find(_ reference: ModelReference) throws(RegistryError) -> StoredVersion {
    let model = reference.model
    guard DurableFile.exists(versionsPath(model)) else { throw .unknownModel(model) }
    let found: StoredVersion? =
      switch reference.selector {
      case .version(let number): try stored(model, number)
      case .alias(let alias):
        try pointer(alias, of: model).flatMap { number throws(RegistryError) in
          try stored(model, number)
        }
      case .digest(let digest): try versions(of: model).first { $0.digest == digest }
      }
    guard let found else { throw .unknownVersion(reference) }
    return found
  }

  package func versions(of model: ModelName) throws(RegistryError) -> [StoredVersion] {
    guard DurableFile.exists(versionsPath(model)) else { return [] }
    let names = try Self.filed { () throws(FileError) in try DurableFile.names(in: versionsPath(model)) }
    var out: [StoredVersion] = []
    for number in names.compactMap({ UInt64($0) }).sorted() {
      if let version = try stored(model, ModelVersion(number)) { out.append(version) }
    }
    return out
  }

  package func models() throws(RegistryError) -> [ModelName] {
    try Self.filed { () throws(FileError) in try DurableFile.names(in: root + "/models") }
      .compactMap { ModelName($0) }.sorted()
  }

  package func blob(_ digest: Digest) throws(RegistryError) -> [UInt8] {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try DurableFile.read(blobPath(digest), byteCountMax: Self.blobByteCountMax)
    } catch {
      throw error.isMissing ? .unknownBlob(digest) : .file(error)
    }
    let found = Digest.sha256(of: bytes)
    guard found == digest else { throw .corruptedBlob(digest, found: found, path: blobPath(digest)) }
    return bytes
  }

  package func move(_ alias: Alias, of model: ModelName, to version: ModelVersion) throws(RegistryError) {
    _ = try find(ModelReference(model: model, selector: .version(version)))
    try requireStanding(version, of: model)
    try point(alias, of: model, to: version)
  }

  package func remove(_ alias: Alias, of model: ModelName) throws(RegistryError) {
    let folder = aliasesPath(model)
    guard DurableFile.exists(folder) else { return }
    try Self.filed { () throws(FileError) in
      try DurableFile.remove(folder + "/" + alias.text)
      try DurableFile.synchronise(directory: folder)
    }
  }

  package func aliases(of model: ModelName) throws(RegistryError) -> [(alias: Alias, version: ModelVersion)] {
    let folder = aliasesPath(model)
    guard DurableFile.exists(folder) else { return [] }
    var out: [(alias: Alias, version: ModelVersion)] = []
    for name in try Self.filed({ () throws(FileError) in try DurableFile.names(in: folder) }) {
      if let alias = Alias(name), let version = try pointer(alias, of: model) { out.append((alias, version)) }
    }
    return out
  }

  package func takeBack(_ version: ModelVersion, of model: ModelName, reason: String) throws(RegistryError) {
    _ = try find(ModelReference(model: model, selector: .version(version)))
    let text = reason.prefix(Self.reasonCharactersMax).replacing("\n", with: " ")
    try Self.filed { () throws(FileError) in
      try DurableFile.createDirectory(takenBackPath(model))
      try DurableFile.write(Array("\(text)\n".utf8), to: "\(takenBackPath(model))/\(version)")
    }
    try restoreLatest(of: model)
  }

  package func takenBack(of model: ModelName) throws(RegistryError) -> [(version: ModelVersion, reason: String)] {
    let folder = takenBackPath(model)
    guard DurableFile.exists(folder) else { return [] }
    return try Self.filed { () throws(FileError) in
      try DurableFile.names(in: folder).compactMap { UInt64($0) }.sorted().map { number throws(FileError) in
        let reason = try DurableFile.read("\(folder)/\(number)", byteCountMax: 4 * Self.reasonCharactersMax + 1)
        return (version: ModelVersion(number), reason: String(decoding: reason.dropLast(), as: UTF8.self))
      }
    }
  }

  package func markRetired(_ version: RetiredVersion) throws(RegistryError) {
    let folder = retiredPath(version.model)
    let path = "\(folder)/\(version.version)"
    guard !DurableFile.exists(path) else { return }
    try Self.filed { () throws(FileError) in
      try DurableFile.createDirectory(folder)
      try DurableFile.write(Array("\(version.digest) \(version.reason)\n".utf8), to: path)
    }
  }

  package func retired(of model: ModelName) throws(RegistryError) -> [RetiredVersion] {
    let folder = retiredPath(model)
    guard DurableFile.exists(folder) else { return [] }
    let numbers = try Self.filed { () throws(FileError) in try DurableFile.names(in: folder) }.compactMap { UInt64($0) }
    var out: [RetiredVersion] = []
    for number in numbers.sorted() {
      let path = "\(folder)/\(number)"
      let bytes = try Self.filed { () throws(FileError) in
        try DurableFile.read(path, byteCountMax: 2 * Digest.byteCount + RetiredVersion.reasonBytesMax + 2)
      }
      let digits = bytes.prefix(2 * Digest.byteCount)
      guard bytes.last == UInt8(ascii: "\n"), bytes.count > digits.count + 1,
        let digest = Digest(hex: String(decoding: digits, as: UTF8.self))
      else { throw .corruptedVersion(path: path, reason: "not a digest and a reason") }
      let reason = String(decoding: bytes.dropFirst(digits.count + 1).dropLast(), as: UTF8.self)
      out.append(
        RetiredVersion(model: model, version: ModelVersion(number), digest: digest, reason: reason))
    }
    return out
  }

  // MARK: Files

  private static let reasonCharactersMax = 1_000

  private func blobPath(_ digest: Digest) -> String { root + "/blobs/" + digest.hex }
  private func versionsPath(_ model: ModelName) -> String { root + "/models/" + model.text + "/versions" }
  private func takenBackPath(_ model: ModelName) -> String { root + "/models/" + model.text + "/taken-back" }
  private func retiredPath(_ model: ModelName) -> String { root + "/models/" + model.text + "/retired" }
  private func aliasesPath(_ model: ModelName) -> String { root + "/models/" + model.text + "/aliases" }

  /// Writes the version's folder beside its place and renames it.
  private func write(_ version: StoredVersion) throws(RegistryError) {
    let folder = versionsPath(version.manifest.model)
    let temporary = "\(folder)/.\(version.manifest.version).\(version.digest.short)"
    try Self.filed { () throws(FileError) in
      try DurableFile.remove(temporary)
      try DurableFile.createDirectory(temporary)
      try DurableFile.write(version.signed.bytes, to: temporary + "/manifest.json", mode: 0o444)
      try DurableFile.write(
        Array("\(version.signed.signature.hex)\n".utf8), to: temporary + "/manifest.sig", mode: 0o444)
      try DurableFile.write(
        Array(ModelCard.text(of: version.manifest, digest: version.digest).utf8),
        to: "\(temporary)/\(VersionFile.card.name)", mode: 0o444)
      if let attachments = version.attachments { try Self.write(attachments, to: temporary) }
      try DurableFile.rename(temporary, to: "\(folder)/\(version.manifest.version)")
    }
  }

  /// The model signature comes last: without it, the folder has no attachments.
  private static func write(_ attachments: ModelAttachments, to folder: String) throws(FileError) {
    for (file, bytes) in attachments.files {
      try DurableFile.write(bytes, to: "\(folder)/\(file.name)", mode: 0o444)
    }
  }

  /// The version of a number; nil if there is none.
  private func stored(_ model: ModelName, _ number: ModelVersion) throws(RegistryError) -> StoredVersion? {
    let folder = "\(versionsPath(model))/\(number)"
    guard DurableFile.exists(folder) else { return nil }
    let (bytes, text) = try Self.filed { () throws(FileError) in
      (
        try DurableFile.read(folder + "/manifest.json", byteCountMax: Manifest.byteCountMax),
        try DurableFile.read(folder + "/manifest.sig", byteCountMax: 1024)
      )
    }
    let digits = String(decoding: text, as: UTF8.self)
    guard digits.hasSuffix("\n"), let signature = Signature(hex: String(digits.dropLast())) else {
      throw .corruptedVersion(path: folder + "/manifest.sig", reason: "not a signature")
    }
    let attachments = try ModelAttachments.read(directory: folder)
    do throws(ManifestError) {
      let signer = try Manifest(bytes: bytes).signer
      let version = try StoredVersion(
        SignedManifest(bytes: bytes, signature: signature, signer: signer), attachments: attachments)
      guard version.manifest.model == model, version.manifest.version == number else {
        throw .badLineage("it is of \(version.manifest.model)@\(version.manifest.version)")
      }
      return version
    } catch {
      throw .corruptedVersion(path: folder + "/manifest.json", reason: "\(error)")
    }
  }

  private func pointer(_ alias: Alias, of model: ModelName) throws(RegistryError) -> ModelVersion? {
    let path = aliasesPath(model) + "/" + alias.text
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try DurableFile.read(path, byteCountMax: 64)
    } catch {
      if error.isMissing { return nil }
      throw .file(error)
    }
    let text = String(decoding: bytes, as: UTF8.self)
    guard text.hasSuffix("\n"), let number = UInt64(text.dropLast()) else {
      throw .corruptedVersion(path: path, reason: "not a version's number")
    }
    return ModelVersion(number)
  }

  private func point(_ alias: Alias, of model: ModelName, to version: ModelVersion) throws(RegistryError) {
    try Self.filed { () throws(FileError) in
      try DurableFile.createDirectory(aliasesPath(model))
      try DurableFile.write(Array("\(version)\n".utf8), to: aliasesPath(model) + "/" + alias.text)
    }
  }

  private static func filed<T>(_ body: () throws(FileError) -> T) throws(RegistryError) -> T {
    do throws(FileError) {
      return try body()
    } catch {
      throw .file(error)
    }
  }
}
