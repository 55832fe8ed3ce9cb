import Federation
import Inference
import ModelRegistry

/// The verified versions that a node gives away, as pullers see them.
package protocol VersionLibrary: Sendable {
  /// By name, newest first.
  func listing() -> [LibraryRow]
  /// The version that a reference names.
  ///
  /// - Throws: `InferenceError` of kind `notFound`.
  func find(_ reference: ModelReference) throws(InferenceError) -> LibraryVersion
}

package struct LibraryRow: Hashable, Sendable {
  package let model: ModelName
  package let version: ModelVersion
  /// Of the manifest.
  package let digest: Digest
  package let aliases: [Alias]

  package init(model: ModelName, version: ModelVersion, digest: Digest, aliases: [Alias]) {
    self.model = model
    self.version = version
    self.digest = digest
    self.aliases = aliases
  }
}

/// What can be fetched of one version.
package struct LibraryVersion: Sendable {
  package struct Document: Hashable, Sendable {
    package let name: String
    package let contentType: String
    package let bytes: [UInt8]

    package init(name: String, contentType: String, bytes: [UInt8]) {
      self.name = name
      self.contentType = contentType
      self.bytes = bytes
    }
  }

  package let digest: Digest
  package let weights: WeightsFile
  /// Beside the weights: the manifest, its signature, and what else there is.
  package let documents: [Document]

  package init(digest: Digest, weights: WeightsFile, documents: [Document]) {
    self.digest = digest
    self.weights = weights
    self.documents = documents
  }
}
