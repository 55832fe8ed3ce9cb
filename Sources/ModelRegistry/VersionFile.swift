/// A file of a version in a folder of its own: one that was pulled or exported, and, but for the weights, the version's
/// folder in a registry.
package enum VersionFile: String, CaseIterable, Sendable {
  /// The tensors, as a safetensors file.
  case model = "model.safetensors"
  /// The manifest's bytes, exactly as signed.
  case manifest = "manifest.json"
  /// The coordinator's Ed25519 signature over the manifest: 128 hexadecimal digits and a line feed.
  case manifestSignature = "manifest.sig"
  /// `ModelCard`, for people.
  case card = "README.md"
  /// `ModelSignature`, for foreign tools.
  case modelSignature = "model.sig"
  /// The P-256 key that made `modelSignature`, as PEM.
  case signingKey = "signing-key.pem"
  /// The coordinator's Ed25519 signature over that key: 128 hexadecimal digits and a line feed.
  case endorsement = "signing-key.endorsement"

  package var name: String { rawValue }

  /// Whether `modelSignature` covers the file. The others are signatures and keys, which it asks a verifier to leave out.
  package var isCovered: Bool {
    switch self {
    case .model, .manifest, .card: true
    case .manifestSignature, .modelSignature, .signingKey, .endorsement: false
    }
  }
}
