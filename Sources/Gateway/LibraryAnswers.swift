import Federation
import Inference
import ModelRegistry
import NIOHTTP1
import SecureAggregation

/// Versions as files of HTTP: listings, manifests, and weights in ranges (Protocols/models.md, "Pull over HTTP").
struct LibraryAnswers: Sendable {
  static let weightsName = "model.safetensors"

  let library: any VersionLibrary

  /// - Parameter isShown: whether the caller sees a model.
  func listing(where isShown: (String) -> Bool) -> HTTPReply {
    var json = "["
    for (index, row) in library.listing().filter({ isShown($0.model.text) }).enumerated() {
      let aliases = row.aliases.map { "\"\($0)\"" }.joined(separator: ",")
      json += index > 0 ? "," : ""
      // Names and aliases are of characters that need no escape.
      json +=
        "{\"name\":\"\(row.model)\",\"version\":\(row.version),\"digest\":\"sha256:\(row.digest)\",\"aliases\":[\(aliases)]}"
    }
    return HTTPReply(body: Array((json + "]\n").utf8))
  }

  func file(_ name: String, of model: String, _ selector: String, _ headers: HTTPHeaders)
    throws(InferenceError) -> HTTPReply
  {
    let reference: ModelReference
    do throws(ModelReferenceError) {
      reference = try ModelReference(parsing: "\(model)@\(selector)")
    } catch {
      throw InferenceError(.invalid, error.description)
    }
    let version = try library.find(reference)
    if name == Self.weightsName { return weights(version, headers) }
    guard let document = version.documents.first(where: { $0.name == name }) else {
      let names = ([Self.weightsName] + version.documents.map(\.name)).joined(separator: ", ")
      throw InferenceError(.notFound, "found no file of that name, expected one of \(names)")
    }
    let tag = Self.tag(of: Digest.sha256(of: document.bytes))
    if Self.matches(headers["if-none-match"], tag) { return Self.notModified(tag) }
    return HTTPReply(contentType: document.contentType, headers: [(name: "etag", value: tag)], body: document.bytes)
  }

  private func weights(_ version: LibraryVersion, _ headers: HTTPHeaders) -> HTTPReply {
    let file = version.weights
    let tag = Self.tag(of: file.digest)
    var fields = [
      (name: "etag", value: tag), (name: "accept-ranges", value: "bytes"),
      (name: "x-murmur-manifest", value: "sha256:\(version.digest)"),
    ]
    if Self.matches(headers["if-none-match"], tag) { return Self.notModified(tag) }
    let type = "application/octet-stream"
    // A range of another file than the client has begun with is of no use to it (RFC 9110 §13.1.5).
    let isSame = headers.first(name: "if-range").map { $0 == tag } ?? true
    guard isSame, let wanted = headers.first(name: "range") else {
      return HTTPReply(status: 200, contentType: type, headers: fields, count: file.byteCount) { try file.read($0) }
    }
    switch ByteRange(wanted, of: file.byteCount) {
    case .whole:
      return HTTPReply(status: 200, contentType: type, headers: fields, count: file.byteCount) { try file.read($0) }
    case .unsatisfiable:
      fields.append((name: "content-range", value: "bytes */\(file.byteCount)"))
      let error = InferenceError(.invalid, "found a range behind the end of \(file.byteCount) bytes")
      return HTTPReply(status: 416, headers: fields, body: error.json)
    case .part(let range):
      fields.append(
        (name: "content-range", value: "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(file.byteCount)"))
      return HTTPReply(status: 206, contentType: type, headers: fields, count: UInt64(range.count)) {
        try file.read($0.lowerBound + range.lowerBound..<$0.upperBound + range.lowerBound)
      }
    }
  }

  private static func tag(of digest: Digest) -> String { "\"sha256-\(digest)\"" }

  private static func matches(_ fields: [String], _ tag: String) -> Bool {
    fields.contains { $0.split(separator: ",").contains { $0.trimmingSpaces == tag || $0.trimmingSpaces == "*" } }
  }

  private static func notModified(_ tag: String) -> HTTPReply {
    HTTPReply(status: 304, contentType: nil, headers: [(name: "etag", value: tag)])
  }
}

/// A field `range` of one range of bytes (RFC 9110 §14.1.2).
enum ByteRange: Equatable {
  /// Several ranges, another unit, or nothing that can be read: the field is then ignored, as the RFC allows.
  case whole
  case unsatisfiable
  case part(Range<UInt64>)

  init(_ field: String, of count: UInt64) {
    self = .whole
    guard field.hasPrefix("bytes=") else { return }
    let parts = field.dropFirst("bytes=".count).split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }) else { return }
    switch (UInt64(parts[0]), UInt64(parts[1])) {
    case (nil, let last?) where parts[0].isEmpty:
      self = last > 0 && count > 0 ? .part(count - min(last, count)..<count) : .unsatisfiable
    case (let first?, nil) where parts[1].isEmpty:
      self = first < count ? .part(first..<count) : .unsatisfiable
    case (let first?, let last?) where first <= last:
      self = first < count ? .part(first..<min(last, count - 1) + 1) : .unsatisfiable
    default: return
    }
  }
}
