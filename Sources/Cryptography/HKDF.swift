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
            let parameters: [OSSL_PARAM] = [
              .text("digest", "SHA2-256"), .octets("key", input), .octets("salt", salt), .octets("info", info),
              OSSL_PARAM_construct_end(),
            ]
            OpenSSL.require(EVP_KDF_derive(context, out.octets, count, parameters), "EVP_KDF_derive")
          }
        }
      }
    }
  }
}
