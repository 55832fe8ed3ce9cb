import COpenSSL

/// The private half of an Ed25519 identity (RFC 8032, pure).
package final class SigningKey: Sendable, CustomStringConvertible {
  package static let seedByteCount = 32
  package static let signatureByteCount = 64

  /// 32 bytes.
  package let publicKey: [UInt8]
  private let key: Fetched  // OpenSSL counts its users; signing does not change it.

  /// - Throws: `badKeyLength` if the seed does not have 32 bytes.
  package init(seed: SecretBytes) throws(CryptographyError) {
    guard seed.count == Self.seedByteCount else {
      throw .badKeyLength(expected: Self.seedByteCount, found: seed.count)
    }
    let made = seed.withUnsafeBytes { EVP_PKEY_new_raw_private_key_ex(nil, "ED25519", nil, $0.octets, $0.count) }
    let pointer = OpenSSL.require(made, "EVP_PKEY_new_raw_private_key_ex")
    key = Fetched(pointer: pointer)
    publicKey = [UInt8](unsafeUninitializedCapacity: 32) { out, filled in
      filled = 32
      OpenSSL.require(EVP_PKEY_get_raw_public_key(pointer, out.baseAddress, &filled), "EVP_PKEY_get_raw_public_key")
    }
  }

  deinit { EVP_PKEY_free(key.pointer) }

  /// The signature over `message`, 64 bytes; the same key and message always give the same signature.
  package func sign(_ message: [UInt8]) -> [UInt8] {
    let context = OpenSSL.require(EVP_MD_CTX_new(), "EVP_MD_CTX_new")
    defer { EVP_MD_CTX_free(context) }
    OpenSSL.require(EVP_DigestSignInit_ex(context, nil, nil, nil, nil, key.pointer, nil), "EVP_DigestSignInit_ex")
    return [UInt8](unsafeUninitializedCapacity: Self.signatureByteCount) { out, filled in
      filled = Self.signatureByteCount
      OpenSSL.require(EVP_DigestSign(context, out.baseAddress, &filled, message, message.count), "EVP_DigestSign")
    }
  }

  package var description: String { "Ed25519 private key" }
}

package enum Ed25519 {
  /// Whether `signature` is one of `publicKey` over `message`: 64 bytes, S < L, equation without cofactor.
  package static func isValid(signature: [UInt8], message: [UInt8], publicKey: [UInt8]) -> Bool {
    guard signature.count == SigningKey.signatureByteCount, publicKey.count == 32,
      let key = EVP_PKEY_new_raw_public_key_ex(nil, "ED25519", nil, publicKey, publicKey.count)
    else { return false }
    defer { EVP_PKEY_free(key) }
    let context = OpenSSL.require(EVP_MD_CTX_new(), "EVP_MD_CTX_new")
    defer { EVP_MD_CTX_free(context) }
    defer { ERR_clear_error() }
    guard EVP_DigestVerifyInit_ex(context, nil, nil, nil, nil, key, nil) > 0 else { return false }
    return EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
  }
}
