import COpenSSL

/// The AES-CTR keystream of one key: a 128-bit big-endian counter from 0 over a zero plaintext (SP 800-38A, §6.5).
///
/// Belongs to one thread at a time. Runs on from where it stopped; `seek` moves it anywhere.
package final class Keystream {
  package static let blockByteCount = 16
  /// As much zero plaintext as stays in the first-level cache while the stream is written (measured: toolchain table).
  private static let pieceByteCount = 16_384
  private static let zeros: [UInt8] = Array(repeating: 0, count: pieceByteCount)

  private let context: OpaquePointer

  /// The stream of a key of 16 bytes (AES-128) or 32 bytes (AES-256).
  ///
  /// - Precondition: the key has one of these lengths.
  package init(key: SecretBytes) {
    precondition(key.count == 16 || key.count == 32, "an AES key of 16 or 32 bytes")
    context = OpenSSL.require(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")
    let cipher = key.count == 16 ? OpenSSL.aes128CTR : OpenSSL.aes256CTR
    let counter = [UInt8](repeating: 0, count: Self.blockByteCount)
    let started = key.withUnsafeBytes { EVP_EncryptInit_ex2(context, cipher.pointer, $0.octets, counter, nil) }
    OpenSSL.require(started, "EVP_EncryptInit_ex2")
  }

  deinit { EVP_CIPHER_CTX_free(context) }

  /// Continues at byte `offset` of the stream.
  package func seek(toByte offset: Int) {
    precondition(offset >= 0)
    let block = UInt64(offset / Self.blockByteCount)
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 2 * Self.blockByteCount) { scratch in
      for i in 0..<8 {
        scratch[i] = 0
        scratch[8 + i] = UInt8(truncatingIfNeeded: block >> UInt64(56 - 8 * i))
      }
      OpenSSL.require(EVP_EncryptInit_ex2(context, nil, nil, scratch.baseAddress, nil), "EVP_EncryptInit_ex2")
      let within = offset % Self.blockByteCount
      guard within > 0 else { return }
      fill(UnsafeMutableRawBufferPointer(start: scratch.baseAddress, count: within))
    }
  }

  /// Overwrites all of `buffer` with the next bytes of the stream.
  package func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    guard let start = buffer.octets else { return }
    Self.zeros.withUnsafeBufferPointer { zeros in
      var written: Int32 = 0
      var offset = 0
      while offset < buffer.count {
        let count = min(Self.pieceByteCount, buffer.count - offset)
        OpenSSL.require(
          EVP_EncryptUpdate(context, start + offset, &written, zeros.baseAddress, Int32(count)), "EVP_EncryptUpdate")
        offset += count
      }
    }
  }
}
