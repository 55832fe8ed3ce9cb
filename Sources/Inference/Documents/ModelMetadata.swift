/// `GET /v2/models/{m}[/versions/{v}]`: what a model takes and gives.
package struct ModelMetadata: Hashable, Sendable {
  package let name: String
  /// Those that are ready.
  package let versions: [String]
  /// `<project>_<format>`.
  package let platform: String
  package let signature: ModelSignature

  package init(name: String, versions: [String], platform: String, signature: ModelSignature) {
    self.name = name
    self.versions = versions
    self.platform = platform
    self.signature = signature
  }

  package var json: [UInt8] {
    JSONWriter.document { writer in
      writer.member("name", name)
      writer.member("versions", array: versions) { $0.string($1) }
      writer.member("platform", platform)
      writer.member("inputs", array: signature.inputs) { $0.specification($1) }
      writer.member("outputs", array: signature.outputs) { $0.specification($1) }
    }
  }
}

extension JSONWriter {
  fileprivate mutating func specification(_ tensor: TensorSpecification) {
    object { writer in
      writer.member("name", tensor.name)
      writer.member("datatype", tensor.datatype.rawValue)
      writer.member("shape", array: tensor.shape) { $0.integer($1) }
    }
  }
}
