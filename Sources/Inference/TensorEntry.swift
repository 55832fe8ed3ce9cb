/// One entry of `inputs` of a request, or of `outputs` of a response, as far as the JSON has it.
struct TensorEntry {
  enum Data {
    case content(InferenceTensor.Content)
    /// Behind the JSON, in the order of the entries.
    case binary(byteCount: Int)
  }

  let form: TensorForm
  let data: Data
}

/// Reads entries, whose members come in any order.
struct TensorEntryReader {
  /// `input` or `output`.
  let role: String
  /// What the tensors have to be; nil where any will do.
  let specifications: [TensorSpecification]?
  let limits: InferenceLimits

  private enum Member: String, CaseIterable { case name, shape, datatype, data, parameters }
  private enum Parameter: String, CaseIterable { case size = "binary_data_size" }

  /// What has been read of an entry.
  private struct Partial {
    var name: String?
    var shape: [Int]?
    var datatype: TensorDatatype?
    var form: TensorForm?
    var content: InferenceTensor.Content?
    /// Where `data` begins that came before it was known what it is.
    var dataPosition: Int?
    var binaryByteCount: Int?
  }

  /// Reads the array of entries.
  func entries(_ scanner: inout JSONScanner) throws(InferenceError) -> [TensorEntry] {
    var entries: [TensorEntry] = []
    var elementCount = 0
    try scanner.elements { (scanner) throws(InferenceError) in
      guard entries.count < limits.tensorCountMax else {
        throw InferenceError(.tooLarge, "found more \(role)s than \(limits.tensorCountMax), expected at most as many")
      }
      let entry = try entry(&scanner, elementsBefore: elementCount)
      elementCount += entry.form.elementCount
      entries.append(entry)
    }
    return entries
  }

  private func entry(_ scanner: inout JSONScanner, elementsBefore: Int) throws(InferenceError) -> TensorEntry {
    var partial = Partial()
    try scanner.members(of: Member.self) { (scanner, member) throws(InferenceError) in
      switch member {
      case .name: partial.name = try scanner.boundedString("the name of an \(role)", bytesMax: limits.nameBytesMax)
      case .shape: partial.shape = try shape(&scanner)
      case .datatype: partial.datatype = try datatype(&scanner)
      case .parameters: partial.binaryByteCount = try binaryByteCount(&scanner)
      case .data: try data(&scanner, &partial, elementsBefore: elementsBefore)
      }
    }
    let form = try form(&partial, elementsBefore: elementsBefore)
    if let position = partial.dataPosition {
      var again = scanner
      again.position = position
      partial.content = try content(&again, form)
    }
    return try TensorEntry(form: form, data: data(partial, form))
  }

  private func data(_ partial: Partial, _ form: TensorForm) throws(InferenceError) -> TensorEntry.Data {
    switch (partial.content, partial.binaryByteCount) {
    case (let content?, nil): return .content(content)
    case (nil, let byteCount?): return .binary(byteCount: byteCount)
    case (nil, nil): throw refusal(form.name, found: "neither data nor binary_data_size", expected: "one of them")
    case (_?, _?): throw refusal(form.name, found: "data and binary_data_size", expected: "one of them")
    }
  }

  // MARK: Members

  /// Reads the numbers at once where it is known what they are, which spares a second pass.
  private func data(
    _ scanner: inout JSONScanner, _ partial: inout Partial, elementsBefore: Int
  ) throws(InferenceError) {
    if partial.name != nil, partial.shape != nil, partial.datatype != nil {
      partial.content = try content(&scanner, form(&partial, elementsBefore: elementsBefore))
    } else {
      scanner.skipBlanks()
      partial.dataPosition = scanner.position
      try scanner.skipValue()
    }
  }

  private func content(
    _ scanner: inout JSONScanner, _ form: TensorForm
  ) throws(InferenceError) -> InferenceTensor.Content {
    do throws(InferenceError) {
      return try scanner.tensorData(of: form)
    } catch {
      throw InferenceError(error.kind, "\(role) '\(form.name)': \(error.message)")
    }
  }

  private func shape(_ scanner: inout JSONScanner) throws(InferenceError) -> [Int] {
    var shape: [Int] = []
    try scanner.elements { (scanner) throws(InferenceError) in
      guard shape.count < limits.rankMax else { throw scanner.refusal("at most \(limits.rankMax) extents") }
      shape.append(try scanner.wholeNumber())
    }
    return shape
  }

  private func datatype(_ scanner: inout JSONScanner) throws(InferenceError) -> TensorDatatype {
    let name = try scanner.boundedString("a datatype", bytesMax: limits.nameBytesMax)
    return try TensorDatatype(named: name)
  }

  private func binaryByteCount(_ scanner: inout JSONScanner) throws(InferenceError) -> Int? {
    var byteCount: Int?
    try scanner.parameters(of: Parameter.self) { (scanner, _) throws(InferenceError) in
      byteCount = try scanner.wholeNumber()
    }
    return byteCount
  }

  // MARK: Checks

  /// The form, checked against the limits and the specification before anything of its size is kept.
  private func form(_ partial: inout Partial, elementsBefore: Int) throws(InferenceError) -> TensorForm {
    if let form = partial.form { return form }
    guard let name = partial.name else {
      throw InferenceError(.invalid, "found an \(role) without name, expected name, shape and datatype")
    }
    guard let shape = partial.shape else { throw refusal(name, found: "no shape", expected: "one") }
    guard let datatype = partial.datatype else { throw refusal(name, found: "no datatype", expected: "one") }
    let form = try TensorForm(role: role, name: name, datatype: datatype, shape: shape, limits: limits)
    guard form.elementCount <= limits.elementCountMax - elementsBefore else {
      throw InferenceError(
        .tooLarge,
        "\(role) '\(name)': found more elements than are left, expected at most \(limits.elementCountMax) in all")
    }
    if let specifications { try specifications.specification(of: form).check(form) }
    partial.form = form
    return form
  }

  private func refusal(_ name: String, found: String, expected: String) -> InferenceError {
    InferenceError(.invalid, "\(role) '\(name)': found \(found), expected \(expected)")
  }
}

extension [TensorSpecification] {
  /// - Throws: `InferenceError` of kind `invalid` for a name that the model does not know.
  func specification(of form: TensorForm) throws(InferenceError) -> TensorSpecification {
    guard let known = first(where: { $0.name == form.name }) else {
      throw InferenceError(
        .invalid, "found input '\(form.name)', expected \(map { "'\($0.name)'" }.joined(separator: ", "))")
    }
    return known
  }
}
