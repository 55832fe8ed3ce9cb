import CZeroMQ
import Glibc

/// A CURVE key with metadata, in the certificate files of czmq and pyzmq.
///
/// A certificate at `FILE` is up to two ZPL files (RFC 4): `FILE`, mode 0644, with the public key, and `FILE_secret`,
/// mode 0600, with both. Only sections `metadata` and `curve` mean something; others are skipped.
package struct CurveCertificate: Sendable {
  /// Longest certificate file read, in bytes.
  package static let fileBytesMax = 65_536

  package struct Metadatum: Equatable, Sendable {
    package let name: String
    package let value: String

    package init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  package let publicKey: CurvePublicKey
  /// Nil in a certificate read from a public file.
  package let keyPair: CurveKeyPair?
  /// In file order.
  package let metadata: [Metadatum]

  package init(_ keyPair: CurveKeyPair, metadata: [Metadatum] = []) {
    publicKey = keyPair.publicKey
    self.keyPair = keyPair
    self.metadata = metadata
  }

  package init(_ publicKey: CurvePublicKey, metadata: [Metadatum] = []) {
    self.publicKey = publicKey
    keyPair = nil
    self.metadata = metadata
  }

  /// The path of the secret file beside the public file at `path`.
  package static func secretPath(beside path: String) -> String { path + "_secret" }

  /// Reads one file, public or secret.
  ///
  /// A secret key is refused if anybody but its owner has access to the file, or if it does not belong to the public
  /// key beside it.
  package init(readingFrom path: String) throws(CurveCertificateError) {
    let file = try CertificateFile.read(path)
    let section = try ZPLDocument(parsing: file.text, file: path)
    let publicText = section.first(in: "curve", named: "public-key")
    let secretText = section.first(in: "curve", named: "secret-key")
    let publicKey = try publicText.map { entry throws(CurveCertificateError) in
      guard let key = CurvePublicKey(z85: entry.value) else {
        throw .malformed(file: path, line: entry.line, reason: "public-key is not 40 characters of Z85")
      }
      return key
    }
    metadata = section.entries.filter { $0.section == "metadata" }.map { Metadatum(name: $0.name, value: $0.value) }
    guard let secretText else {
      guard let publicKey else { throw .missingKey(file: path, key: "public-key") }
      self.publicKey = publicKey
      keyPair = nil
      return
    }
    guard file.mode & 0o077 == 0 else { throw .exposedSecret(file: path, mode: file.mode) }
    guard let secretKey = CurveSecretKey(z85: secretText.value) else {
      throw .malformed(file: path, line: secretText.line, reason: "secret-key is not 40 characters of Z85")
    }
    guard let keyPair = try? CurveKeyPair(secretKey: secretKey) else {
      throw .malformed(file: path, line: secretText.line, reason: "secret-key has no public key")
    }
    guard publicKey == nil || publicKey == keyPair.publicKey else { throw .keysDisagree(file: path) }
    self.publicKey = keyPair.publicKey
    self.keyPair = keyPair
  }

  /// Writes the public file at `path` and, if there is a secret key, the secret file beside it.
  ///
  /// Each file appears complete or not at all, with its final mode. The secret file comes first: a public file alone
  /// never promises a secret that was lost.
  ///
  /// - Parameter replacing: overwrite existing files; without it, `alreadyExists`, and the existing file is kept.
  package func write(to path: String, replacing: Bool = false) throws(CurveCertificateError) {
    if let keyPair {
      try CertificateFile.write(
        text(secretKey: keyPair.secretKey), to: Self.secretPath(beside: path), mode: 0o600, replacing: replacing)
    }
    do {
      try CertificateFile.write(text(secretKey: nil), to: path, mode: 0o644, replacing: replacing)
    } catch {
      if keyPair != nil, !replacing { CertificateFile.remove(Self.secretPath(beside: path)) }
      throw error
    }
  }

  private func text(secretKey: CurveSecretKey?) throws(CurveCertificateError) -> String {
    var lines = ["#   ZeroMQ CURVE \(secretKey == nil ? "public" : "**secret**") certificate"]
    if secretKey != nil { lines.append("#   Do not give this file to other users, change its mode or copy it.") }
    lines += ["", "metadata"]
    for item in metadata {
      guard let line = ZPLDocument.line(name: item.name, value: item.value) else {
        throw .unrepresentable(name: item.name)
      }
      lines.append(line)
    }
    lines += ["curve", "    public-key = \"\(publicKey.z85)\""]
    if let secretKey { lines.append("    secret-key = \"\(secretKey.z85())\"") }
    return lines.joined(separator: "\n") + "\n"
  }
}
