import Federation
import SecureAggregation
import Tensors

/// The bytes of one version: its tensors, the deterministic safetensors file, and the digests that a manifest states.
package struct ModelArtifact: Sendable {
  /// Sorted by name.
  package let tensors: [NamedTensor]
  /// The safetensors file.
  package let file: [UInt8]
  package let modelDigest: Digest

  /// Puts tensors together.
  ///
  /// The file depends on the tensors and on the version's name only: its one metadata entry is `model: NAME@VERSION`, so
  /// that whoever has the blobs can make the file again, byte for byte.
  package init(tensors: [NamedTensor], model: ModelName, version: ModelVersion) throws(SafetensorsError) {
    file = try Safetensors.encode(tensors, metadata: ["model": "\(model)@\(version)"])
    self.tensors = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    modelDigest = Self.modelDigest(of: tensors)
  }

  /// What a manifest says of each tensor.
  package var manifestTensors: [Manifest.Tensor] {
    tensors.map {
      Manifest.Tensor(
        name: $0.name, dtype: $0.dtype, shape: $0.shape, digest: .sha256(of: $0.bytes),
        byteCount: UInt64($0.bytes.count))
    }
  }

  /// What a manifest says of the file.
  package var manifestFile: Manifest.File { .init(digest: .sha256(of: file), byteCount: UInt64(file.count)) }

  package static func modelDigest(of tensors: [NamedTensor]) -> Digest {
    ModelDigest.of(
      tensors: tensors.map {
        DigestedTensor(name: $0.name, dtypeCode: $0.dtype.code, dims: $0.shape, bytes: $0.bytes)
      })
  }
}

extension Manifest {
  /// The tensors in a safetensors file, if it is the one that the manifest states.
  ///
  /// Size and digest of the file are checked before it is parsed, then every tensor and the model.
  package func verify(file bytes: [UInt8]) throws(VerificationError) -> [NamedTensor] {
    guard UInt64(bytes.count) == file.byteCount else {
      throw .fileSize(found: UInt64(bytes.count), expected: file.byteCount)
    }
    let found = Digest.sha256(of: bytes)
    guard found == file.digest else { throw .fileDigest(found: found, expected: file.digest) }
    let parsed: SafetensorsFile
    do throws(SafetensorsError) {
      parsed = try Safetensors.decode(bytes)
    } catch {
      throw .notSafetensors(error)
    }
    try verify(tensors: parsed.tensors)
    return parsed.tensors
  }

  /// The version's bytes out of its blobs, one per tensor in the manifest's order.
  ///
  /// - Throws: `VerificationError` for a blob that is not the one that the manifest states, or a file that the tensors
  ///   do not give.
  package func assemble(blobs: [[UInt8]]) throws(VerificationError) -> ModelArtifact {
    var named: [NamedTensor] = []
    for (i, tensor) in tensors.enumerated() {
      guard i < blobs.count else { throw .missingTensor(tensor.name) }
      named.append(NamedTensor(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, bytes: blobs[i]))
    }
    try verify(tensors: named)
    let artifact: ModelArtifact
    do throws(SafetensorsError) {
      artifact = try ModelArtifact(tensors: named, model: model, version: version)
    } catch {
      throw .notSafetensors(error)
    }
    let made = artifact.manifestFile
    guard made.byteCount == file.byteCount else { throw .fileSize(found: made.byteCount, expected: file.byteCount) }
    guard made.digest == file.digest else { throw .fileDigest(found: made.digest, expected: file.digest) }
    return artifact
  }

  /// Each tensor of the manifest with the one of its name, whatever stands for that.
  ///
  /// - Throws: `VerificationError` for one that is missing, too many, or of another type or shape.
  func paired<Found>(
    with found: [Found], _ describe: (Found) -> (name: String, dtype: DType, shape: [Int])
  ) throws(VerificationError) -> [(tensor: Tensor, found: Found)] {
    var rest: [String: Found] = [:]
    for one in found { rest[describe(one).name] = one }
    var pairs: [(tensor: Tensor, found: Found)] = []
    for tensor in tensors {
      guard let one = rest.removeValue(forKey: tensor.name) else { throw .missingTensor(tensor.name) }
      let (_, dtype, shape) = describe(one)
      guard dtype == tensor.dtype, shape == tensor.shape else { throw .tensorShape(tensor.name) }
      pairs.append((tensor, one))
    }
    if let name = rest.keys.min() { throw .unexpectedTensor(name) }
    return pairs
  }

  /// Checks that these are the tensors of the manifest, each by its digest, and together by the model's.
  package func verify(tensors found: [NamedTensor]) throws(VerificationError) {
    for (expected, tensor) in try paired(with: found, { ($0.name, $0.dtype, $0.shape) }) {
      let digest = Digest.sha256(of: tensor.bytes)
      guard digest == expected.digest else {
        throw .tensorDigest(expected.name, found: digest, expected: expected.digest)
      }
    }
    let digest = ModelArtifact.modelDigest(of: found)
    guard digest == modelDigest else { throw .modelDigest(found: digest, expected: modelDigest) }
  }
}
