import COpenSSL

/// An object of OpenSSL that was fetched once, never changes and is shared by all threads.
///
/// A fetch takes a lock and a search by name (about a microsecond), so none happens per call.
struct Fetched: @unchecked Sendable {
  let pointer: OpaquePointer
}

enum OpenSSL {
  static let aes128CTR = cipher("AES-128-CTR")
  static let aes256CTR = cipher("AES-256-CTR")
  static let chaCha20Poly1305 = cipher("ChaCha20-Poly1305")
  static let sha256: Fetched = {
    guard let digest = EVP_MD_fetch(nil, "SHA2-256", nil) else { unavailable("SHA2-256") }
    return Fetched(pointer: digest)
  }()
  static let hkdf: Fetched = {
    guard let kdf = EVP_KDF_fetch(nil, "HKDF", nil) else { unavailable("HKDF") }
    return Fetched(pointer: kdf)
  }()

  /// Ends the program if a call failed that no input can make fail.
  @inline(__always)
  static func require(_ result: Int32, _ call: StaticString) {
    guard result > 0 else { unavailable(call) }
  }

  /// The object, or the end of the program: OpenSSL gives nil only without memory.
  @inline(__always)
  static func require<T>(_ object: T?, _ call: StaticString) -> T {
    guard let object else { unavailable(call) }
    return object
  }

  static func unavailable(_ what: StaticString) -> Never {
    var text = [CChar](repeating: 0, count: 256)
    ERR_error_string_n(ERR_get_error(), &text, text.count)
    let reason = text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    preconditionFailure("OpenSSL \(what): \(reason)")
  }

  private static func cipher(_ name: StaticString) -> Fetched {
    let found = name.withUTF8Buffer { EVP_CIPHER_fetch(nil, String(decoding: $0, as: UTF8.self), nil) }
    guard let found else { unavailable(name) }
    return Fetched(pointer: found)
  }
}

extension UnsafeRawBufferPointer {
  var octets: UnsafePointer<UInt8>? { bindMemory(to: UInt8.self).baseAddress }
}

extension UnsafeMutableRawBufferPointer {
  var octets: UnsafeMutablePointer<UInt8>? { bindMemory(to: UInt8.self).baseAddress }
}
