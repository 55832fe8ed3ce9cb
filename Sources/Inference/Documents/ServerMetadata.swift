/// `GET /v2`: who answers, and which extensions of the protocol it has.
package struct ServerMetadata: Hashable, Sendable {
  /// Extensions by their names in Triton's documentation of the protocol.
  package enum Extension: String, Hashable, Sendable, CaseIterable {
    case binaryTensorData = "binary_tensor_data"
    case modelRepository = "model_repository"
    case statistics
    case modelConfiguration = "model_configuration"
  }

  package let name: String
  package let version: String
  package let extensions: [Extension]

  package init(name: String, version: String, extensions: [Extension] = Extension.allCases) {
    self.name = name
    self.version = version
    self.extensions = extensions
  }

  package var json: [UInt8] {
    JSONWriter.document { writer in
      writer.member("name", name)
      writer.member("version", version)
      writer.member("extensions", array: extensions) { $0.string($1.rawValue) }
    }
  }
}
