import Cryptography
import GradientKernel
import SecureAggregation

/// Keystreams onto lanes, beside the keystream alone.
struct MaskFigures {
  private let setting: Setting

  init(_ setting: Setting) { self.setting = setting }

  static func terms(_ count: Int, keyByteCount: Int = 16) -> [MaskTerm] {
    let source = SeededSecretSource(seed: [2])
    return (0..<count).map { MaskTerm(key: source.secret(keyByteCount), isAdded: $0 % 2 == 0) }
  }

  func report(to report: inout Report) throws {
    let lengths = [100_000, 1_000_000] + (setting.isQuick ? [] : [10_000_000])
    for bits in [32, 24, 16] as [UInt8] {
      for length in lengths {
        // As many masks as give the clock something to do, and no fewer than pass over a piece while it is cached.
        let terms = Self.terms(100)
        guard let sum = RingAccumulator(ringBits: bits, count: length) else { continue }
        let bytes = Double(terms.count * length * Int(bits) / 8)
        setting.forEachPool { pool in
          let limit = setting.limits.keystream[pool.count - 1]
          let seconds = setting.stopwatch.least(threads: pool.count) {
            sum.apply(terms, elements: 0..<length, on: pool)
          }
          report.add(
            Figure(
              section: "mask and add", name: "k = \(bits), m = \(length), threads: \(pool.count)",
              value: bytes / seconds / 1e9, unit: "GB/s", limit: limit / 1e9,
              budget: bits == 32 ? .ratioAtLeast(0.8) : nil))
        }
      }
    }
    let length = 1_000_000
    let terms = Self.terms(100, keyByteCount: 32)
    guard let sum = RingAccumulator(ringBits: 32, count: length) else { return }
    let seconds = setting.stopwatch.least { sum.apply(terms, elements: 0..<length) }
    report.add(
      Figure(
        section: "mask and add", name: "suite 2 (AES-256), k = 32, m = \(length), threads: 1",
        value: 4e-9 * Double(length * terms.count) / seconds, unit: "GB/s", limit: setting.limits.aes256 / 1e9,
        budget: .ratioAtLeast(0.8)))
  }
}
