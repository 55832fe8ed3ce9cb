import COpenSSL

/// Authenticated encryption with associated data (RFC 8439); the 16-byte tag stands last.
package enum ChaCha20Poly1305 {
  package static let keyByteCount = 32
  package static let nonceByteCount = 12
  package static let tagByteCount = 16

  /// The ciphertext and its tag: 16 bytes longer than the plaintext.
  ///
  /// - Precondition: the key has 32 bytes, the nonce 12; one key never sees one nonce twice.
  package static func seal(
    key: SecretBytes, nonce: [UInt8], associatedData: [UInt8], plaintext: SecretBytes
  ) -> [UInt8] {
    precondition(key.count == keyByteCount && nonce.count == nonceByteCount)
    let context = OpenSSL.require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")
    defer { EVP_CIPHER_CTX_free(context) }
    let started = key.withUnsafeBytes {
      EVP_EncryptInit_ex2(context, OpenSSL.chaCha20Poly1305.pointer, $0.octets, nonce, nil)
    }
    OpenSSL.require(started, "EVP_EncryptInit_ex2")
    var written: Int32 = 0
    if !associatedData.isEmpty {
      OpenSSL.require(
        EVP_EncryptUpdate(context, nil, &written, associatedData, Int32(associatedData.count)), "EVP_EncryptUpdate")
    }
    return [UInt8](unsafeUninitializedCapacity: plaintext.count + tagByteCount) { out, filled in
      filled = plaintext.count + tagByteCount
      let start = OpenSSL.require(out.baseAddress, "allocate")
      plaintext.withUnsafeBytes { plain in
        if plain.count > 0 {
          OpenSSL.require(
            EVP_EncryptUpdate(context, start, &written, plain.octets, Int32(plain.count)), "EVP_EncryptUpdate")
        }
      }
      OpenSSL.require(EVP_EncryptFinal_ex(context, start + plaintext.count, &written), "EVP_EncryptFinal_ex")
      OpenSSL.require(
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tagByteCount), start + plaintext.count),
        "EVP_CTRL_AEAD_GET_TAG")
    }
  }

  /// The plaintext, if and only if tag, key, nonce and associated data fit together.
  ///
  /// - Throws: `badKeyLength`, `badNonceLength`, or `notAuthentic`; no plaintext then leaves this function.
  package static func open(
    key: SecretBytes, nonce: [UInt8], associatedData: [UInt8], ciphertext: [UInt8]
  ) throws(CryptographyError) -> SecretBytes {
    guard key.count == keyByteCount else { throw .badKeyLength(expected: keyByteCount, found: key.count) }
    guard nonce.count == nonceByteCount else { throw .badNonceLength(found: nonce.count) }
    guard ciphertext.count >= tagByteCount else { throw .notAuthentic }
    let count = ciphertext.count - tagByteCount
    let context = OpenSSL.require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")
    defer { EVP_CIPHER_CTX_free(context) }
    let started = key.withUnsafeBytes {
      EVP_DecryptInit_ex2(context, OpenSSL.chaCha20Poly1305.pointer, $0.octets, nonce, nil)
    }
    OpenSSL.require(started, "EVP_DecryptInit_ex2")
    var written: Int32 = 0
    if !associatedData.isEmpty {
      OpenSSL.require(
        EVP_DecryptUpdate(context, nil, &written, associatedData, Int32(associatedData.count)), "EVP_DecryptUpdate")
    }
    var tag = Array(ciphertext[count...])
    OpenSSL.require(
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tagByteCount), &tag), "EVP_CTRL_AEAD_SET_TAG")
    return try SecretBytes(count: count) { (out) throws(CryptographyError) in
      if count > 0 {
        OpenSSL.require(
          EVP_DecryptUpdate(context, out.octets, &written, ciphertext, Int32(count)), "EVP_DecryptUpdate")
      }
      var none: UInt8 = 0
      guard EVP_DecryptFinal_ex(context, &none, &written) > 0 else {
        ERR_clear_error()
        throw .notAuthentic
      }
    }
  }
}
