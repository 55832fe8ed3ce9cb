import Cryptography
import Federation
import GradientKernel
import SecureAggregation

/// The coordinator between the last share and the open sum: n = 100, a tenth of them dropouts.
struct UnmaskFigures {
  private let setting: Setting
  private let rosterCount = 100
  private let dropoutCount = 10
  private let length = 1_000_000
  private let transcript = Digest.sha256(of: [3])

  init(_ setting: Setting) { self.setting = setting }

  func report(to report: inout Report) throws {
    let vector = VectorSpecification(id: 0, ringBits: 32, count: UInt64(length), chunkElements: 65_536)
    let auxiliary = VectorSpecification(id: 1, ringBits: 64, count: 23, chunkElements: 32_768)
    let source = SeededSecretSource(seed: [4])
    let secrets = (0..<rosterCount).map { _ in source.secret(32) }
    let keys = secrets.map { Agreement.publicKey(of: $0) }
    let threshold = 67
    let helpers = Array(dropoutCount..<dropoutCount + threshold)
    // What the helpers released: of every secret the shares of the same helpers.
    let shares = secrets.map { secret in
      Shamir.split(secret, threshold: threshold, helpers: helpers, coefficients: source)
    }
    func order() throws -> UnmaskingOrder {
      let weights = try Shamir.Weights(helpers: helpers)
      let opened = try shares.map { try Shamir.combine($0, weights: weights) }
      return UnmaskingOrder(
        transcript: transcript, suite: .aes128, vectors: [vector, auxiliary],
        survivors: Array(dropoutCount..<rosterCount),
        selfMaskSeeds: (dropoutCount..<rosterCount).map { .init(owner: $0, secret: opened[$0]) },
        dropoutMaskKeys: (0..<dropoutCount).map {
          .init(
            owner: $0, secret: opened[$0],
            peers: (dropoutCount..<rosterCount).map { .init(index: $0, key: keys[$0]) })
        })
    }
    let section = "server unmask, n = 100, m = 10⁶, k = 32, 10 dropouts"
    let shamir = try setting.stopwatch.least { _ = try order() }
    report.add(
      Figure(section: section, name: "shares of 100 secrets combined", value: shamir * 1e3, unit: "ms"))
    let agreements = Double(dropoutCount * (rosterCount - dropoutCount))
    guard let sum = RingAccumulator(ringBits: 32, count: length) else { return }
    try setting.forEachPool { pool in
      let publicKey = try setting.stopwatch.least(threads: pool.count) {
        _ = try order().terms([vector, auxiliary], on: pool)
      }
      report.add(
        Figure(
          section: section, name: "shares, agreements, keys; threads: \(pool.count)", value: publicKey * 1e3,
          unit: "ms",
          limit: agreements * setting.limits.agreement / Double(pool.count) * 1e3, budget: .atMost(60)))
      let terms = try order().terms([vector, auxiliary], on: pool)[0]
      let seconds = setting.stopwatch.least(threads: pool.count) { sum.apply(terms, elements: 0..<length, on: pool) }
      let limit = Double(terms.count * length * 4) / setting.limits.keystream[pool.count - 1]
      report.add(
        Figure(
          section: section, name: "\(terms.count) masks removed; threads: \(pool.count)", value: seconds * 1e3,
          unit: "ms", limit: limit * 1e3, budget: .ratioAtMost(1.3)))
    }
  }
}
