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
    var hash = SHA256()
    hash.update(CanonicalBytes(label: "model").bytes)
    for tensor in tensors.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
      var head = CanonicalBytes()
      head.append(prefixed: tensor.name)
      head.append(tensor.dtypeCode)
      head.append(UInt8(tensor.dims.count))
      for dim in tensor.dims { head.append(UInt64(dim)) }
      hash.update(head.bytes)
      hash.update(tensor.bytes)
    }
    return Digest(unchecked: hash.finalize())
  }
}
