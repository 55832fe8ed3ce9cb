import COpenSSL

/// ECDSA on the curve P-256 with SHA-256 (FIPS 186-5): the algorithm that foreign tools verify model signatures with.
///
/// The parties' own identities are Ed25519 keys; nothing of the protocol is signed with this one.
package final class P256SigningKey: Sendable, CustomStringConvertible {
  /// Of the private scalar.
  static let scalarByteCount = 32
  /// Longest text that is read as a key.
  static let pemByteCountMax = 4096

  package let publicKey: P256PublicKey
  private let key: Fetched  // OpenSSL counts its users; signing does not change it.

  /// A new key; the same source gives the same key.
  package static func make(from secrets: any SecretSource) -> P256SigningKey {
    while true {
      // A number that is no scalar comes once in 2^32 draws.
      if let key = try? P256SigningKey(scalar: secrets.secret(scalarByteCount)) { return key }
    }
  }

  /// The key of a private scalar, big-endian.
  ///
  /// - Throws: `badKeyLength`, or `badKey` for a number that is not in 1 ..< n.
  package convenience init(scalar: SecretBytes) throws(CryptographyError) {
    guard scalar.count == Self.scalarByteCount else {
      throw .badKeyLength(expected: Self.scalarByteCount, found: scalar.count)
    }
    let isInRange = scalar.withUnsafeBytes { bytes in
      bytes.contains { $0 != 0 } && bytes.lexicographicallyPrecedes(Self.order)
    }
    guard isInRange else { throw .badKey }
    // Without the public half, which OpenSSL then computes (RFC 5915, §3).
    let document = SecretBytes(count: Self.pkcs8Prefix.count + scalar.count) { out in
      out.copyBytes(from: Self.pkcs8Prefix)
      scalar.withUnsafeBytes {
        UnsafeMutableRawBufferPointer(rebasing: out[Self.pkcs8Prefix.count...]).copyMemory(from: $0)
      }
    }
    try self.init(document, format: "DER")
  }

  /// Reads a private key in PKCS #8, as PEM without a password.
  ///
  /// - Throws: `badKey` for anything else, and for a key of another curve.
  package convenience init(pem: SecretBytes) throws(CryptographyError) {
    guard pem.count <= Self.pemByteCountMax else { throw .badKey }
    try self.init(pem, format: "PEM")
  }

  private init(_ document: SecretBytes, format: StaticString) throws(CryptographyError) {
    let selection = PKEY.keyPair
    guard let pointer = document.withUnsafeBytes({ PKEY.decode($0, format, "PrivateKeyInfo", selection) }) else {
      throw .badKey
    }
    guard PKEY.isP256(pointer) else {
      EVP_PKEY_free(pointer)
      throw .badKey
    }
    key = Fetched(pointer: pointer)
    publicKey = P256PublicKey(der: PKEY.encode(pointer, "DER", "SubjectPublicKeyInfo", PKEY.publicKey) { Array($0) })
  }

  deinit { EVP_PKEY_free(key.pointer) }

  /// The key in PKCS #8, as PEM.
  package var pem: SecretBytes {
    PKEY.encode(key.pointer, "PEM", "PrivateKeyInfo", PKEY.keyPair) { SecretBytes(copying: $0) }
  }

  /// A signature over `message`, in DER, at most 72 bytes; another one each time.
  package func sign(_ message: [UInt8]) -> [UInt8] {
    let context = OpenSSL.require(EVP_MD_CTX_new(), "EVP_MD_CTX_new")
    defer { EVP_MD_CTX_free(context) }
    OpenSSL.require(
      EVP_DigestSignInit_ex(context, nil, "SHA2-256", nil, nil, key.pointer, nil), "EVP_DigestSignInit_ex")
    return [UInt8](unsafeUninitializedCapacity: P256PublicKey.signatureByteCountMax) { out, filled in
      filled = P256PublicKey.signatureByteCountMax
      OpenSSL.require(EVP_DigestSign(context, out.baseAddress, &filled, message, message.count), "EVP_DigestSign")
    }
  }

  package var description: String { "P-256 private key" }

  /// n, the order of the base point (FIPS 186-5 and SP 800-186, §3.2.1.3).
  private static let order: [UInt8] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
  ]
  /// `PrivateKeyInfo { 0, { id-ecPublicKey, prime256v1 }, ECPrivateKey { 1, … } }` up to the scalar.
  private static let pkcs8Prefix: [UInt8] = [
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01,
    0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01,
    0x01, 0x04, 0x20,
  ]
}

