import Cryptography

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The heap of secrets under load: many sizes on several threads, each freeing what others allocated.
///
/// Prints what was found wrong, then how much the heap holds once everything is freed.
enum HeapProbe {
  private static let threads = 4
  private static let stepsPerThread = 40_000
  /// Far more than any thread has of its own, so that blocks wander.
  private static let places = 400

  private final class Shared: @unchecked Sendable {
    let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    var secrets = [SecretBytes?](repeating: nil, count: places)  // Guarded by `mutex`.
    var wrong = 0  // Guarded by `mutex`.

    init() { pthread_mutex_init(mutex, nil) }

    func with<R>(_ body: () -> R) -> R {
      pthread_mutex_lock(mutex)
      defer { pthread_mutex_unlock(mutex) }
      return body()
    }
  }

  static func run() {
    _ = SystemSecretSource().secret(1)  // What OpenSSL makes once and keeps.
    let before = SecretMemory.statistics
    let shared = Shared()
    var ids: [pthread_t] = []
    for seed in 0..<threads {
      let start = Unmanaged.passRetained(Start(shared: shared, seed: UInt64(seed)))
      var id = pthread_t()
      let code = pthread_create(
        &id, nil,
        { argument in
          if let argument { Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().run() }
          return nil
        }, start.toOpaque())
      precondition(code == 0)
      ids.append(id)
    }
    for id in ids { pthread_join(id, nil) }
    let most = SecretMemory.statistics
    shared.secrets = []
    let after = SecretMemory.statistics
    print("wrong \(shared.wrong)")
    print("left \(after.usedBlocks - before.usedBlocks)")
    print("used \(most.usedBlocks - before.usedBlocks)")
    print("kept \(after.mappedBytes - before.mappedBytes)")
    print("unlocked \(after.mappedBytes - after.lockedBytes)")
    print("openssl \(SecretMemory.isUsedByOpenSSL)")
  }

  private final class Start: Sendable {
    let shared: Shared
    let seed: UInt64

    init(shared: Shared, seed: UInt64) {
      self.shared = shared
      self.seed = seed
    }

    /// Makes a secret of any size, fills it with one byte, and puts it where another one was, which it checks.
    func run() {
      var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
      func next(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
      }
      for _ in 0..<stepsPerThread {
        let count = next(50) == 0 ? 1 + next(20_000) : 1 + next(600)
        var isFresh = true
        let made = SecretBytes(count: count) { memory in
          isFresh =
            memory.allSatisfy { $0 == 0 } && memory.baseAddress.map { UInt(bitPattern: $0) % 16 == 0 } ?? false
          for i in memory.indices { memory[i] = UInt8(truncatingIfNeeded: count) }
        }
        let place = next(places)
        let old = shared.with {
          defer { shared.secrets[place] = made }
          return shared.secrets[place]
        }
        let isWhole =
          old?.withUnsafeBytes { $0.allSatisfy { $0 == UInt8(truncatingIfNeeded: old?.count ?? 0) } } ?? true
        if !isFresh || !isWhole { shared.with { shared.wrong += 1 } }
      }
    }
  }
}
