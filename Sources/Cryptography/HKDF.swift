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
    var salt = salt
    var info = info
    var digest: [CChar] = [83, 72, 65, 50, 45, 50, 53, 54, 0]  // "SHA2-256"; OSSL_PARAM wants mutable storage.
    return SecretBytes(count: count) { out in
      input.withUnsafeBytes { input in
        salt.withUnsafeMutableBytes { salt in
          info.withUnsafeMutableBytes { info in
            digest.withUnsafeMutableBufferPointer { digest in
              let parameters = [
                OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.baseAddress, 0),
                OSSL_PARAM_construct_octet_string(
                  OSSL_KDF_PARAM_KEY, UnsafeMutableRawPointer(mutating: input.baseAddress), input.count),
                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt.baseAddress, salt.count),
                OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.baseAddress, info.count),
                OSSL_PARAM_construct_end(),
              ]
              OpenSSL.require(EVP_KDF_derive(context, out.octets, count, parameters), "EVP_KDF_derive")
            }
          }
        }
      }
    }
  }
}
