/// What a key, signature, share or link of another party, or the system, can make go wrong here.
///
/// Everything else that OpenSSL may refuse (no memory, a library without the algorithm) is no input's doing and ends
/// the program with the name of the call.
package enum CryptographyError: Error, Equatable, Sendable {
  /// A key of another length than its algorithm has, in bytes.
  case badKeyLength(expected: Int, found: Int)
  /// Bytes that are not a key of P-256 in the encoding that is read.
  case badKey
  /// A nonce of another length than 12 bytes.
  case badNonceLength(found: Int)
  /// The peer's X25519 key has small order: the agreed secret would be all zero (RFC 7748, §6.1).
  case allZeroSharedSecret
  /// The tag does not fit key, nonce, associated data and ciphertext; or there is no room for a tag.
  case notAuthentic
  /// The system would not promise to write no core dump; `code` is its error number (setrlimit(2), prctl(2)).
  case coreDumpsNotForbidden(code: Int32)
}
