import COpenSSL
import CSecretMemory

/// Bytes that nobody else may see: a key, a seed, a share.
///
/// They live on the heap of secrets, which core dumps and forked children do not get (csecretmemory.h), are shared by
/// reference and never copied, are wiped when the last reference goes, compare in constant time and do not print.
package final class SecretBytes: Sendable, CustomStringConvertible, CustomReflectable {
  package let count: Int
  private nonisolated(unsafe) let start: UnsafeMutableRawPointer  // Written by initializers only.

  /// `count` bytes that `initialize` writes; they are zero before.
  package init<E: Error>(
    count: Int, initializingWith initialize: (UnsafeMutableRawBufferPointer) throws(E) -> Void
  ) throws(E) {
    precondition(count >= 0)
    self.count = count
    start = OpenSSL.require(csecret_allocate(max(count, 1)), "csecret_allocate")
    start.initializeMemory(as: UInt8.self, repeating: 0, count: count)
    try initialize(UnsafeMutableRawBufferPointer(start: start, count: count))
  }

  package convenience init(copying bytes: [UInt8]) {
    self.init(count: bytes.count) { $0.copyBytes(from: bytes) }
  }

  package convenience init(copying bytes: UnsafeRawBufferPointer) {
    self.init(count: bytes.count) { $0.copyMemory(from: bytes) }
  }

  deinit { csecret_free(start) }

  /// The bytes, inside `body` only.
  package func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    // Without this an optimizer may let go of the last reference, and wipe, before `body` has ended.
    defer { withExtendedLifetime(self) {} }
    return try body(UnsafeRawBufferPointer(start: start, count: count))
  }

  /// Overwrites scratch memory that held secrets; no optimizer removes it.
  package static func wipe(_ buffer: UnsafeMutableRawBufferPointer) {
    OPENSSL_cleanse(buffer.baseAddress, buffer.count)
  }

  /// Whether both hold the same bytes, in time that depends on the count only.
  package func isEqual(to other: SecretBytes) -> Bool {
    withUnsafeBytes { own in
      other.withUnsafeBytes { its in
        own.count == its.count && CRYPTO_memcmp(own.baseAddress, its.baseAddress, own.count) == 0
      }
    }
  }

  package var description: String { "secret of \(count) bytes" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
