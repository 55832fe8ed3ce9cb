import COpenSSL

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Where keys, seeds, shares and noise come from; never logged, never derived from anything logged.
package protocol SecretSource: AnyObject, Sendable {
  /// Overwrites all of `buffer` with bytes that nobody can foretell.
  func fill(_ buffer: UnsafeMutableRawBufferPointer)
  /// Where the secrets of one purpose come from: what is drawn for one does not move what another gets, even where all
  /// follows from a seed.
  func source(for purpose: String) -> any SecretSource
}

extension SecretSource {
  package func source(for purpose: String) -> any SecretSource { self }

  /// `count` new secret bytes.
  package func secret(_ count: Int) -> SecretBytes {
    SecretBytes(count: count) { fill($0) }
  }

  /// `count` new bytes that need not stay secret, such as a nonce.
  package func bytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      fill(UnsafeMutableRawBufferPointer(buffer))
      filled = count
    }
  }
}

/// OpenSSL's generator for private values, seeded by the operating system: the source of a real cluster.
///
/// A forked child never repeats what its parent draws: the generator's state is wiped in it, and the first draw ends it.
package final class SystemSecretSource: SecretSource {
  package init() {}

  package func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    guard let start = buffer.octets else { return }
    SecretMemory.requireOwner()
    OpenSSL.require(RAND_priv_bytes(start, Int32(buffer.count)), "RAND_priv_bytes")
  }
}

/// The AES-128-CTR stream of a seed: for the simulator and for known answers only.
///
/// The key is the first half of SHA-256 of the seed. Calls from several threads are served one after another.
package final class SeededSecretSource: SecretSource, @unchecked Sendable {
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let stream: Keystream  // Guarded by `lock`.
  private let seed: [UInt8]

  package init(seed: [UInt8]) {
    self.seed = seed
    stream = Keystream(key: SecretBytes(copying: Array(SHA256.hash(seed).prefix(16))))
    pthread_mutex_init(lock, nil)
  }

  deinit {
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  package func source(for purpose: String) -> any SecretSource {
    SeededSecretSource(seed: seed + Array("/\(purpose)".utf8))
  }

  package func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    stream.fill(buffer)
  }
}