/// The public half of a `P256SigningKey`.
package struct P256PublicKey: Hashable, Sendable {
  /// Longest signature in DER: two integers of 33 bytes with their heads.
  package static let signatureByteCountMax = 72
  /// Of the SubjectPublicKeyInfo of a named curve with an uncompressed point.
  package static let derByteCount = 91

  /// SubjectPublicKeyInfo (RFC 5480), in the one encoding that it has.
  package let der: [UInt8]

  fileprivate init(der: [UInt8]) { self.der = der }

  /// - Throws: `badKey` for anything but a point of P-256 in its one encoding.
  package init(checking der: [UInt8]) throws(CryptographyError) {
    guard der.count == Self.derByteCount, let key = Self.key(der) else { throw .badKey }
    defer { EVP_PKEY_free(key) }
    guard PKEY.isP256(key), PKEY.encode(key, "DER", Self.structure, PKEY.publicKey, { Array($0) }) == der else {
      throw .badKey
    }
    self.der = der
  }

  /// The key as a PEM text, which ends with a line feed.
  package var pem: String {
    let key = OpenSSL.require(Self.key(der), "OSSL_DECODER_from_data")
    defer { EVP_PKEY_free(key) }
    return PKEY.encode(key, "PEM", Self.structure, PKEY.publicKey) { String(decoding: $0, as: UTF8.self) }
  }

  /// Reads what `pem` gives.
  package init(pem: [UInt8]) throws(CryptographyError) {
    let key =
      pem.count > P256SigningKey.pemByteCountMax
      ? nil : pem.withUnsafeBytes { PKEY.decode($0, "PEM", Self.structure, PKEY.publicKey) }
    guard let key else { throw .badKey }
    defer { EVP_PKEY_free(key) }
    try self.init(checking: PKEY.encode(key, "DER", Self.structure, PKEY.publicKey) { Array($0) })
  }

  /// Whether `signature`, in DER, is one of this key over `message`.
  package func isValid(signature: [UInt8], message: [UInt8]) -> Bool {
    guard signature.count <= Self.signatureByteCountMax, let key = Self.key(der) else { return false }
    defer { EVP_PKEY_free(key) }
    let context = OpenSSL.require(EVP_MD_CTX_new(), "EVP_MD_CTX_new")
    defer { EVP_MD_CTX_free(context) }
    defer { ERR_clear_error() }
    guard EVP_DigestVerifyInit_ex(context, nil, "SHA2-256", nil, nil, key, nil) > 0 else { return false }
    return EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
  }

  private static func key(_ der: [UInt8]) -> OpaquePointer? {
    der.withUnsafeBytes { PKEY.decode($0, "DER", structure, PKEY.publicKey) }
  }

  private static let structure: StaticString = "SubjectPublicKeyInfo"
}

/// Keys of elliptic curves in and out of OpenSSL's encodings.
///
/// Names of formats and structures are static strings: OpenSSL keeps the pointers that it is given.
private enum PKEY {
  /// `EVP_PKEY_PUBLIC_KEY` and `EVP_PKEY_KEYPAIR`, nested macros that Swift does not import.
  static let publicKey =
    OSSL_KEYMGMT_SELECT_PUBLIC_KEY | OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS | OSSL_KEYMGMT_SELECT_OTHER_PARAMETERS
  static let keyPair = publicKey | OSSL_KEYMGMT_SELECT_PRIVATE_KEY

  /// A key in exactly this format and structure, with nothing behind it; nil for anything else.
  static func decode(
    _ bytes: UnsafeRawBufferPointer, _ format: StaticString, _ structure: StaticString, _ selection: Int32
  ) -> OpaquePointer? {
    defer { ERR_clear_error() }
    var key: OpaquePointer?
    let made = OSSL_DECODER_CTX_new_for_pkey(&key, text(format), text(structure), "EC", selection, nil, nil)
    let context = OpenSSL.require(made, "OSSL_DECODER_CTX_new_for_pkey")
    defer { OSSL_DECODER_CTX_free(context) }
    var next = bytes.octets
    var rest = bytes.count
    // A password is never asked for on the terminal.
    OpenSSL.require(OSSL_DECODER_CTX_set_passphrase(context, [0], 0), "OSSL_DECODER_CTX_set_passphrase")
    guard OSSL_DECODER_from_data(context, &next, &rest) > 0, rest == 0 else {
      EVP_PKEY_free(key)
      return nil
    }
    return key
  }

  static func isP256(_ key: OpaquePointer) -> Bool {
    defer { ERR_clear_error() }
    var name = [CChar](repeating: 0, count: 64)
    guard EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, &name, name.count, nil) > 0 else {
      return false
    }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) == "prime256v1"
  }

  /// Hands the encoding to `body`; it is wiped afterwards.
  static func encode<R>(
    _ key: OpaquePointer, _ format: StaticString, _ structure: StaticString, _ selection: Int32,
    _ body: (UnsafeRawBufferPointer) -> R
  ) -> R {
    let made = OSSL_ENCODER_CTX_new_for_pkey(key, selection, text(format), text(structure), nil)
    let context = OpenSSL.require(made, "OSSL_ENCODER_CTX_new_for_pkey")
    defer { OSSL_ENCODER_CTX_free(context) }
    var start: UnsafeMutablePointer<UInt8>?
    var count = 0
    OpenSSL.require(OSSL_ENCODER_to_data(context, &start, &count), "OSSL_ENCODER_to_data")
    defer { CRYPTO_clear_free(start, count, nil, 0) }
    return body(UnsafeRawBufferPointer(start: start, count: count))
  }

  private static func text(_ name: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
