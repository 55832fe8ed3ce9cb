/// A body as JSON and the binary tensors behind it (extension `binary_tensor_data`).
struct BodyParts {
  let json: UnsafeRawBufferPointer
  private let binary: UnsafeRawBufferPointer
  private let hasHeader: Bool

  /// - Parameter headerByteCount: bytes of JSON; nil where all is JSON.
  /// - Throws: `InferenceError` of kind `invalid` for a count that is not within the body.
  init(_ body: UnsafeRawBufferPointer, headerByteCount: Int?) throws(InferenceError) {
    let count = headerByteCount ?? body.count
    guard count >= 0, count <= body.count else {
      throw InferenceError(
        .invalid, "found Inference-Header-Content-Length \(count), expected at most \(body.count), the body's length")
    }
    json = UnsafeRawBufferPointer(rebasing: body[..<count])
    binary = UnsafeRawBufferPointer(rebasing: body[count...])
    hasHeader = headerByteCount != nil
  }

  /// The tensors of the entries, whose binary data follow each other and fill the rest of the body.
  ///
  /// - Throws: `InferenceError` of kind `invalid`.
  func tensors(of entries: [TensorEntry]) throws(InferenceError) -> [InferenceTensor] {
    var rest = binary[...]
    var tensors: [InferenceTensor] = []
    for entry in entries {
      switch entry.data {
      case .content(let content): tensors.append(InferenceTensor(entry.form, content: content))
      case .binary(let byteCount):
        guard hasHeader else {
          throw InferenceError(
            .invalid, "'\(entry.form.name)': found binary_data_size, expected Inference-Header-Content-Length with it")
        }
        guard byteCount <= rest.count else {
          throw InferenceError(
            .invalid, "'\(entry.form.name)': found binary_data_size \(byteCount), expected at most \(rest.count) bytes")
        }
        let bytes = UnsafeRawBufferPointer(rebasing: rest.prefix(byteCount))
        tensors.append(try InferenceTensor(entry.form, binary: bytes))
        rest = rest.dropFirst(byteCount)
      }
    }
    guard rest.isEmpty else {
      throw InferenceError(
        .invalid, "found \(rest.count) bytes behind the last binary tensor, expected the end of the body")
    }
    return tensors
  }
}
