import Federation
import Tensors

/// What one version of a model is: where it comes from, which bytes it has, and who says so.
///
/// Bytes, order and limits: Protocols/models.md, "Manifest". A version is known by the SHA-256 of these bytes.
package struct Manifest: Hashable, Sendable {
  /// One tensor of the model; its bytes are the blob named by `digest`.
  package struct Tensor: Hashable, Sendable {
    package var name: String
    package var dtype: DType
    /// `[]` is a scalar.
    package var shape: [Int]
    /// SHA-256 of the raw little-endian row-major bytes.
    package var digest: Digest
    package var byteCount: UInt64

    package init(name: String, dtype: DType, shape: [Int], digest: Digest, byteCount: UInt64) {
      self.name = name
      self.dtype = dtype
      self.shape = shape
      self.digest = digest
      self.byteCount = byteCount
    }
  }

  /// The deterministic safetensors file of the version.
  package struct File: Hashable, Sendable {
    package var digest: Digest
    package var byteCount: UInt64

    package init(digest: Digest, byteCount: UInt64) {
      self.digest = digest
      self.byteCount = byteCount
    }
  }

  /// Longest manifest that is read, in bytes; it fits a control frame with room to spare.
  package static let byteCountMax = 512 << 10
  package static let tensorCountMax = 1024
  package static let rankMax = 8
  /// Longest tensor name, in characters.
  package static let textCountMax = 256
  /// Longest architecture, in characters: as in a round offer.
  package static let architectureCountMax = 1_024
  static let format = "murmuration/manifest/1"

  package var federation: FederationID
  package var model: ModelName
  package var version: ModelVersion
  /// Digest of the manifest of the version before; nil for version 0 only.
  package var parent: Digest?
  package var run: RunID
  /// The round and the attempt that made the version; 0 and 0 for version 0.
  package var round: RoundNumber
  package var attempt: AttemptNumber
  package var aggregation: AggregationMode
  /// Of the rules of that attempt; nil for version 0 only.
  package var configurationDigest: Digest?
  /// Workers whose updates are in the sum; 0 for version 0.
  package var cohortSize: UInt64
  /// Sums over the workers' hold-outs *of the parent*, measured by the round that made this version; nil if unknown.
  package var parentMetrics: RoundMetrics?
  /// Text form of the layer stack, such as `mlp 64-128-10`.
  package var architecture: String
  /// Every feature of an example is divided by it before it reaches the model, as in training.
  package var dataScale: Double
  package var modelDigest: Digest
  /// Sorted by name.
  package var tensors: [Tensor]
  package var file: File
  /// Seconds since 1970-01-01 UTC.
  package var createdAt: UInt64
  /// The coordinator that signs: a name in the membership list.
  package var signer: WorkerID

  package init(
    federation: FederationID, model: ModelName, version: ModelVersion, parent: Digest?, run: RunID, round: RoundNumber,
    attempt: AttemptNumber, aggregation: AggregationMode, configurationDigest: Digest?, cohortSize: UInt64,
    parentMetrics: RoundMetrics?, architecture: String, dataScale: Double, modelDigest: Digest, tensors: [Tensor],
    file: File, createdAt: UInt64, signer: WorkerID
  ) {
    self.federation = federation
    self.model = model
    self.version = version
    self.parent = parent
    self.run = run
    self.round = round
    self.attempt = attempt
    self.aggregation = aggregation
    self.configurationDigest = configurationDigest
    self.cohortSize = cohortSize
    self.parentMetrics = parentMetrics
    self.architecture = architecture
    self.dataScale = dataScale
    self.modelDigest = modelDigest
    self.tensors = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    self.file = file
    self.createdAt = createdAt
    self.signer = signer
  }
}

/// Why bytes are not a manifest, or values cannot become one.
package enum ManifestError: Error, Equatable, Sendable, CustomStringConvertible {
  case tooLarge(found: Int, max: Int)
  case notJSON(offset: Int, expected: String)
  /// JSON, but not the one encoding that its content has.
  case notCanonical
  case duplicateKey(String)
  case unknownKey(String)
  case missingKey(String)
  case badValue(key: String, expected: String)
  /// Parent, configuration, round and cohort do not fit the version.
  case badLineage(String)

  package var description: String {
    switch self {
    case .tooLarge(let found, let max): "the manifest has \(found) bytes, expected at most \(max)"
    case .notJSON(let offset, let expected): "the manifest is not JSON at byte \(offset), expected \(expected)"
    case .notCanonical: "the manifest is not in canonical form"
    case .duplicateKey(let key): "the manifest has the key '\(key)' twice"
    case .unknownKey(let key): "the manifest has the unknown key '\(key)'"
    case .missingKey(let key): "the manifest has no key '\(key)'"
    case .badValue(let key, let expected): "the manifest's '\(key)' is not \(expected)"
    case .badLineage(let reason): "the manifest's lineage is wrong: \(reason)"
    }
  }
}
