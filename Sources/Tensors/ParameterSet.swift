/// The values of a model's F32 tensors, flat in the order of their layout.
package struct ParameterSet: Equatable, Sendable {
  package let layout: ParameterLayout
  /// Shape `[d]`; replacing it keeps its count.
  package var values: [Float] {
    didSet { precondition(values.count == layout.count, "a parameter set keeps its element count") }
  }

  /// All zeros.
  package init(zeros layout: ParameterLayout) {
    self.layout = layout
    values = [Float](repeating: 0, count: layout.count)
  }

  /// - Parameter values: in the order of the layout.
  /// - Throws: `TensorError.wrongValueCount`.
  package init(layout: ParameterLayout, values: [Float]) throws(TensorError) {
    guard values.count == layout.count else {
      throw .wrongValueCount(expected: layout.count, found: values.count)
    }
    self.layout = layout
    self.values = values
  }

  /// The values of one tensor, row-major; nil if the model has none of that name.
  package subscript(name: String) -> ArraySlice<Float>? { layout[name].map { values[$0.range] } }

  /// Reads a model of F32 tensors, given in any order.
  ///
  /// - Throws: `TensorError.notF32` for another element type, `.wrongByteCount` for bytes that do not fill the shape,
  ///   and what `ParameterLayout.init` throws.
  package init(_ tensors: [NamedTensor]) throws(TensorError) {
    for tensor in tensors where tensor.dtype != .f32 { throw .notF32(name: tensor.name, found: tensor.dtype) }
    let layout = try ParameterLayout(tensors.map { ($0.name, $0.shape) })
    let sorted = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    for (tensor, entry) in zip(sorted, layout.entries) where tensor.bytes.count != 4 * entry.range.count {
      throw .wrongByteCount(name: tensor.name, expected: 4 * entry.range.count, found: tensor.bytes.count)
    }
    var values: [Float] = []
    values.reserveCapacity(layout.count)
    for tensor in sorted { values.append(littleEndian: tensor.bytes) }
    self.layout = layout
    self.values = values
  }

  /// Reads a model that must have exactly this layout.
  ///
  /// - Throws: `TensorError.layoutMismatch` at the first tensor that differs, and what `init(_:)` throws.
  package init(_ tensors: [NamedTensor], expecting layout: ParameterLayout) throws(TensorError) {
    let found = try ParameterSet(tensors)
    for i in 0..<max(layout.entries.count, found.layout.entries.count) {
      let expected = i < layout.entries.count ? layout.entries[i] : nil
      let actual = i < found.layout.entries.count ? found.layout.entries[i] : nil
      guard expected == actual else {
        throw .layoutMismatch(
          expected: expected.map { "\($0.name)\($0.shape)" }, found: actual.map { "\($0.name)\($0.shape)" })
      }
    }
    self = found
  }

  /// The tensors as raw little-endian bytes, in the order of the layout.
  package var tensors: [NamedTensor] {
    layout.entries.map { entry in
      NamedTensor(
        name: entry.name, dtype: .f32, shape: entry.shape, bytes: [UInt8](littleEndian: values[entry.range]))
    }
  }
}

extension [Float] {
  /// Appends F32 elements from their little-endian bytes, four to an element.
  ///
  /// - Precondition: `bytes.count` is a multiple of 4.
  package mutating func append(littleEndian bytes: [UInt8]) {
    precondition(bytes.count % 4 == 0, "F32 elements are four bytes")
    bytes.withUnsafeBytes { raw in
      for offset in stride(from: 0, to: raw.count, by: 4) {
        append(Float(bitPattern: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self))))
      }
    }
  }
}

extension [UInt8] {
  /// The little-endian bytes of F32 elements.
  package init(littleEndian values: some Collection<Float>) {
    self.init(unsafeUninitializedCapacity: 4 * values.count) { out, count in
      let raw = UnsafeMutableRawBufferPointer(out)
      for value in values {
        raw.storeBytes(of: value.bitPattern.littleEndian, toByteOffset: count, as: UInt32.self)
        count += 4
      }
    }
  }
}
