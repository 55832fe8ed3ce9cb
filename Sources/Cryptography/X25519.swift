import COpenSSL

/// Diffie–Hellman on Curve25519 (RFC 7748). Secrets are 32 bytes and clamped by the function itself.
package enum X25519 {
  package static let byteCount = 32

  /// The public key of a secret, 32 bytes.
  ///
  /// - Precondition: the secret has 32 bytes.
  package static func publicKey(of secret: SecretBytes) -> [UInt8] {
    precondition(secret.count == byteCount)
    let key = privateKey(secret)
    defer { EVP_PKEY_free(key) }
    return [UInt8](unsafeUninitializedCapacity: byteCount) { out, filled in
      filled = byteCount
      OpenSSL.require(EVP_PKEY_get_raw_public_key(key, out.baseAddress, &filled), "EVP_PKEY_get_raw_public_key")
    }
  }

  /// `X25519(secret, publicKey)`, 32 raw bytes, fit only as input of a key derivation.
  ///
  /// - Throws: `badKeyLength` for a public key of another length, `allZeroSharedSecret` for one of small order.
  package static func agree(
    _ secret: SecretBytes, with publicKey: [UInt8]
  ) throws(CryptographyError) -> SecretBytes {
    precondition(secret.count == byteCount)
    guard publicKey.count == byteCount else { throw .badKeyLength(expected: byteCount, found: publicKey.count) }
    let own = privateKey(secret)
    defer { EVP_PKEY_free(own) }
    let peer = OpenSSL.require(
      EVP_PKEY_new_raw_public_key_ex(nil, "X25519", nil, publicKey, publicKey.count), "EVP_PKEY_new_raw_public_key_ex")
    defer { EVP_PKEY_free(peer) }
    let context = OpenSSL.require(EVP_PKEY_CTX_new_from_pkey(nil, own, nil), "EVP_PKEY_CTX_new_from_pkey")
    defer { EVP_PKEY_CTX_free(context) }
    OpenSSL.require(EVP_PKEY_derive_init(context), "EVP_PKEY_derive_init")
    OpenSSL.require(EVP_PKEY_derive_set_peer(context, peer), "EVP_PKEY_derive_set_peer")
    return try SecretBytes(count: byteCount) { (out) throws(CryptographyError) in
      var count = byteCount
      // OpenSSL reports an all-zero result as an error; the second test does not rely on that.
      guard EVP_PKEY_derive(context, out.octets, &count) > 0 else {
        ERR_clear_error()
        throw .allZeroSharedSecret
      }
      guard out.reduce(0, |) != 0 else { throw .allZeroSharedSecret }
    }
  }

  private static func privateKey(_ secret: SecretBytes) -> OpaquePointer {
    let made = secret.withUnsafeBytes { EVP_PKEY_new_raw_private_key_ex(nil, "X25519", nil, $0.octets, $0.count) }
    return OpenSSL.require(made, "EVP_PKEY_new_raw_private_key_ex")
  }
}
