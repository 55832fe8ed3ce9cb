import Foundation

/// How many of a worker's k neighbours fall into a set, when neighbours are drawn without replacement: the hypergeometric
/// distribution, in logarithms, because its tails go down to 2^-128 and beyond.
struct NeighbourCounts {
  /// Everyone a neighbour may be.
  let population: Int
  /// Of these, in the set.
  let marked: Int
  /// k.
  let drawn: Int
  private let logTotal: Double

  init(population: Int, marked: Int, drawn: Int) {
    self.population = population
    self.marked = marked
    self.drawn = drawn
    logTotal = Self.logChoose(population, drawn)
  }

  /// ln of the probability of exactly `x`; −∞ where it is impossible.
  func logProbability(_ x: Int) -> Double {
    guard x >= max(0, drawn - (population - marked)), x <= min(drawn, marked) else { return -.infinity }
    return Self.logChoose(marked, x) + Self.logChoose(population - marked, drawn - x) - logTotal
  }

  /// ln P[X ≥ x].
  func logAtLeast(_ x: Int) -> Double {
    let top = min(drawn, marked)
    return x > top ? -.infinity : Self.logSum((x...top).map(logProbability))
  }

  /// ln P[X ≤ x].
  func logAtMost(_ x: Int) -> Double { x < 0 ? -.infinity : Self.logSum((0...x).map(logProbability)) }

  /// The smallest x that is exceeded with probability at most e^`bound`.
  func exceededRarely(_ bound: Double) -> Int { (0...drawn).first { logAtLeast($0 + 1) <= bound } ?? drawn }

  /// Terms so small that they underflow beside the largest do not matter to the sum.
  static func logSum(_ terms: [Double]) -> Double {
    guard let largest = terms.max(), largest > -.infinity else { return -.infinity }
    return largest + log(terms.reduce(0) { $0 + exp($1 - largest) })
  }

  private static func logChoose(_ n: Int, _ k: Int) -> Double {
    logFactorial(n) - logFactorial(k) - logFactorial(n - k)
  }

  static func logFactorial(_ n: Int) -> Double { logFactorials[n] }

  private static let logFactorials: [Double] = (0...10_001).map { lgamma(Double($0) + 1) }
}

/// Degree and threshold as FCP's parameter finder chooses them (google-parfait/federated-compute,
/// `graph_parameter_finder.cc`): the rule in our words.
///
/// The smallest even degree k < n − 1 such that, with a fraction γ of the workers dishonest and δ dropped out,
/// 1. the honest survivors of a Harary graph stay connected but for 2^-41: to cut the ring, k/2 workers in a row must be
///    bad in two places, of which there are n(n − k − 1)/2 pairs;
/// 2. a threshold t exists that more than t − 1 dishonest neighbours of some worker reach with at most 2^-41, and that fewer
///    than t surviving neighbours of some worker miss with less than 2^-20; each shared out evenly over n workers.
///
/// Of the thresholds that do, the smallest. Against a server that may show one set to some helpers and another to others,
/// 2t − k neighbours must be more than the dishonest ones, which raises it.
struct PublishedParameters: Equatable {
  enum Server: Sendable { case honestButCurious, semiMalicious }

  let degree: Int
  let threshold: Int

  /// - Returns: nil if no degree below n − 1 will do.
  static func find(n: Int, gamma: Double, delta: Double, server: Server) -> PublishedParameters? {
    let slack = 1e-14  // A product that is a whole number stays one.
    let dishonest = Int(((gamma + slack) * Double(n)).rounded(.down))
    let dropped = Int(((delta + slack) * Double(n)).rounded(.down))
    let surviving = Int(((1 - delta - slack) * Double(n)).rounded(.up))
    let security = -41 * log(2.0)
    for degree in stride(from: 2, to: n - 1, by: 2) {
      guard logDisconnected(n: n, degree: degree, bad: dishonest + dropped) < security else { continue }
      var below = NeighbourCounts(population: n, marked: dishonest, drawn: degree)
        .exceededRarely(security - log(Double(n)))
      if server == .semiMalicious { below = Int(((Double(below + degree) - 1.25) / 2).rounded(.up)) }
      let survivors = NeighbourCounts(population: n, marked: surviving, drawn: degree)
      // P[fewer than t survive] < 2^-20/n for t = below + 1, the smallest t that is secure.
      if survivors.logAtMost(below) < -20 * log(2.0) - log(Double(n)) {
        return PublishedParameters(degree: degree, threshold: max(below + 1, 2))
      }
    }
    return nil
  }

  private static func logDisconnected(n: Int, degree: Int, bad: Int) -> Double {
    guard degree <= bad else { return -.infinity }
    let pairs = log(Double(n)) + log(Double(n - degree - 1)) - log(2.0)
    return pairs + NeighbourCounts.logFactorial(bad) + NeighbourCounts.logFactorial(n - degree)
      - NeighbourCounts.logFactorial(n) - NeighbourCounts.logFactorial(bad - degree)
  }
}
