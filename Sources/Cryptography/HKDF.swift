import COpenSSL

/// HKDF with SHA-256, extract then expand (RFC 5869).
package enum HKDF {
  /// 255 blocks of SHA-256: the most that RFC 5869 gives for one input.
  package static let byteCountMax = 255 * 32

  /// `count` bytes of key material from `input`, named by `salt` and `info` (either may be empty).
  ///
  /// - Precondition: `1 ≤ count ≤ byteCountMax`.
  package static func derive(salt: [UInt8], input: SecretBytes, info: [UInt8], count: Int) -> SecretBytes {
    precondition((1...byteCountMax).contains(count), "HKDF gives 1…\(byteCountMax) bytes")
    let context = OpenSSL.require(EVP_KDF_CTX_new(OpenSSL.hkdf.pointer), "EVP_KDF_CTX_new")
    defer { EVP_KDF_CTX_free(context) }
    return SecretBytes(count: count) { out in
      input.withUnsafeBytes { input in
        salt.withUnsafeBytes { salt in
          info.withUnsafeBytes { info in
            let parameters = [
              text("digest", "SHA2-256"), octets("key", input), octets("salt", salt), octets("info", info),
              OSSL_PARAM_construct_end(),
            ]
            OpenSSL.require(EVP_KDF_derive(context, out.octets, count, parameters), "EVP_KDF_derive")
          }
        }
      }
    }
  }

  /// Parameters keep the pointers that they are given, so names (those of core_names.h) are static strings: a `String`
  /// passed to C lives for the one call only. OpenSSL reads the values and does not write them.
  private static func octets(_ name: StaticString, _ value: UnsafeRawBufferPointer) -> OSSL_PARAM {
    OSSL_PARAM(
      key: pointer(name), data_type: UInt32(OSSL_PARAM_OCTET_STRING),
      data: UnsafeMutableRawPointer(mutating: value.baseAddress), data_size: value.count,
      return_size: OSSL_PARAM_UNMODIFIED)
  }

  private static func text(_ name: StaticString, _ value: StaticString) -> OSSL_PARAM {
    OSSL_PARAM(
      key: pointer(name), data_type: UInt32(OSSL_PARAM_UTF8_STRING),
      data: UnsafeMutableRawPointer(mutating: value.utf8Start), data_size: value.utf8CodeUnitCount,
      return_size: OSSL_PARAM_UNMODIFIED)
  }

  private static func pointer(_ name: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
