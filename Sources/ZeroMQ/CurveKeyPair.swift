import CZeroMQ
import Federation
import Glibc

/// The long-term public key of one end of CURVE connections: 32 bytes.
package struct CurvePublicKey: Hashable, Sendable, CustomStringConvertible {
  package static let byteCount = 32

  package let bytes: [UInt8]

  /// Nil unless there are 32 bytes.
  package init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }

  /// Nil unless the text is 40 Z85 characters.
  package init?(z85 text: String) {
    guard let bytes = Z85.decode(text) else { return nil }
    self.init(bytes: bytes)
  }

  /// 40 characters, as certificate files hold them.
  package var z85: String { Z85.encode(bytes) }

  package var description: String { z85 }
}

/// The long-term secret key of one end of CURVE connections; wiped when the last reference goes.
package final class CurveSecretKey: @unchecked Sendable, CustomStringConvertible, CustomReflectable {
  package static let byteCount = 32

  private let storage: UnsafeMutableRawBufferPointer

  /// Nil unless there are 32 bytes. The caller wipes its own copy.
  package init?(copying bytes: UnsafeRawBufferPointer) {
    guard bytes.count == Self.byteCount else { return nil }
    storage = .allocate(byteCount: Self.byteCount, alignment: 16)
    storage.copyMemory(from: bytes)
  }

  /// Nil unless there are 32 bytes. The array is not wiped.
  package init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    storage = .allocate(byteCount: Self.byteCount, alignment: 16)
    storage.copyBytes(from: bytes)
  }

  /// Nil unless the text is 40 Z85 characters. The text is not wiped.
  package convenience init?(z85 text: String) {
    guard var bytes = Z85.decode(text) else { return nil }
    defer { wipe(&bytes) }
    self.init(bytes: bytes)
  }

  deinit {
    wipe(storage)
    storage.deallocate()
  }

  /// The 32 bytes, inside `body` only.
  package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    let result = body(UnsafeRawBufferPointer(storage))
    extendLifetime(self)
    return result
  }

  /// 40 characters, for a secret certificate file. The text is not wiped.
  package func z85() -> String {
    var bytes = withUnsafeBytes { Array($0) }
    defer { wipe(&bytes) }
    return Z85.encode(bytes)
  }

  package var description: String { "CURVE secret key of \(Self.byteCount) bytes" }
  package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// A CURVE identity: who this end is towards its peers. Equal if the public keys are.
package struct CurveKeyPair: Equatable, Sendable {
  package let publicKey: CurvePublicKey
  package let secretKey: CurveSecretKey

  /// A new pair from the system's random source (zmq_curve_keypair(3)).
  package static func generate() throws(ZeroMQError) -> CurveKeyPair {
    var publicText = [CChar](repeating: 0, count: keyTextSize)
    var secretText = publicText
    defer { wipe(&secretText) }
    guard zmq_curve_keypair(&publicText, &secretText) == 0 else { throw .last(.generateKeyPair) }
    guard let publicKey = CurvePublicKey(z85: string(publicText)),
      let secretKey = CurveSecretKey(z85: string(secretText))
    else { throw ZeroMQError(.generateKeyPair, code: EINVAL) }
    return CurveKeyPair(publicKey: publicKey, secretKey: secretKey)
  }

  /// The pair of a secret key; its public key follows from it (zmq_curve_public(3)).
  package init(secretKey: CurveSecretKey) throws(ZeroMQError) {
    var publicText = [CChar](repeating: 0, count: Self.keyTextSize)
    guard zmq_curve_public(&publicText, secretKey.z85()) == 0 else { throw .last(.derivePublicKey) }
    guard let publicKey = CurvePublicKey(z85: Self.string(publicText)) else {
      throw ZeroMQError(.derivePublicKey, code: EINVAL)
    }
    self.init(publicKey: publicKey, secretKey: secretKey)
  }

  private init(publicKey: CurvePublicKey, secretKey: CurveSecretKey) {
    self.publicKey = publicKey
    self.secretKey = secretKey
  }

  package static func == (a: CurveKeyPair, b: CurveKeyPair) -> Bool { a.publicKey == b.publicKey }

  /// 40 characters and the terminating zero.
  private static let keyTextSize = 41

  private static func string(_ text: [CChar]) -> String {
    String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// Overwrites memory in a way the optimiser keeps (explicit_bzero(3)).
func wipe(_ bytes: UnsafeMutableRawBufferPointer) {
  guard let start = bytes.baseAddress else { return }
  explicit_bzero(start, bytes.count)
}

/// Overwrites an array in place; other copies of it are not reached.
func wipe<Element: BitwiseCopyable>(_ array: inout [Element]) {
  array.withUnsafeMutableBytes { wipe($0) }
}
