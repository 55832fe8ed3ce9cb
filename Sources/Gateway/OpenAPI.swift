/// The gateway's own description (OpenAPI 3.0.3): every path, every status.
///
/// It stays text: an operation says what is its own, and what they all have is put around it here.
enum OpenAPI {
  /// - Parameter version: of the product.
  static func document(version: String) -> [UInt8] {
    let paths = operations.map { #"    "\#($0.path)": {"\#($0.method)": \#($0.described)}"# }
    return Array(
      """
      {
        "openapi": "3.0.3",
        "info": {
          "title": "Murmuration serving node",
          "version": "\(version)",
          "description": "Predictions in the Open Inference Protocol, version 2, and verified versions of models to pull.",
          "license": {"name": "Apache-2.0"}
        },
        "security": [{"bearer": []}, {"apiKey": []}, {}],
        "paths": {
      \(paths.joined(separator: ",\n"))
        },
        "components": \(components)
      }

      """.utf8)
  }

  /// One method at one path.
  private struct Operation {
    var method = "get"
    /// Its parts in braces are parameters, which `components` describes by the same names.
    var path: String
    var identifier: String
    var summary: String
    /// What it answers with when it does as it is asked.
    var success: String
    /// The content of that answer, by media type (JSON).
    var content: String
    /// The request's body (JSON); nil where there is none.
    var body: String?
    /// Further answers by status (JSON, members of an object).
    var further: String?
    /// Whether it answers whoever asks.
    var isPublic = false

    /// The same for a version that the path names.
    var ofVersion: Self {
      var twin = self
      twin.path.replace("{model}", with: "{model}/versions/{version}")
      twin.identifier += "OfVersion"
      return twin
    }

    /// An operation object (OpenAPI 3.0.3 §4.7.10).
    var described: String {
      let answers = [
        #""200": {"description": "\#(success)", "content": \#(content)}"#, further, #""4XX": \#(refused)"#,
        #""5XX": \#(refused)"#,
      ]
      let members = [
        #""operationId": "\#(identifier)", "summary": "\#(summary)""#,
        isPublic ? #""security": []"# : nil,
        parameters.isEmpty ? nil : #""parameters": [\#(parameters.joined(separator: ", "))]"#,
        body.map { #""requestBody": \#($0)"# },
        #""responses": {\#(answers.compactMap(\.self).joined(separator: ", "))}"#,
      ]
      return "{\(members.compactMap(\.self).joined(separator: ", "))}"
    }

    private var parameters: [String] {
      path.split(separator: "/").filter { $0.hasPrefix("{") }
        .map { ##"{"$ref": "#/components/parameters/\##($0.dropFirst().dropLast())"}"## }
    }
  }

  private static let operations: [Operation] =
    [
      Operation(
        path: "/v2", identifier: "serverMetadata", summary: "What this server is",
        success: "Name, version and extensions.", content: json("ServerMetadata"), isPublic: true),
      Operation(
        path: "/v2/health/live", identifier: "live", summary: "Whether the process answers", success: "It does.",
        content: json("Live"), isPublic: true),
      Operation(
        path: "/v2/health/ready", identifier: "ready", summary: "Whether any model is ready", success: "One is.",
        content: json("Ready"), isPublic: true),
    ] + ofModels + ofModels.map(\.ofVersion)
    + [
      Operation(
        path: "/v2/models/stats", identifier: "allStatistics", summary: "What all models have done",
        success: "Counts and nanoseconds.", content: json("Statistics")),
      Operation(
        method: "post", path: "/v2/repository/index", identifier: "repositoryIndex",
        summary: "Versions that answer, and those that do not", success: "Newest first.",
        content: jsonArray("RepositoryEntry"),
        body: optional(#"{"type": "object", "properties": {"ready": {"type": "boolean"}}}"#)),
      Operation(
        method: "post", path: "/v2/repository/models/{model}/load", identifier: "load",
        summary: "Take a model back into service", success: "Done.", content: anyObject, body: optional(object)),
      Operation(
        method: "post", path: "/v2/repository/models/{model}/unload", identifier: "unload",
        summary: "Take a model out of service", success: "Done.", content: anyObject, body: optional(object)),
      Operation(
        path: "/v1/models", identifier: "listVersions", summary: "Versions that can be pulled",
        success: "By name, newest first.", content: jsonArray("VersionRow")),
      Operation(
        path: "/v1/models/{model}/{selector}/{file}", identifier: "pull", summary: "A file of a version",
        success: "All of it.",
        content: """
          {\(bytes), "application/json": {"schema": \(object)}, "text/markdown": \(text), "text/plain": \(text)}
          """,
        further: """
          "206": {"description": "The range that was asked for.", "content": {\(bytes)}}, \
          "304": {"description": "It is what `If-None-Match` names."}, "416": \(refused)
          """),
      Operation(
        path: "/metrics", identifier: "metrics", summary: "Metrics for Prometheus",
        success: "Prometheus text, or OpenMetrics where `Accept` asks for it.",
        content: #"{"text/plain": \#(text), "application/openmetrics-text": \#(text)}"#),
      Operation(
        path: "/healthz", identifier: "healthz", summary: "As /v2/health/live", success: "It does.",
        content: json("Live"), isPublic: true),
      Operation(
        path: "/readyz", identifier: "readyz", summary: "As /v2/health/ready", success: "One is.",
        content: json("Ready"), isPublic: true),
      Operation(
        path: "/openapi.json", identifier: "openAPI", summary: "This document", success: "OpenAPI 3.",
        content: anyObject, isPublic: true),
    ]

  /// Those that a model has for the version in force, and for each version at a path of its own.
  private static let ofModels = [
    Operation(
      path: "/v2/models/{model}", identifier: "metadata", summary: "Inputs and outputs of a model",
      success: "Names, datatypes, shapes.", content: json("ModelMetadata")),
    Operation(
      path: "/v2/models/{model}/ready", identifier: "modelReady", summary: "Whether a model is ready",
      success: "It is.", content: json("ModelReady")),
    Operation(
      path: "/v2/models/{model}/config", identifier: "configuration", summary: "The configuration of a model",
      success: "As Triton's extension has it.", content: anyObject),
    Operation(
      path: "/v2/models/{model}/stats", identifier: "statistics", summary: "What a model has done",
      success: "Counts and nanoseconds.", content: json("Statistics")),
    Operation(
      method: "post", path: "/v2/models/{model}/infer", identifier: "infer", summary: "Predict",
      success: "Predictions, all of one version. In binary form this JSON, then the tensors.",
      content: json("InferenceResponse"),
      body: """
        {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/InferenceRequest"}, \
        "example": {"inputs": [{"name": "features", "shape": [1, 4], "datatype": "FP32", "data": [0.5, 1.5, 2.5, 3.5]}]}}}}
        """),
  ]

  // MARK: Pieces (JSON)

  private static let refused = ##"{"$ref": "#/components/responses/Refused"}"##
  private static let object = #"{"type": "object"}"#
  private static let anyObject = #"{"application/json": {"schema": \#(object)}}"#
  private static let text = #"{"schema": {"type": "string"}}"#
  private static let bytes = #""application/octet-stream": {"schema": {"type": "string", "format": "binary"}}"#

  /// The content of a body that is one of the schemas.
  private static func json(_ schema: String) -> String {
    ##"{"application/json": {"schema": {"$ref": "#/components/schemas/\##(schema)"}}}"##
  }

  private static func jsonArray(_ schema: String) -> String {
    ##"""
    {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/\##(schema)"}}}}
    """##
  }

  /// A body that may be left out.
  private static func optional(_ schema: String) -> String {
    #"{"required": false, "content": {"application/json": {"schema": \#(schema)}}}"#
  }
}
