import Federation

/// A version as a plain folder: the weights, what is signed about them, and a page for people.
package struct VersionFolder: Sendable {
  package let version: StoredVersion
  package let artifact: ModelArtifact

  /// - Parameter artifact: of this version, verified.
  package init(_ version: StoredVersion, artifact: ModelArtifact) {
    self.version = version
    self.artifact = artifact
  }

  /// The folder's files. Without attachments there is no model signature.
  package var files: [(file: VersionFile, bytes: [UInt8])] {
    let card = ModelCard.text(of: version.manifest, digest: version.digest)
    return [
      (.model, artifact.file), (.manifest, version.signed.bytes),
      (.manifestSignature, Array("\(version.signed.signature.hex)\n".utf8)), (.card, Array(card.utf8)),
    ] + (version.attachments?.files ?? [])
  }

  /// Writes the folder under a temporary name beside its place and renames it.
  ///
  /// - Throws: `FileError` with code `ENOTEMPTY`, `EEXIST` or `ENOTDIR` if something is in that place; nothing has
  ///   changed then.
  package func write(to directory: String) throws(FileError) {
    let target = directory.count > 1 && directory.hasSuffix("/") ? String(directory.dropLast()) : directory
    let name = target.split(separator: "/").last.map(String.init) ?? "version"
    let temporary = "\(DurableFile.parent(of: target))/.\(name).\(version.digest.short)"
    try DurableFile.remove(temporary)
    do throws(FileError) {
      try DurableFile.createDirectory(temporary)
      for (file, bytes) in files { try DurableFile.write(bytes, to: "\(temporary)/\(file.name)") }
      try DurableFile.rename(temporary, to: target)
    } catch {
      try? DurableFile.remove(temporary)
      throw error
    }
  }
}
