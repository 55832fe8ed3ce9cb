/// `GET /v2/models/{m}/config`, of the extension `model_configuration`: as much of Triton's `ModelConfig` as says
/// something about a node of ours.
package struct ModelConfiguration: Hashable, Sendable {
  package let name: String
  /// `<project>_<format>`.
  package let platform: String
  /// Most rows that are computed together; 0 for a model whose first extent does not count rows.
  package let batchSizeMax: Int
  package let signature: ModelSignature
  /// How many of the latest versions are served.
  package let versionsServed: Int
  /// How long the first request of a batch waits for others; nil where requests are not put together.
  package let queueDelayMax: Duration?

  package init(
    name: String, platform: String, batchSizeMax: Int, signature: ModelSignature, versionsServed: Int,
    queueDelayMax: Duration?
  ) {
    self.name = name
    self.platform = platform
    self.batchSizeMax = batchSizeMax
    self.signature = signature
    self.versionsServed = versionsServed
    self.queueDelayMax = queueDelayMax
  }

  package var json: [UInt8] {
    JSONWriter.document { writer in
      writer.member("name", name)
      writer.member("platform", platform)
      writer.member("max_batch_size", batchSizeMax)
      writer.member("version_policy") { $0.member("latest") { $0.member("num_versions", versionsServed) } }
      writer.member("input", array: signature.inputs) { $0.input($1, dropsRows: batchSizeMax > 0) }
      writer.member("output", array: signature.outputs) { $0.input($1, dropsRows: batchSizeMax > 0) }
      if let queueDelayMax {
        writer.member("dynamic_batching") {
          $0.member("max_queue_delay_microseconds", queueDelayMax.wholeMicroseconds)
        }
      }
    }
  }
}

extension TensorDatatype {
  /// The name in Triton's `model_config.proto`.
  package var configurationName: String { self == .bytes ? "TYPE_STRING" : "TYPE_" + rawValue }
}

extension JSONWriter {
  /// - Parameter dropsRows: Triton leaves out the first extent where a model has batches.
  fileprivate mutating func input(_ tensor: TensorSpecification, dropsRows: Bool) {
    object { writer in
      writer.member("name", tensor.name)
      writer.member("data_type", tensor.datatype.configurationName)
      writer.member("dims", array: tensor.shape.dropFirst(dropsRows ? 1 : 0)) { $0.integer($1) }
    }
  }
}
