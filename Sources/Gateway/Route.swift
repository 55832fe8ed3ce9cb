import Inference
import NIOHTTP1

/// What a request of HTTP asks for.
package enum Route: Hashable, Sendable {
  case metrics
  case openAPI
  /// The process answers.
  case live
  /// It has models to answer with.
  case ready
  case serverMetadata
  case modelMetadata(model: String, version: String?)
  case modelReady(model: String, version: String?)
  case modelConfiguration(model: String, version: String?)
  /// Of all models without a name.
  case statistics(model: String?, version: String?)
  case infer(model: String, version: String?)
  case repositoryIndex
  case load(model: String)
  case unload(model: String)
  case listVersions
  /// A file of a version, as pullers fetch it.
  case file(model: String, selector: String, name: String)

  /// Longest part of a path, in bytes, before decoding.
  static let partBytesMax = 512
  private static let partsMax = 8

  /// Reads a path.
  ///
  /// - Parameter path: percent-encoded, without the query.
  /// - Throws: `InferenceError` of kind `notFound`, `methodNotAllowed` or `invalid`.
  package init(method: HTTPMethod, path: Substring) throws(InferenceError) {
    let parts = try Self.parts(of: path)
    guard let (route, methods) = Self.find(parts) else {
      throw InferenceError(.notFound, "found nothing at this path; GET /openapi.json says what there is")
    }
    guard methods.contains(method) else {
      throw InferenceError(
        .methodNotAllowed,
        "found the method \(method.rawValue.prefix(16)), expected \(methods.map(\.rawValue).joined(separator: " or "))")
    }
    self = route
  }

  private static let reading: [HTTPMethod] = [.GET, .HEAD]

  private static func find(_ parts: [String]) -> (Route, [HTTPMethod])? {
    switch parts.first {
    case "metrics" where parts.count == 1: (.metrics, reading)
    case "openapi.json" where parts.count == 1: (.openAPI, reading)
    case "healthz" where parts.count == 1: (.live, reading)
    case "readyz" where parts.count == 1: (.ready, reading)
    case "v1": library(Array(parts.dropFirst())).map { ($0, reading) }
    case "v2": inference(Array(parts.dropFirst()))
    default: nil
    }
  }

  private static func library(_ parts: [String]) -> Route? {
    guard parts.first == "models" else { return nil }
    switch parts.count {
    case 1: return .listVersions
    case 4: return .file(model: parts[1], selector: parts[2], name: parts[3])
    default: return nil
    }
  }

  private static func inference(_ parts: [String]) -> (Route, [HTTPMethod])? {
    switch parts.first {
    case nil: (.serverMetadata, reading)
    case "health" where parts == ["health", "live"]: (.live, reading)
    case "health" where parts == ["health", "ready"]: (.ready, reading)
    case "models" where parts == ["models", "stats"]: (.statistics(model: nil, version: nil), reading)
    case "models" where parts.count >= 2: model(parts[1], Array(parts.dropFirst(2)), version: nil)
    case "repository" where parts == ["repository", "index"]: (.repositoryIndex, [.POST])
    case "repository" where parts.count == 4 && parts[1] == "models" && parts[3] == "load":
      (.load(model: parts[2]), [.POST])
    case "repository" where parts.count == 4 && parts[1] == "models" && parts[3] == "unload":
      (.unload(model: parts[2]), [.POST])
    default: nil
    }
  }

  private static func model(_ model: String, _ rest: [String], version: String?) -> (Route, [HTTPMethod])? {
    if rest.count >= 2, rest[0] == "versions", version == nil {
      return self.model(model, Array(rest.dropFirst(2)), version: rest[1])
    }
    guard rest.count <= 1 else { return nil }
    switch rest.first {
    case nil: return (.modelMetadata(model: model, version: version), reading)
    case "ready": return (.modelReady(model: model, version: version), reading)
    case "config": return (.modelConfiguration(model: model, version: version), reading)
    case "stats": return (.statistics(model: model, version: version), reading)
    case "infer": return (.infer(model: model, version: version), [.POST])
    default: return nil
    }
  }

  // MARK: Paths

  /// The parts between slashes, decoded; a slash at the end means nothing.
  private static func parts(of path: Substring) throws(InferenceError) -> [String] {
    guard path.first == "/" else { throw InferenceError(.invalid, "found a path without '/' in front") }
    var parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
    if parts.last?.isEmpty == true { parts.removeLast() }
    guard parts.count <= partsMax else {
      throw InferenceError(.notFound, "found a path of more than \(partsMax) parts")
    }
    var out: [String] = []
    for part in parts {
      guard let text = decoded(part), !text.isEmpty else {
        throw InferenceError(.invalid, "found a part of the path that is empty or not percent-encoded UTF-8")
      }
      out.append(text)
    }
    return out
  }

  /// Without its percent-encoding (RFC 3986 §2.1); nil if it is none, or not UTF-8.
  static func decoded(_ part: Substring) -> String? {
    guard part.utf8.count <= partBytesMax else { return nil }
    guard part.utf8.contains(UInt8(ascii: "%")) else { return String(part) }
    var bytes: [UInt8] = []
    var rest = part.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else { return nil }
      bytes.append(high << 4 | low)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
