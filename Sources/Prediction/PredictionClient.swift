import Foundation
import Inference
import Training
import WebClient

/// Asks a serving node for predictions over the Open Inference Protocol, version 2, with binary tensors.
package struct PredictionClient: Sendable {
  /// Most rows of one request.
  package static let rowsMax = 256
  /// Most bytes of features in one request.
  static let requestByteCountMax = 8 << 20
  static let answerByteCountMax = 16 << 20
  static let busyAnswersMax = 3
  static let busyPauseMax = Duration.seconds(10)
  private static let reasonCharactersMax = 300

  private let address: WebAddress
  private let apiKey: String?
  private let client: HTTPClient

  /// - Parameters:
  ///   - apiKey: or a token; sent with every request.
  ///   - patience: time without a byte after which an answer is given up.
  package init(_ address: WebAddress, apiKey: String?, patience: Duration = .seconds(30)) {
    self.address = address
    self.apiKey = apiKey
    client = HTTPClient(patience: patience, redirects: .none)
  }

  /// What is said of all rows, and by which version.
  ///
  /// - Parameters:
  ///   - version: a number or an alias; nil for the one that the node takes. Whichever it is for the first rows, it is for
  ///     all of them.
  ///   - progress: rows that have an answer.
  /// - Throws: `PredictionError`.
  package func predict(
    _ table: FeatureTable, model: String, version: String?, progress: (Int) -> Void = { _ in }
  ) async throws(PredictionError) -> (predictions: Predictions, version: String) {
    let input = try await input(of: model, version)
    guard let width = input.featureCount, width == table.featureCount else {
      throw PredictionError(
        .usage,
        "\(address): found rows of \(table.featureCount) features, expected \(input.featureCount.map(String.init) ?? "another input") for '\(model)'"
      )
    }
    let rows = max(1, min(Self.rowsMax, Self.requestByteCountMax / (4 * table.featureCount)))
    var all: Predictions?
    var answering = version
    for start in stride(from: 0, to: table.count, by: rows) {
      let end = min(table.count, start + rows)
      let batch = table.features[start * table.featureCount..<end * table.featureCount]
      let (found, foundVersion) = try await ask(
        try input.tensor(Array(batch), rows: end - start), model, answering, rows: end - start)
      guard all.map({ $0.meaning == found.meaning && $0.width == found.width }) ?? true else {
        throw PredictionError(.verificationFailed, "\(address): found answers of two forms, expected one")
      }
      if all == nil { all = found } else { all?.append(found) }
      answering = foundVersion
      progress(end)
    }
    guard let all, let answering else { preconditionFailure("a table has a row") }
    return (all, answering)
  }

  // MARK: Requests

  /// The one input of a model.
  private func input(of model: String, _ version: String?) async throws(PredictionError) -> ModelInput {
    struct Metadata: Decodable { let inputs: [ModelInput] }
    let answer = try await send(HTTPRequest(.get, url(model, version)))
    guard let metadata = try? JSONDecoder().decode(Metadata.self, from: Data(answer.body)) else {
      throw PredictionError(
        .verificationFailed, "\(address): found something else, expected the metadata of '\(model)'")
    }
    guard metadata.inputs.count == 1 else {
      throw PredictionError(.usage, "\(address): found \(metadata.inputs.count) inputs of '\(model)', expected one")
    }
    return metadata.inputs[0]
  }

  private func ask(
    _ tensor: InferenceTensor, _ model: String, _ version: String?, rows: Int
  ) async throws(PredictionError) -> (Predictions, version: String?) {
    let body: (bytes: [UInt8], headerByteCount: Int?)
    do throws(InferenceError) {
      body = try InferenceRequest(inputs: [tensor], wantsBinary: true).encode(binaryInputs: true)
    } catch {
      throw PredictionError(.usage, error.message)
    }
    var headers = ["Content-Type": "application/octet-stream"]
    headers["Inference-Header-Content-Length"] = body.headerByteCount.map(String.init)
    let answer = try await send(HTTPRequest(.post, url(model, version, "infer"), headers: headers, body: body.bytes))
    let headerByteCount = answer.head.headers["inference-header-content-length"].flatMap { Int($0) }
    let response: InferenceResponse
    do throws(InferenceError) {
      response = try answer.body.withUnsafeBufferPointer { bytes throws(InferenceError) in
        try InferenceResponse(
          body: UnsafeRawBufferPointer(bytes), headerByteCount: headerByteCount, limits: InferenceLimits())
      }
      return (
        try Self.predictions(in: response, rows: rows, address),
        response.modelVersion.isEmpty ? version : response.modelVersion
      )
    } catch {
      throw PredictionError(.verificationFailed, "\(address): \(error.message)")
    }
  }

  /// The numbers among the outputs: those called `probabilities`, else `predictions`, else the first of floats.
  private static func predictions(
    in response: InferenceResponse, rows: Int, _ address: WebAddress
  ) throws(InferenceError) -> Predictions {
    let floats = response.outputs.filter { [.fp32, .fp64, .fp16, .bf16].contains($0.datatype) }
    let names = ["probabilities", "predictions"]
    let found = names.lazy.compactMap { name in floats.first { $0.name == name } }.first ?? floats.first
    guard let found, found.shape.first == rows, found.shape.count <= 2 else {
      throw InferenceError(
        .invalid,
        "found outputs \(response.outputs.map { "\($0.name) \($0.shape)" }.joined(separator: ", ")), "
          + "expected floats of shape [\(rows), classes or targets]")
    }
    let isValues = found.name == "predictions" || !response.outputs.contains { $0.name == "label" }
    let numbers = try found.floats()
    guard rows > 0, numbers.count >= rows, numbers.count % rows == 0 else {
      throw InferenceError(.invalid, "found \(numbers.count) numbers, expected some for each of \(rows) rows")
    }
    return Predictions(
      isValues && found.name != "probabilities" ? .values : .probabilities, numbers, width: numbers.count / rows)
  }

  private func url(_ model: String, _ version: String?, _ action: String? = nil) -> String {
    let base = address.appending("v2", "models", model)
    let versioned = version.map { base + WebAddress.path("versions", $0) } ?? base
    return action.map { versioned + WebAddress.path($0) } ?? versioned
  }

  /// Asks until there is an answer other than "not now".
  private func send(_ request: HTTPRequest) async throws(PredictionError) -> HTTPAnswer {
    var request = request
    if let apiKey { request.headers["Authorization"] = "Bearer \(apiKey)" }
    for _ in 0..<Self.busyAnswersMax {
      let answer: HTTPAnswer
      do throws(HTTPFailure) {
        answer = try await client.send(request, byteCountMax: Self.answerByteCountMax)
      } catch {
        throw PredictionError(error == .cancelled ? .failed : .network, error.description)
      }
      guard answer.head.status == 429 else { return try judge(answer, of: request) }
      let pause = Duration.seconds(answer.head.headers["retry-after"].flatMap { UInt16($0) } ?? 1)
      do {
        try await Task.sleep(for: min(pause, Self.busyPauseMax))
      } catch {
        throw PredictionError(.failed, "interrupted")
      }
    }
    throw PredictionError(.network, "\(request.url): found 'not now' \(Self.busyAnswersMax) times, expected an answer")
  }

  private func judge(_ answer: HTTPAnswer, of request: HTTPRequest) throws(PredictionError) -> HTTPAnswer {
    let kind: PredictionError.Kind
    switch answer.head.status {
    case 200: return answer
    case 401, 403: kind = .notAuthorised
    case 404: kind = .notFound
    case 400, 413, 415: kind = .usage
    default: kind = .network
    }
    throw PredictionError(
      kind, "\(request.url): found status \(answer.head.status): \(Self.reason(answer.body))")
  }

  /// The server's own words, as one bounded line.
  private static func reason(_ body: [UInt8]) -> String {
    struct Refusal: Decodable { let error: String }
    guard let text = try? JSONDecoder().decode(Refusal.self, from: Data(body)).error else { return "no reason given" }
    let line = text.unicodeScalars.filter { $0.properties.generalCategory != .control }
    return String(String.UnicodeScalarView(line).prefix(reasonCharactersMax))
  }
}

