/// All of a tensor but its numbers, checked against the limits.
struct TensorForm {
  let name: String
  let datatype: TensorDatatype
  let shape: [Int]
  /// The product of the shape; 1 for rank 0.
  let elementCount: Int

  /// - Parameter role: `input` or `output`, for the sentence of an error.
  /// - Throws: `InferenceError` of kind `invalid`, or `tooLarge` for more elements than are taken.
  init(
    role: String, name: String, datatype: TensorDatatype, shape: [Int], limits: InferenceLimits
  ) throws(InferenceError) {
    guard shape.count <= limits.rankMax else {
      throw InferenceError(
        .invalid, "\(role) '\(name)': found \(shape.count) extents, expected at most \(limits.rankMax)")
    }
    guard shape.allSatisfy({ $0 >= 0 }) else {
      throw InferenceError(.invalid, "\(role) '\(name)': found shape \(shape), expected extents of at least 0")
    }
    guard let elementCount = Self.product(of: shape), elementCount <= limits.elementCountMax else {
      throw InferenceError(
        .tooLarge, "\(role) '\(name)': found shape \(shape), expected at most \(limits.elementCountMax) elements")
    }
    self.name = name
    self.datatype = datatype
    self.shape = shape
    self.elementCount = elementCount
  }

  /// Nil where a product of some of the extents leaves the range of Int, even if another extent is 0.
  static func product(of shape: [Int]) -> Int? {
    var product = 1
    for extent in shape where extent != 0 {
      let (next, overflow) = product.multipliedReportingOverflow(by: extent)
      guard !overflow else { return nil }
      product = next
    }
    return shape.contains(0) ? 0 : product
  }
}

extension TensorDatatype {
  /// - Throws: `InferenceError` of kind `invalid` for a name that is none.
  init(named name: String) throws(InferenceError) {
    guard let datatype = TensorDatatype(rawValue: name) else {
      let known = TensorDatatype.allCases.map(\.rawValue).joined(separator: ", ")
      throw InferenceError(.invalid, "found datatype '\(name.prefix(256))', expected one of \(known)")
    }
    self = datatype
  }

  /// Whether a model that takes `other` also takes this type: numbers become FP32, as `InferenceTensor.floats` says.
  package func isTaken(for other: TensorDatatype) -> Bool {
    self == other || other == .fp32 && self != .bool && self != .bytes
  }
}

extension TensorSpecification {
  /// - Throws: `InferenceError` of kind `invalid`, with what was found and what the model takes.
  func check(_ form: TensorForm) throws(InferenceError) {
    guard form.datatype.isTaken(for: datatype) else {
      throw InferenceError(
        .invalid, "input '\(name)': found datatype \(form.datatype.rawValue), expected \(datatype.rawValue)")
    }
    let fits = zip(form.shape, shape).allSatisfy { $0 == $1 || $1 < 0 }
    guard fits, form.shape.count == shape.count else {
      throw InferenceError(.invalid, "input '\(name)': found shape \(form.shape), expected \(shape)")
    }
  }
}
