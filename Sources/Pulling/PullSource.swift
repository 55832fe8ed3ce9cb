import Federation
import ModelRegistry

/// What a source has, as it says.
package struct OfferedVersion: Hashable, Sendable {
  package let model: ModelName
  package let version: ModelVersion
  /// Of the manifest.
  package let digest: Digest
  /// That point to this version, sorted.
  package let aliases: [Alias]

  package init(model: ModelName, version: ModelVersion, digest: Digest, aliases: [Alias]) {
    self.model = model
    self.version = version
    self.digest = digest
    self.aliases = aliases
  }
}

/// A source's answer to a reference. Nothing in it has been verified.
package struct ResolvedVersion: Hashable, Sendable {
  package let signed: SignedManifest
  /// What lets foreign tools verify the version; nil if the source has none.
  package let attachments: ModelAttachments?

  package init(signed: SignedManifest, attachments: ModelAttachments? = nil) {
    self.signed = signed
    self.attachments = attachments
  }
}

/// One place that versions come from. It is not trusted: what it gives is verified by whoever asks.
package protocol PullSource: Sendable {
  /// For people: the address.
  var place: String { get }

  func models() async throws(PullError) -> [OfferedVersion]

  func resolve(_ reference: ModelReference) async throws(PullError) -> ResolvedVersion

  /// Brings the bytes of a version's file from `offset` on, in order.
  ///
  /// - Parameters:
  ///   - manifest: verified.
  ///   - offset: below the file's length. The source may begin a little earlier, never later.
  ///   - write: takes bytes and where they go: at most to the file's length, without a gap.
  /// - Throws: what `write` throws, and its own errors; bytes that were written then stay.
  func fetch(
    _ manifest: Manifest, digest: Digest, from offset: UInt64,
    write: (UnsafeRawBufferPointer, UInt64) throws(PullError) -> Void
  ) async throws(PullError)
}

extension ModelReference {
  /// Reads what a user typed, where a name alone means its alias `latest`.
  package init(orLatest text: String) throws(ModelReferenceError) {
    try self.init(parsing: text.contains("@") ? text : "\(text)@latest")
  }

  /// Whether the manifest is one that was asked for.
  func check(_ manifest: Manifest, digest: Digest) throws(VerificationError) {
    let found = "\(manifest.model)@\(manifest.version)"
    guard manifest.model == model else { throw .otherVersion(found: found, expected: "\(self)") }
    switch selector {
    case .alias: break
    case .version(let version):
      guard version == manifest.version else { throw .otherVersion(found: found, expected: "\(self)") }
    case .digest(let expected):
      guard digest == expected else { throw .manifestDigest(found: digest, expected: expected) }
    }
  }
}
