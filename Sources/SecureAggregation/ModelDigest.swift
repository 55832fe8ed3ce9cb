import Cryptography
import Federation

/// One tensor of a model as its digest sees it.
package struct DigestedTensor: Sendable {
  package let name: String
  /// 1 BOOL, 2 U8, 3 I8, 4 I16, 5 U16, 6 F16, 7 BF16, 8 I32, 9 U32, 10 F32, 11 I64, 12 U64, 13 F64.
  package let dtypeCode: UInt8
  /// At most 255; empty for a scalar.
  package let dims: [Int]
  /// Row-major, little-endian.
  package let bytes: [UInt8]

  package init(name: String, dtypeCode: UInt8, dims: [Int], bytes: [UInt8]) {
    self.name = name
    self.dtypeCode = dtypeCode
    self.dims = dims
    self.bytes = bytes
  }
}

package enum ModelDigest {
  /// `modelDigest`: SHA-256 over the tensors in the order of their names' UTF-8 bytes, each with name, dtype and shape.
  ///
  /// - Precondition: at most 255 dimensions each, none negative.
  package static func of(tensors: [DigestedTensor]) -> Digest {
    var incremental = IncrementalModelDigest()
    for tensor in tensors.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
      incremental.begin(tensor.name, dtypeCode: tensor.dtypeCode, dims: tensor.dims)
      tensor.bytes.withUnsafeBytes { incremental.update($0) }
    }
    return incremental.finalize()
  }
}

/// `modelDigest` of tensors that come piece by piece, in the order of their names' UTF-8 bytes.
package struct IncrementalModelDigest {
  private var hash = SHA256()

  package init() { hash.update(CanonicalBytes(label: "model").bytes) }

  /// The next tensor; its bytes follow.
  ///
  /// - Precondition: at most 255 dimensions, none negative.
  package mutating func begin(_ name: String, dtypeCode: UInt8, dims: [Int]) {
    var head = CanonicalBytes()
    head.append(prefixed: name)
    head.append(dtypeCode)
    head.append(UInt8(dims.count))
    for dim in dims { head.append(UInt64(dim)) }
    hash.update(head.bytes)
  }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bytes) }

  package mutating func finalize() -> Digest { Digest(unchecked: hash.finalize()) }
}
