import Federation
import SecureAggregation
import Tensors

/// The bytes that a `ModelFetch` decides about: the blob on its way, and those that are held.
package struct ModelBlobs: Sendable {
  private var held: [Digest: [UInt8]] = [:]
  private var written: [UInt8] = []

  package init() {}

  package mutating func begin() { written = [] }

  package mutating func write(_ bytes: [UInt8]) { written += bytes }

  /// Whether the written bytes have the digest.
  package func verify(_ digest: Digest) -> Bool { .sha256(of: written) == digest }

  package mutating func keep(_ digest: Digest) {
    held[digest] = written
    written = []
  }

  /// Keeps the written blob in memory that it shares with other holders of the same bytes.
  ///
  /// - Parameter pool: a blob of each digest, in the hands of whoever hosts several holders.
  package mutating func keep(_ digest: Digest, sharing pool: inout [Digest: [UInt8]]) {
    if let shared = pool[digest], shared == written { written = shared } else { pool[digest] = written }
    keep(digest)
  }

  package mutating func forget(_ digest: Digest) { held[digest] = nil }

  /// The tensors in the order of the references; nil while a blob is missing.
  package func tensors(of references: [TensorReference]) -> [NamedTensor]? {
    var tensors: [NamedTensor] = []
    for reference in references {
      guard let bytes = held[reference.digest], let dtype = DType(code: reference.dtypeCode),
        reference.shapeByteCount == UInt64(bytes.count)
      else { return nil }
      // Each dimension is representable, or `shapeByteCount` were nil.
      let shape = reference.shape.map { Int(clamping: $0) }
      tensors.append(NamedTensor(name: reference.name, dtype: dtype, shape: shape, bytes: bytes))
    }
    return tensors
  }
}