/// What a model takes, as its metadata says.
struct ModelInput: Decodable {
  let name: String
  let datatype: String
  let shape: [Int]

  /// Numbers of one row; nil if a model takes no rows of a fixed length.
  var featureCount: Int? {
    var product = 1
    for extent in shape.dropFirst() {
      let (next, overflow) = product.multipliedReportingOverflow(by: extent)
      guard extent > 0, !overflow else { return nil }
      product = next
    }
    return shape.count >= 2 ? product : nil
  }

  /// Rows as the model takes them.
  func tensor(_ features: [Float], rows: Int) throws(PredictionError) -> InferenceTensor {
    let shape = [rows] + shape.dropFirst()
    switch TensorDatatype(rawValue: datatype) {
    case .fp32: return InferenceTensor(name: name, datatype: .fp32, shape: shape, content: .floats(features))
    case .int32:
      var bytes: [UInt8] = []
      for feature in features {
        guard let whole = Int32(exactly: feature) else {
          throw PredictionError(.usage, "found \(feature), expected whole numbers for the input '\(name)'")
        }
        withUnsafeBytes(of: whole.littleEndian) { bytes.append(contentsOf: $0) }
      }
      return InferenceTensor(name: name, datatype: .int32, shape: shape, content: .raw(bytes))
    default:
      throw PredictionError(.usage, "found an input of datatype \(datatype), expected FP32 or INT32")
    }
  }
}
