import Cryptography
import Federation
import SecureAggregation

extension PlantedRound {
  /// Knows every secret of the attempt, in the process that searches another one.
  package final class Observer {
    package struct Secret {
      package let name: String
      package let bytes: [UInt8]
    }

    /// What is drawn and what is derived from it, and must never be found.
    package private(set) var secrets: [Secret] = []
    /// Shares that left in M9: no secrets afterwards.
    package private(set) var released: Set<[UInt8]> = []
    private var sources: [WorkerID: RecordingSource] = [:]

    package init() {}

    func note(_ name: String, _ secret: SecretBytes) {
      secrets.append(Secret(name: name, bytes: secret.withUnsafeBytes { Array($0) }))
    }

    /// A source that gives what `planted` gives, and remembers it.
    func source(of worker: WorkerID, from planted: SeededSecretSource) -> any SecretSource {
      let source = RecordingSource(planted)
      sources[worker] = source
      return source
    }

    func noteReleased(_ shares: UnmaskShares) {
      released.formUnion((shares.selfMaskShares + shares.maskKeyShares).map(\.share))
    }

    /// U2 is fixed for this worker: all that it will ever draw is drawn, all keys of its masks are derived.
    func note(_ order: MaskingOrder, of worker: WorkerID) {
      guard let draws = sources[worker]?.draws, draws.count >= 6 else { return }
      // Encryption key, mask key, ρ, b, coefficients of b, coefficients of the mask key; then nonces.
      let kinds = ["encryption key", "mask key", "rounding seed", "self-mask seed"]
      for (kind, secret) in zip(kinds, draws) { note("\(kind) of \(worker)", secret) }
      let helpers = (0..<order.rosterCount).filter { $0 != order.worker }
      noteShares(of: draws[3], draws[4], named: "self-mask seed of \(worker)", helpers: helpers + [order.worker])
      noteShares(of: draws[1], draws[5], named: "mask key of \(worker)", helpers: helpers)
      note(
        "rounding key of \(worker)",
        UpdateEncoder.roundingKey(transcript: order.transcript, seed: order.roundingSeed))
      for (keys, vector) in zip(order.keys, order.header.vectors) {
        for (place, term) in keys.terms.enumerated() {
          note("key \(place) of vector \(vector.id) of \(worker)", term.key)
        }
      }
    }

    /// Every coefficient and every share.
    private func noteShares(of secret: SecretBytes, _ drawn: SecretBytes, named name: String, helpers: [Int]) {
      let coefficients = drawn.withUnsafeBytes { raw in
        (0..<raw.count / 8).map { raw.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) & PrimeField.p }
      }
      note(
        "coefficients of \(name)",
        SecretBytes(count: 8 * coefficients.count) { out in coefficients.withUnsafeBytes { out.copyMemory(from: $0) } })
      let limbs = 5
      let shares = Shamir.split(secret, threshold: coefficients.count / limbs + 1, helpers: helpers) { limb, degree in
        coefficients[(degree - 1) * limbs + limb]
      }
      for (helper, share) in zip(helpers, shares) { note("share of \(name) at \(helper)", share.bytes) }
    }
  }

  private final class RecordingSource: SecretSource, @unchecked Sendable {  // Of one thread.
    private let source: SeededSecretSource
    private(set) var draws: [SecretBytes] = []

    init(_ source: SeededSecretSource) { self.source = source }

    func fill(_ buffer: UnsafeMutableRawBufferPointer) {
      source.fill(buffer)
      draws.append(SecretBytes(copying: UnsafeRawBufferPointer(buffer)))
    }
  }
}
