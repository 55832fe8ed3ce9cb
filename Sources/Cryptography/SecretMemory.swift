import CSecretMemory

/// The heap of secrets and what the process does for secrets elsewhere (csecretmemory.h says all of it).
package enum SecretMemory {
  package struct Statistics: Equatable, Sendable {
    /// Bytes that the heap has of the system, in use or not.
    package let mappedBytes: Int
    /// Of these, bytes that are never swapped out: all of them, if RLIMIT_MEMLOCK allows.
    package let lockedBytes: Int
    /// Secrets and objects of OpenSSL that are alive.
    package let usedBlocks: Int
  }

  package static var statistics: Statistics {
    let found = csecret_statistics()
    return Statistics(
      mappedBytes: found.mapped_bytes, lockedBytes: found.locked_bytes, usedBlocks: found.used_blocks)
  }

  /// How many blocks the calling thread has ever allocated here: for tests that count.
  package static var threadAllocations: UInt64 { csecret_thread_allocations() }

  /// Whether OpenSSL keeps its keys on this heap too. It does from before `main` on, or the program does not start.
  package static var isUsedByOpenSSL: Bool { csecret_is_installed() }

  /// Keeps core dumps of this process from being written, and its memory from being read by other processes of its
  /// user: the secret keys of ZeroMQ, and updates before they are masked, lie on the ordinary heap.
  ///
  /// - Throws: `coreDumpsNotForbidden` with the system's error number.
  package static func forbidCoreDumps() throws(CryptographyError) {
    let code = csecret_forbid_core_dumps()
    guard code == 0 else { throw .coreDumpsNotForbidden(code: code) }
  }

  /// Ends a forked child that would go on with its parent's state: it has none of the secrets, and its generators would
  /// repeat what the parent draws.
  static func requireOwner() { csecret_require_owner() }
}
