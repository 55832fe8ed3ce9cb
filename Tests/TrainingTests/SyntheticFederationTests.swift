import Testing

@testable import Training

@Suite("Synthetic federations")
struct SyntheticFederationTests {
  private func dealt(
    _ alpha: Double, _ beta: Double, parts: Int = 30, seed: UInt64 = 1, features: Int = 60
  ) throws(DatasetError) -> DealtData {
    try DealtData(
      synthetic: alpha, beta, name: "synthetic(1.0, 1.0)", parts: parts, heldOut: 0.1, seed: seed, features: features,
      model: "mlp \(features)-10")
  }

  @Test("Thirty workers have examples of their own, at least fifty with what is held out, of lognormal numbers")
  func sizes() throws {
    let data = try dealt(1, 1)
    let sizes = data.parts.map(\.count)
    #expect(sizes.count == 30 && sizes.allSatisfy { $0 >= 45 })
    // The median of 50 + lognormal(4, 2) is 105; nine tenths of it are kept.
    let median = sizes.sorted()[15]
    #expect(median > 55 && median < 220, "\(sizes)")
    #expect((sizes.max() ?? 0) > 4 * median)
    #expect(data.parts.allSatisfy { $0.featureCount == 60 && $0.classCount == 10 })
    let all = sizes.reduce(0, +) + data.heldOut.count
    #expect(abs(Double(data.heldOut.count) / Double(all) - 0.1) < 0.02)
  }

  @Test("The same seed gives the same examples; another seed or fewer workers give nobody another's")
  func seeds() throws {
    let data = try dealt(1, 1)
    #expect(try dealt(1, 1).parts == data.parts)
    #expect(try dealt(1, 1, seed: 2).parts[0] != data.parts[0])
    #expect(try dealt(1, 1, parts: 4).parts == Array(data.parts.prefix(4)))
  }

  @Test("The larger beta, the more the examples' means differ between workers")
  func differ() throws {
    func spread(_ beta: Double) throws -> Double {
      let means = try dealt(0, beta).parts.map { part in
        part.features.reduce(0.0) { $0 + Double($1) } / Double(part.features.count)
      }
      let mean = means.reduce(0, +) / Double(means.count)
      return (means.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(means.count)).squareRoot()
    }
    #expect(try spread(0) < 0.3)
    #expect(try spread(2) > 1.2)
  }

  @Test("A model of other features is refused")
  func features() throws {
    let error = #expect(throws: DatasetError.self) { try dealt(1, 1, parts: 3, features: 64) }
    #expect(error?.description.contains("60 features, expected 64 for 'mlp 64-10'") == true)
  }
}
