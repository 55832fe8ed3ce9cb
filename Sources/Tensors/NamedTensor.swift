/// One tensor as a model file carries it.
package struct NamedTensor: Hashable, Sendable {
  package var name: String
  package var dtype: DType
  /// `[]` is a scalar.
  package var shape: [Int]
  /// Elements little-endian, row-major.
  package var bytes: [UInt8]

  package init(name: String, dtype: DType, shape: [Int], bytes: [UInt8]) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }
}

/// What a safetensors file holds.
package struct SafetensorsFile: Equatable, Sendable {
  package var metadata: [String: String]
  /// In the order of their bytes in the file.
  package var tensors: [NamedTensor]

  package init(metadata: [String: String] = [:], tensors: [NamedTensor]) {
    self.metadata = metadata
    self.tensors = tensors
  }

  /// The tensor of a name, compared by its bytes; nil if the file has none.
  package subscript(name: String) -> NamedTensor? { tensors.first { $0.name.utf8.elementsEqual(name.utf8) } }
}

/// Why bytes are not a safetensors file, or tensors cannot become one.
package enum SafetensorsError: Error, Equatable, Sendable {
  /// Fewer than the eight bytes of the header's length.
  case headerTooShort(found: Int)
  case headerTooLarge(found: UInt64, max: Int)
  /// The header's length passes the end of the file.
  case headerPassesEnd(headerByteCount: Int, available: Int)
  case headerDoesNotStartWithBrace(found: UInt8?)
  /// The header is not the JSON that the format allows: where in the header, and what was expected there.
  case badHeader(offset: Int, expected: String)
  case duplicateKey(String)
  case unknownField(tensor: String, field: String)
  case missingField(tensor: String, field: String)
  case unknownDType(tensor: String, found: String)
  case tooManyTensors(max: Int)
  case rankTooLarge(tensor: String, max: Int)
  /// The product of the dimensions times the element size passes 2⁶³.
  case sizeOverflow(tensor: String)
  /// A tensor does not begin where the one before it ends: a hole, an overlap or an end before its beginning.
  case badOffsets(tensor: String, expectedBegin: Int, begin: Int, end: Int)
  /// The bytes of a tensor do not fill its shape.
  case wrongByteCount(tensor: String, expected: Int, found: Int)
  /// The tensors end before or after the file does.
  case wrongBufferLength(expected: Int, found: Int)
  /// The writer's: a name that the format keeps for itself.
  case reservedName(String)
  /// The writer's: a negative dimension.
  case badShape(tensor: String)
}

/// Where a tensor stands in a safetensors file.
package struct SafetensorsPlace: Hashable, Sendable {
  package let name: String
  package let dtype: DType
  package let shape: [Int]
  /// Its bytes, counted from the file's first.
  package let range: Range<Int>
}
