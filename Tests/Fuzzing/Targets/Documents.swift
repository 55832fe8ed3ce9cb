import Federation
import Tensors

@testable import ModelRegistry
@testable import ZeroMQ

/// Files and requests that come from elsewhere: the first byte chooses the format, the rest is the document.
///
/// Claims: reading ends in a value or an error; what was read, written and read again is the same value. Canonical JSON
/// and manifests have one writing.
enum Documents {
  static func check(_ bytes: [UInt8]) throws(Finding) {
    var input = FuzzInput(bytes)
    switch input.below(7) {
    case 0: try safetensors(input.rest())
    case 1: try manifest(input.rest())
    case 2: try canonicalJSON(input.rest())
    case 3: try reference(input.rest())
    case 4: try z85(input.rest())
    case 5: try propertyDocument(input.rest())
    default: try admission(&input)
    }
  }

  private static func safetensors(_ bytes: [UInt8]) throws(Finding) {
    guard let file = try? Safetensors.decode(bytes) else { return }
    guard let written = try? Safetensors.encode(file.tensors, metadata: file.metadata) else {
      throw Finding("a safetensors file was read and cannot be written")
    }
    guard let again = try? Safetensors.decode(written) else {
      throw Finding("a safetensors file was written and cannot be read")
    }
    let sorted = [file, again].map { $0.tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) } }
    try Finding.unless(
      sorted[0] == sorted[1] && file.metadata == again.metadata, "a safetensors file reads back otherwise")
  }

  private static func manifest(_ bytes: [UInt8]) throws(Finding) {
    guard let manifest = try? Manifest(bytes: bytes) else { return }
    try Finding.unless((try? manifest.encoded()) == bytes, "a manifest has two writings")
  }

  private static func canonicalJSON(_ bytes: [UInt8]) throws(Finding) {
    guard let value = try? CanonicalJSONParser.parse(bytes) else { return }
    try Finding.unless((try? CanonicalJSONParser.parse(value.bytes)) == value, "a JSON value reads back otherwise")
  }

  private static func reference(_ bytes: [UInt8]) throws(Finding) {
    guard let reference = try? ModelReference(parsing: String(decoding: bytes, as: UTF8.self)) else { return }
    try Finding.unless(
      (try? ModelReference(parsing: reference.description)) == reference, "a model reference reads back otherwise")
  }

  private static func z85(_ bytes: [UInt8]) throws(Finding) {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let decoded = Z85.decode(text) else { return }
    try Finding.unless(Z85.encode(decoded) == text, "a Z85 text has two writings")
  }

  private static func propertyDocument(_ bytes: [UInt8]) throws(Finding) {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let document = try? ZPLDocument(parsing: text, file: "fuzzed") else { return }
    for entry in document.entries {
      guard let line = ZPLDocument.line(name: entry.name, value: entry.value) else { continue }
      let again = try? ZPLDocument(parsing: "\(entry.section)\n\(line)\n", file: "fuzzed")
      try Finding.unless(
        again?.first(in: entry.section, named: entry.name)?.value == entry.value, "a property reads back otherwise")
    }
  }

  /// Frames of an admission request, each after one byte of its length.
  private static func admission(_ input: inout FuzzInput) throws(Finding) {
    var frames: [[UInt8]] = []
    while !input.isAtEnd {
      let count = Int(input.byte())
      frames.append((0..<count).compactMap { _ in input.isAtEnd ? nil : input.byte() })
    }
    guard let request = try? ZAPRequest(frames: frames) else { return }
    let key = [UInt8](repeating: 0x4B, count: CurvePublicKey.byteCount)
    guard let member = CurvePublicKey(bytes: key) else { throw Finding("32 bytes are no key") }
    guard (try? request.userID(in: [.worker: [member: "worker-1"]])) != nil else { return }
    try Finding.unless(
      request.domain == ZAPDomain.worker.rawValue && request.credentials == [key], "a peer was let in without the key")
  }
}
