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
    let own = agreementKey(secret)
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

  /// A key for agreements only.
  ///
  /// `EVP_PKEY_new_raw_private_key_ex` computes the public half, as much work as the agreement itself, which reads only
  /// the private one (RFC 7748, §6.1). A pair that is given whole is taken as it is, so the base point stands for the
  /// half that nobody reads; this object never leaves `agree`.
  private static func agreementKey(_ secret: SecretBytes) -> OpaquePointer {
    let context = OpenSSL.require(EVP_PKEY_CTX_new_from_name(nil, "X25519", nil), "EVP_PKEY_CTX_new_from_name")
    defer { EVP_PKEY_CTX_free(context) }
    OpenSSL.require(EVP_PKEY_fromdata_init(context), "EVP_PKEY_fromdata_init")
    var key: OpaquePointer?
    let made = secret.withUnsafeBytes { secret in
      basePoint.withUnsafeBytes { point in
        var parameters: [OSSL_PARAM] = [.octets("pub", point), .octets("priv", secret), OSSL_PARAM_construct_end()]
        return EVP_PKEY_fromdata(context, &key, keyPair, &parameters)
      }
    }
    OpenSSL.require(made, "EVP_PKEY_fromdata")
    return OpenSSL.require(key, "EVP_PKEY_fromdata")
  }

  /// u = 9.
  private static let basePoint: [UInt8] = [9] + Array(repeating: 0, count: 31)
  /// `EVP_PKEY_KEYPAIR`, a nested macro that Swift does not import: both halves and the parameters of the key.
  private static let keyPair =
    OSSL_KEYMGMT_SELECT_PRIVATE_KEY | OSSL_KEYMGMT_SELECT_PUBLIC_KEY | OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS
    | OSSL_KEYMGMT_SELECT_OTHER_PARAMETERS
}
