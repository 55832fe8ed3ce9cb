/// A request for predictions, whichever way it came.
package struct InferenceRequest: Hashable, Sendable {
  /// An output that was asked for.
  package struct Output: Hashable, Sendable {
    package let name: String
    /// Whether it goes out in binary form; nil where the request as a whole says so.
    package let isBinary: Bool?

    package init(name: String, isBinary: Bool? = nil) {
      self.name = name
      self.isBinary = isBinary
    }
  }

  /// Given back with the answer.
  package var id: String?
  package var inputs: [InferenceTensor]
  /// Nil for all.
  package var outputs: [Output]?
  /// Whether outputs go out in binary form where they do not say so themselves.
  package var wantsBinary: Bool
  /// Of the parameter `timeout`: after that nobody waits for the answer; nil for the server's own.
  package var timeout: Duration?

  package init(
    id: String? = nil, inputs: [InferenceTensor], outputs: [Output]? = nil, wantsBinary: Bool = false,
    timeout: Duration? = nil
  ) {
    self.id = id
    self.inputs = inputs
    self.outputs = outputs
    self.wantsBinary = wantsBinary
    self.timeout = timeout
  }
}

/// What a model answered.
package struct InferenceResponse: Hashable, Sendable {
  package var modelName: String
  /// The version that computed all of it.
  package var modelVersion: String
  package var id: String?
  /// Those that were asked for, in that order.
  package var outputs: [InferenceTensor]

  package init(modelName: String, modelVersion: String, id: String?, outputs: [InferenceTensor]) {
    self.modelName = modelName
    self.modelVersion = modelVersion
    self.id = id
    self.outputs = outputs
  }
}
