import Cryptography
import SecureAggregation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Computations with secrets that were never written to: memory fresh from malloc(3), on purpose.
///
/// Under valgrind such bytes count as unknown, and so does all that is computed from them; a jump or an address that
/// depends on one is an error of memcheck. Here, that is time that depends on a secret. (The idea is ctgrind's.)
package enum ConstantTimeProbe {
  /// How many computations must give memcheck no reason to complain, unless their results are looked at.
  package static let count = constant.count
  /// One that must: a comparison that ends at the first difference.
  package static let earlyExit = "early exit"
  /// One that must once: whether shares make a secret is an answer that everybody learns.
  package static let combination = "combining shares"

  private typealias Computation = (name: String, body: @Sendable () throws -> Void)

  private static let constant: [Computation] = [
    ("comparison", { keep(unknown(32).isEqual(to: unknown(32))) }),
    ("comparison of shares", { keep(unknown(40).isEqual(to: unknown(40))) }),
    ("field addition", { keep(PrimeField.add(unknownElement(), unknownElement())) }),
    ("field subtraction", { keep(PrimeField.subtract(unknownElement(), unknownElement())) }),
    ("field multiplication", { keep(PrimeField.multiply(unknownElement(), unknownElement())) }),
    ("field inversion", { keep(PrimeField.inverse(unknownElement())) }),
    (
      "dealing shares",
      {
        keep(
          Shamir.split(unknown(32), threshold: 3, helpers: [0, 1, 2, 3]) { _, _ in unknownElement() }
            .map { $0.bytes })
      }
    ),
    ("public key", { keep([SecretBytes(copying: X25519.publicKey(of: unknown(32)))]) }),
    ("key derivation", { keep([HKDF.derive(salt: [1], input: unknown(32), info: [2], count: 48)]) }),
    (
      "sealing",
      {
        let sealed = ChaCha20Poly1305.seal(
          key: unknown(32), nonce: Array(repeating: 1, count: 12), associatedData: [2], plaintext: unknown(80))
        keep([SecretBytes(copying: sealed)])
      }
    ),
    ("keystream", { keep([SecretBytes(count: 1000) { Keystream(key: unknown(16)).fill($0) }]) }),
    ("signing", { keep([SecretBytes(copying: try SigningKey(seed: unknown(32)).sign([1, 2, 3]))]) }),
  ]

  private static let jumping: [Computation] = [
    (
      combination,
      {
        let shares = Shamir.split(unknown(32), threshold: 3, helpers: [0, 1, 2]) { _, _ in unknownElement() }
        keep([try Shamir.combine(shares, weights: Shamir.Weights(helpers: [0, 1, 2]))])
      }
    ),
    (
      earlyExit,
      {
        unknown(32).withUnsafeBytes { a in
          unknown(32).withUnsafeBytes { b in
            for i in 0..<32 where a[i] != b[i] { return keep(false) }
            keep(true)
          }
        }
      }
    ),
  ]

  /// - Parameter question: `constant` for all that must pass; `looked-at` for the same, each with one jump by its result
  ///   at the end; or the name of one that jumps.
  static func run(_ question: String?) throws {
    switch question {
    case "constant": for computation in constant { try computation.body() }
    case "looked-at":
      for computation in constant {
        results.pointee = 0
        kept = []
        try computation.body()
        if results.pointee ^ (kept.first.map { $0.withUnsafeBytes { UInt64($0[0]) } } ?? 0) != 0 {
          print("\(computation.name) gives something")
        }
      }
    default:
      guard let found = jumping.first(where: { $0.name == question }) else {
        print("found \(question ?? "nothing"), expected constant, looked-at, or one of \(jumping.map(\.name))")
        exit(2)
      }
      try found.body()
    }
    print("done")
  }

  private static func unknown(_ count: Int) -> SecretBytes {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
    defer { memory.deallocate() }
    return SecretBytes(copying: UnsafeRawBufferPointer(memory))
  }

  /// Below 2^61 − 1, as the arithmetic wants it: the lowest bit is known to be 0.
  private static func unknownElement() -> UInt64 {
    unknown(8).withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) } & (PrimeField.p - 1)
  }

  // MARK: Results go where no optimizer can ignore them, and are not looked at.

  private nonisolated(unsafe) static let results: UnsafeMutablePointer<UInt64> = {
    let results = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    results.initialize(to: 0)
    return results
  }()
  private nonisolated(unsafe) static var kept: [SecretBytes] = []

  @inline(never) private static func keep(_ value: UInt64) { results.pointee = value }
  @inline(never) private static func keep(_ value: Bool) {
    UnsafeMutableRawPointer(results).storeBytes(of: value, as: Bool.self)
  }
  @inline(never) private static func keep(_ secrets: [SecretBytes]) { kept = secrets }
}
