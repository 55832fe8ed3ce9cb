/// A value of a fixed number of bytes: digests, public keys, signatures.
///
/// Ordered by its bytes, so that a collection sorted by it has one order in every process.
package protocol FixedBytes: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// How many bytes every value of the type has.
  static var byteCount: Int { get }
  var bytes: [UInt8] { get }
  /// - Precondition: `unchecked.count == Self.byteCount`.
  init(unchecked: [UInt8])
}

extension FixedBytes {
  /// The value with these bytes; nil if there are not exactly `byteCount` of them.
  package init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.init(unchecked: Array(bytes))
  }

  /// The value written as 2 × `byteCount` hexadecimal digits; nil for anything else.
  package init?(hex: String) {
    guard let bytes = [UInt8](hex: hex) else { return nil }
    self.init(bytes)
  }

  package var hex: String { bytes.hex }
  package var description: String { hex }
  package static func < (a: Self, b: Self) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}

/// A SHA-256 digest.
package struct Digest: FixedBytes {
  package static let byteCount = 32
  package let bytes: [UInt8]
  package init(unchecked: [UInt8]) { bytes = unchecked }
  /// The first twelve hexadecimal digits, for people and log lines.
  package var short: String { String(hex.prefix(12)) }
}

/// An Ed25519 public key (RFC 8032): the identity of a party.
package struct SigningPublicKey: FixedBytes {
  package static let byteCount = 32
  package let bytes: [UInt8]
  package init(unchecked: [UInt8]) { bytes = unchecked }
}

/// An X25519 public key (RFC 7748), fresh for every attempt.
package struct AgreementPublicKey: FixedBytes {
  package static let byteCount = 32
  package let bytes: [UInt8]
  package init(unchecked: [UInt8]) { bytes = unchecked }
}

/// A CURVE public key (RFC 26/ZMTP-CURVE): the key of a party's links.
package struct LinkPublicKey: FixedBytes {
  package static let byteCount = 32
  package let bytes: [UInt8]
  package init(unchecked: [UInt8]) { bytes = unchecked }
}

/// An Ed25519 signature (RFC 8032, 64 bytes).
package struct Signature: FixedBytes {
  package static let byteCount = 64
  package let bytes: [UInt8]
  package init(unchecked: [UInt8]) { bytes = unchecked }
}

extension [UInt8] {
  /// Lower-case hexadecimal, two digits a byte.
  package var hex: String {
    let digits = Array<UInt8>("0123456789abcdef".utf8)
    return String(unsafeUninitializedCapacity: 2 * count) { out in
      for (i, byte) in self.enumerated() {
        out[2 * i] = digits[Int(byte >> 4)]
        out[2 * i + 1] = digits[Int(byte & 15)]
      }
      return 2 * count
    }
  }

  /// The bytes behind hexadecimal digits of either case; nil for an odd length or another character.
  package init?(hex: String) {
    func nibble(_ c: UInt8) -> UInt8? {
      switch c {
      case 48...57: c - 48
      case 97...102: c - 87
      case 65...70: c - 55
      default: nil
      }
    }
    let digits = Array<UInt8>(hex.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var out: [UInt8] = []
    out.reserveCapacity(digits.count / 2)
    for i in stride(from: 0, to: digits.count, by: 2) {
      guard let high = nibble(digits[i]), let low = nibble(digits[i + 1]) else { return nil }
      out.append(high << 4 | low)
    }
    self = out
  }
}
