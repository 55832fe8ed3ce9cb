/// A request put together out of tensors in binary form, for protocols that have no JSON.
///
/// Limits and checks are those of `InferenceRequest.init(body:…)`: each input of the signature once, whole, within the
/// limits, of its shape, and of its datatype or one that becomes it (`TensorDatatype.isTaken`).
package struct RequestAssembly {
  private let signature: ModelSignature
  private let limits: InferenceLimits
  private var tensors: [InferenceTensor] = []
  private var elementCount = 0

  package init(signature: ModelSignature, limits: InferenceLimits) {
    self.signature = signature
    self.limits = limits
  }

  /// Checks the form of an input, before its elements are looked at.
  ///
  /// - Parameter datatype: by its name.
  /// - Throws: `InferenceError`: `tooLarge` beyond the limits, otherwise `invalid`. Nothing is then changed.
  package mutating func admit(name: String, datatype: String, shape: [Int]) throws(InferenceError) -> AdmittedInput {
    guard tensors.count < limits.tensorCountMax else {
      throw InferenceError(.tooLarge, "found more inputs than \(limits.tensorCountMax), expected at most as many")
    }
    guard name.utf8.count <= limits.nameBytesMax else {
      throw InferenceError(.invalid, "found a name of an input of more than \(limits.nameBytesMax) bytes")
    }
    let type = try TensorDatatype(named: datatype)
    let form = try TensorForm(role: "input", name: name, datatype: type, shape: shape, limits: limits)
    guard form.elementCount <= limits.elementCountMax - elementCount else {
      throw InferenceError(
        .tooLarge,
        "input '\(name)': found more elements than are left, expected at most \(limits.elementCountMax) in all")
    }
    try signature.inputs.specification(of: form).check(form)
    return AdmittedInput(form: form)
  }

  /// Takes the elements of an input that was admitted.
  ///
  /// - Parameter binary: little-endian, row-major, without padding; BOOL one byte, BYTES each behind its length as u32.
  /// - Throws: `InferenceError` of kind `invalid` for other bytes than shape and datatype need. Nothing is then changed.
  package mutating func add(_ input: AdmittedInput, binary: UnsafeRawBufferPointer) throws(InferenceError) {
    tensors.append(try InferenceTensor(input.form, binary: binary))
    elementCount += input.form.elementCount
  }

  /// The request.
  ///
  /// - Parameters:
  ///   - outputs: names; none for all.
  ///   - timeout: nil for none.
  /// - Throws: `InferenceError` of kind `invalid`.
  package func request(id: String?, outputs: [String], timeout: Duration?) throws(InferenceError) -> InferenceRequest {
    if let id, id.utf8.count > limits.idBytesMax {
      throw InferenceError(.invalid, "found an id of more than \(limits.idBytesMax) bytes")
    }
    if let timeout, timeout > limits.timeoutMax || timeout <= .zero {
      throw InferenceError(
        .invalid, "found a timeout of \(timeout), expected more than 0 and at most \(limits.timeoutMax)")
    }
    let wanted = outputs.map { InferenceRequest.Output(name: $0) }
    for (index, output) in wanted.enumerated() { try signature.check(output, behind: wanted[..<index]) }
    return try InferenceRequest(
      id: id, inputs: signature.ordered(tensors), outputs: wanted.isEmpty ? nil : wanted, wantsBinary: true,
      timeout: timeout)
  }
}

/// An input whose form is good.
package struct AdmittedInput {
  let form: TensorForm

  package var name: String { form.name }
  package var datatype: TensorDatatype { form.datatype }
}

extension InferenceTensor {
  /// The binary form: little-endian, row-major.
  package func withBinary<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    switch content {
    case .raw(let bytes): bytes.withUnsafeBytes(body)
    case .floats(let floats):
      #if _endian(little)
        floats.withUnsafeBytes(body)
      #else
        floats.map(\.bitPattern.littleEndian).withUnsafeBytes(body)
      #endif
    }
  }
}
