import Compression

/// The codings of bodies: gzip (RFC 1952), and deflate in the form of zlib (RFC 9110 §8.4.1.2).
package enum ContentCoding: String, Sendable, CaseIterable {
  case gzip
  case deflate

  /// Bodies below it are not worth it, in bytes.
  package static let compressedBytesMin = 1_024

  package enum Failure: Error, Equatable, Sendable {
    /// Not a whole stream of that coding.
    case malformed
    case tooLarge
  }

  private var wrapping: Inflation.Wrapping { self == .gzip ? .gzip : .zlib }

  /// The decompressed bytes.
  ///
  /// - Parameter byteCountMax: of the result; nothing beyond it is made.
  package func decode(_ bytes: UnsafeRawBufferPointer, byteCountMax: Int) throws(Failure) -> [UInt8] {
    do throws(Inflation.Failure) {
      return try Inflation.inflate(bytes, wrapping, byteCountMax: byteCountMax)
    } catch {
      throw error == .tooLong ? .tooLarge : .malformed
    }
  }

  /// The compressed bytes, at the fastest level.
  package func encode(_ bytes: [UInt8]) -> [UInt8] { Deflation.deflate(bytes, wrapping) }

  /// The coding that a client accepts best; nil to send bytes as they are (RFC 9110 §12.5.3).
  package static func accepted(by header: String?) -> ContentCoding? {
    guard let header else { return nil }
    var best: (coding: ContentCoding, weight: Double)?
    for item in header.split(separator: ",").prefix(16) {
      let parts = item.split(separator: ";").map { $0.trimmingSpaces.lowercased() }
      guard let name = parts.first else { continue }
      let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
      guard weight > 0, let coding = name == "*" ? .gzip : ContentCoding(rawValue: name) else { continue }
      if best.map({ $0.weight < weight }) ?? true { best = (coding, weight) }
    }
    return best?.coding
  }
}

extension StringProtocol {
  /// Without spaces and tabs at either end.
  var trimmingSpaces: SubSequence {
    var out = self[...]
    while let first = out.first, first == " " || first == "\t" { out = out.dropFirst() }
    while let last = out.last, last == " " || last == "\t" { out = out.dropLast() }
    return out
  }
}
