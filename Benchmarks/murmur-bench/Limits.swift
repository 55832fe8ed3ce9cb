import Cryptography
import Federation
import GradientKernel
import SecureAggregation

/// What the machine can do at best, by OpenSSL and by plain copies.
struct Limits {
  let maximumThreads: Int
  let stopwatch: Stopwatch
  /// Bytes a second of an AES-128-CTR keystream, by number of threads from 1, each in a buffer of its own.
  private(set) var keystream: [Double] = []
  /// Bytes a second of a keystream on one thread by buffer size, as `openssl speed` lists them.
  private(set) var keystreamByBuffer: [(bytes: Int, rate: Double)] = []
  private(set) var aes256: Double = 0
  /// Bytes a second that a copy reads and writes.
  private(set) var copy: Double = 0
  /// Seconds of one operation.
  private(set) var agreement = 0.0, signature = 0.0, verification = 0.0, derivation = 0.0

  init(maximumThreads: Int, stopwatch: Stopwatch) {
    self.maximumThreads = maximumThreads
    self.stopwatch = stopwatch
    for bytes in [1_024, 4_096, 16_384, 65_536] {
      keystreamByBuffer.append((bytes, keystreamRate(threads: 1, buffer: bytes, keyByteCount: 16)))
    }
    let best = keystreamByBuffer.max { $0.rate < $1.rate }?.bytes ?? 16_384
    for threads in 1...maximumThreads {
      keystream.append(keystreamRate(threads: threads, buffer: best, keyByteCount: 16))
    }
    aes256 = keystreamRate(threads: 1, buffer: best, keyByteCount: 32)
    measureCopy()
    measureOperations()
  }

  private static let volume = 200_000_000

  /// A run of the keystream limit: `volume` bytes on `threads` threads.
  static func runKeystream(_ pool: ThreadPool, buffer: Int, keyByteCount: Int, volume: Int) {
    let pieces = volume / pool.count / buffer
    pool.run(parts: pool.count) { part in
      let stream = Keystream(key: SecretBytes(copying: [UInt8](repeating: UInt8(part), count: keyByteCount)))
      withUnsafeTemporaryAllocation(byteCount: buffer, alignment: 64) { scratch in
        for _ in 0..<pieces { stream.fill(scratch) }
      }
    }
  }

  private func keystreamRate(threads: Int, buffer: Int, keyByteCount: Int) -> Double {
    let pool = ThreadPool(threads: threads, flushesSubnormals: false)
    let done = Self.volume / threads / buffer * buffer * threads
    return Double(done)
      / stopwatch.least(threads: threads) {
        Self.runKeystream(pool, buffer: buffer, keyByteCount: keyByteCount, volume: Self.volume)
      }
  }

  private mutating func measureCopy() {
    let count = 64 << 20
    let from = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    let to = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    defer {
      from.deallocate()
      to.deallocate()
    }
    from.initializeMemory(as: UInt8.self, repeating: 1)
    copy = Double(2 * count) / stopwatch.least { to.copyMemory(from: UnsafeRawBufferPointer(from)) }
  }

  private mutating func measureOperations() {
    let source = SeededSecretSource(seed: [1])
    let secret = source.secret(32)
    let peer = X25519.publicKey(of: source.secret(32))
    let times = 50
    agreement =
      stopwatch.least {
        for _ in 0..<times { _ = try? X25519.agree(secret, with: peer) }
      } / Double(times)
    derivation =
      stopwatch.least {
        for _ in 0..<times { _ = HKDF.derive(salt: peer, input: secret, info: peer, count: 16) }
      } / Double(times)
    guard let key = try? SigningKey(seed: source.secret(32)) else { return }
    let message = [UInt8](repeating: 7, count: 100)
    signature = stopwatch.least { for _ in 0..<times { _ = key.sign(message) } } / Double(times)
    let signed = key.sign(message)
    verification =
      stopwatch.least {
        for _ in 0..<times { _ = Ed25519.isValid(signature: signed, message: message, publicKey: key.publicKey) }
      } / Double(times)
  }

  func report(to report: inout Report) {
    let section = "limits of this machine"
    for (bytes, rate) in keystreamByBuffer {
      report.add(
        Figure(
          section: section, name: "AES-128-CTR, 1 thread, \(bytes) bytes at a time", value: rate / 1e9, unit: "GB/s"))
    }
    for (index, rate) in keystream.enumerated() {
      report.add(
        Figure(section: section, name: "AES-128-CTR, threads: \(index + 1)", value: rate / 1e9, unit: "GB/s"))
    }
    report.add(Figure(section: section, name: "AES-256-CTR, 1 thread", value: aes256 / 1e9, unit: "GB/s"))
    report.add(Figure(section: section, name: "memory copy, read + write", value: copy / 1e9, unit: "GB/s"))
    for (name, seconds) in [
      ("X25519 agreement", agreement), ("Ed25519 signature", signature), ("Ed25519 verification", verification),
      ("HKDF-SHA256, 16 bytes", derivation),
    ] {
      report.add(Figure(section: section, name: name, value: seconds * 1e6, unit: "µs"))
    }
  }
}
