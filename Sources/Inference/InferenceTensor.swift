/// What a model takes or gives under one name.
package struct TensorSpecification: Hashable, Sendable {
  package let name: String
  package let datatype: TensorDatatype
  /// −1 where any extent goes.
  package let shape: [Int]

  package init(name: String, datatype: TensorDatatype, shape: [Int]) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
  }
}

/// All that a model takes and gives.
package struct ModelSignature: Hashable, Sendable {
  package let inputs: [TensorSpecification]
  package let outputs: [TensorSpecification]

  package init(inputs: [TensorSpecification], outputs: [TensorSpecification]) {
    self.inputs = inputs
    self.outputs = outputs
  }
}

/// A tensor with its numbers, row-major.
package struct InferenceTensor: Hashable, Sendable {
  package enum Content: Hashable, Sendable {
    /// Of datatype FP32.
    case floats([Float])
    /// Of any other datatype: little-endian, without padding; BOOL as one byte, BYTES each behind its length as u32.
    case raw([UInt8])
  }

  package let name: String
  package let datatype: TensorDatatype
  package let shape: [Int]
  package let content: Content

  package init(name: String, datatype: TensorDatatype, shape: [Int], content: Content) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
    self.content = content
  }
}
