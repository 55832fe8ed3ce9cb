/// `GET /v2/health/live`: the process answers.
package struct Liveness: Hashable, Sendable {
  package init() {}

  package var json: [UInt8] { JSONWriter.document { $0.member("live", true) } }
}

/// `GET /v2/health/ready`: the node takes requests. Not ready is status 503 with a body of `InferenceError`.
///
/// The specification names the field `live`, the `kserve` client reads `ready`: both are sent.
package struct Readiness: Hashable, Sendable {
  package init() {}

  package var json: [UInt8] {
    JSONWriter.document { writer in
      writer.member("live", true)
      writer.member("ready", true)
    }
  }
}

/// `GET /v2/models/{m}[/versions/{v}]/ready`: the model takes requests. Not ready is status 503, unknown 404.
package struct ModelReadiness: Hashable, Sendable {
  package let name: String

  package init(name: String) { self.name = name }

  package var json: [UInt8] {
    JSONWriter.document { writer in
      writer.member("name", name)
      writer.member("ready", true)
    }
  }
}
