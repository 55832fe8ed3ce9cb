import Foundation

/// The form in which one row of 784 features is asked about.
enum PredictionRequest: String {
  case json, binary, grpc

  private static let columns = 784

  /// Writes the body, and says how it is sent.
  ///
  /// - Parameters:
  ///   - base: the address of HTTP; of gRPC, `http://` and its host and port.
  ///   - path: of the file that is written.
  func loadTool(for model: String, at base: String, writing path: String) throws -> LoadTool {
    try body(for: model).write(to: URL(filePath: path))
    let inference = "\(base)/v2/models/\(model)/infer"
    switch self {
    case .json: return LoadTool(url: inference, bodyPath: path, headers: [("Content-Type", "application/json")])
    case .binary:
      return LoadTool(
        url: inference, bodyPath: path,
        headers: [
          ("Content-Type", "application/octet-stream"),
          ("Inference-Header-Content-Length", "\(Self.binaryHeader.utf8.count)"),
        ])
    case .grpc:
      return LoadTool(
        url: "\(base)/inference.GRPCInferenceService/ModelInfer", bodyPath: path,
        headers: [("content-type", "application/grpc"), ("te", "trailers")], transport: .http2)
    }
  }

  /// Numbers of four decimals, as the scripts that measure other servers send them.
  private static var numbers: [Double] { (0..<columns).map { Double(($0 * 7_919) % 97) / 97 } }

  private static var floats: Data {
    var bytes = Data()
    for number in numbers {
      withUnsafeBytes(of: Float(number).bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }
    return bytes
  }

  private static let binaryHeader =
    "{\"inputs\":[{\"name\":\"features\",\"shape\":[1,784],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":3136}}],"
    + "\"parameters\":{\"binary_data_output\":true}}"

  private func body(for model: String) -> Data {
    switch self {
    case .json:
      let data = Self.numbers.map { String(format: "%.4f", $0) }.joined(separator: ", ")
      return Data(
        "{\"inputs\": [{\"name\": \"features\", \"shape\": [1, 784], \"datatype\": \"FP32\", \"data\": [\(data)]}]}"
          .utf8)
    case .binary: return Data(Self.binaryHeader.utf8) + Self.floats
    case .grpc:
      // inference.proto: ModelInferRequest {1 model_name, 5 inputs {1 name, 2 datatype, 3 shape}, 7 raw_input_contents}.
      let shape = Self.varint(1) + Self.varint(Self.columns)
      let input =
        Self.field(1, Data("features".utf8)) + Self.field(2, Data("FP32".utf8)) + Self.field(3, shape)
      let message = Self.field(1, Data(model.utf8)) + Self.field(5, input) + Self.field(7, Self.floats)
      // Not compressed, and its length (gRPC over HTTP/2, "Length-Prefixed-Message").
      return Data([0]) + withUnsafeBytes(of: UInt32(message.count).bigEndian) { Data($0) } + message
    }
  }

  /// A field of protobuf with a length before it.
  private static func field(_ number: Int, _ bytes: Data) -> Data {
    varint(number << 3 | 2) + varint(bytes.count) + bytes
  }

  private static func varint(_ number: Int) -> Data {
    var rest = number
    var bytes = Data()
    while rest > 127 {
      bytes.append(UInt8(rest & 127 | 128))
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }
}
