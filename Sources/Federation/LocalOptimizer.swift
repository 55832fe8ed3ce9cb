/// How a worker moves its parameters in local training, beyond what the round's configuration says: method, bounds on
/// gradients, and how the learning rate changes from round to round.
///
/// Travels as a text, part of the task that workers check against the signed configuration: the method and its numbers,
/// then any of `clip C`, `example-clip C`, `steps N`, `warm-up N` and a schedule, in this order, joined by `, `:
/// `adam 0.9 0.999 1e-08, clip 1.0, cosine 100 0.01`. Plain SGD without any of them is `sgd`.
package struct LocalOptimizer: Hashable, Sendable, CustomStringConvertible {
  package enum Method: Hashable, Sendable {
    /// With the momentum of the configuration, if it has one.
    case sgd
    /// The configuration's momentum with Nesterov's look-ahead.
    case nesterov
    case adam(Adam)
    /// Weight decay beside the step instead of in the gradient.
    case adamW(Adam)
  }

  package struct Adam: Hashable, Sendable {
    package var beta1: Double
    package var beta2: Double
    package var epsilon: Double

    /// The values of Kingma and Ba 2015 unless others are given.
    package init(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8) {
      self.beta1 = beta1
      self.beta2 = beta2
      self.epsilon = epsilon
    }
  }

  /// What the configuration's learning rate is multiplied by in a round; rounds count from 1.
  package enum Schedule: Hashable, Sendable {
    case constant
    /// From 1 to `final` along a line, over so many rounds; then `final`.
    case linear(rounds: UInt64, final: Double)
    /// The same along half a cosine (Loshchilov, Hutter 2017).
    case cosine(rounds: UInt64, final: Double)
    /// Times `factor` after every so many rounds.
    case step(every: UInt64, factor: Double)
    /// Times `factor` after every round.
    case exponential(factor: Double)
  }

  package static let textByteCountMax = 256
  package static let stepsMax: UInt64 = 1_000_000

  package var method: Method
  /// Most L2 norm of a batch's gradient; nil for any.
  package var clipNorm: Double?
  /// Most L2 norm of one example's gradient; nil for any.
  package var exampleClipNorm: Double?
  /// Steps of a round, in place of the configuration's epochs.
  package var steps: UInt64?
  /// Rounds over which the learning rate grows from nothing to its full value.
  package var warmUp: UInt64?
  package var schedule: Schedule

  package init(
    _ method: Method = .sgd, clipNorm: Double? = nil, exampleClipNorm: Double? = nil, steps: UInt64? = nil,
    warmUp: UInt64? = nil, schedule: Schedule = .constant
  ) {
    self.method = method
    self.clipNorm = clipNorm
    self.exampleClipNorm = exampleClipNorm
    self.steps = steps
    self.warmUp = warmUp
    self.schedule = schedule
  }

  /// Whether every number is in its range.
  package var isValid: Bool {
    func isPositive(_ value: Double?) -> Bool { value.map { $0 > 0 && $0.isFinite } ?? true }
    func isFraction(_ value: Double) -> Bool { value >= 0 && value < 1 }
    func isFactor(_ value: Double) -> Bool { value >= 0 && value <= 1 }
    let isGoodMethod =
      switch method {
      case .sgd, .nesterov: true
      case .adam(let adam), .adamW(let adam):
        isFraction(adam.beta1) && isFraction(adam.beta2) && isPositive(adam.epsilon)
      }
    let isGoodSchedule =
      switch schedule {
      case .constant: true
      case .linear(let rounds, let final), .cosine(let rounds, let final): rounds >= 1 && isFactor(final)
      case .step(let every, let factor): every >= 1 && factor > 0 && factor <= 1
      case .exponential(let factor): factor > 0 && factor <= 1
      }
    return isGoodMethod && isGoodSchedule && isPositive(clipNorm) && isPositive(exampleClipNorm)
      && steps.map { (1...Self.stepsMax).contains($0) } ?? true && warmUp.map { $0 >= 1 } ?? true
  }

  package var description: String {
    var parts =
      switch method {
      case .sgd: ["sgd"]
      case .nesterov: ["nesterov"]
      case .adam(let adam): ["adam \(adam.beta1) \(adam.beta2) \(adam.epsilon)"]
      case .adamW(let adam): ["adamw \(adam.beta1) \(adam.beta2) \(adam.epsilon)"]
      }
    if let clipNorm { parts.append("clip \(clipNorm)") }
    if let exampleClipNorm { parts.append("example-clip \(exampleClipNorm)") }
    if let steps { parts.append("steps \(steps)") }
    if let warmUp { parts.append("warm-up \(warmUp)") }
    switch schedule {
    case .constant: break
    case .linear(let rounds, let final): parts.append("linear \(rounds) \(final)")
    case .cosine(let rounds, let final): parts.append("cosine \(rounds) \(final)")
    case .step(let every, let factor): parts.append("step \(every) \(factor)")
    case .exponential(let factor): parts.append("exponential \(factor)")
    }
    return parts.joined(separator: ", ")
  }

  /// Reads what `description` writes, and nothing else: one optimizer has one text. Nil for every other text.
  package init?(parsing text: String) {
    guard text.utf8.count <= Self.textByteCountMax else { return nil }
    var parts = text.split(separator: ", ", omittingEmptySubsequences: false).map {
      $0.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    }
    guard let first = parts.first, let method = Method(first) else { return nil }
    self.init(method)
    parts.removeFirst()
    for part in parts { guard take(part) else { return nil } }
    guard isValid, description == text else { return nil }
  }

  private mutating func take(_ part: [String]) -> Bool {
    func number(_ index: Int) -> Double? { part.indices.contains(index) ? Double(part[index]) : nil }
    func whole(_ index: Int) -> UInt64? { part.indices.contains(index) ? UInt64(part[index]) : nil }
    switch part[0] {
    case "clip": clipNorm = number(1)
    case "example-clip": exampleClipNorm = number(1)
    case "steps": steps = whole(1)
    case "warm-up": warmUp = whole(1)
    case "linear", "cosine":
      guard let rounds = whole(1), let final = number(2) else { return false }
      schedule = part[0] == "linear" ? .linear(rounds: rounds, final: final) : .cosine(rounds: rounds, final: final)
    case "step":
      guard let every = whole(1), let factor = number(2) else { return false }
      schedule = .step(every: every, factor: factor)
    case "exponential":
      guard let factor = number(1) else { return false }
      schedule = .exponential(factor: factor)
    default: return false
    }
    return true
  }
}

extension LocalOptimizer.Method {
  fileprivate init?(_ words: [String]) {
    switch words.first {
    case "sgd": self = .sgd
    case "nesterov": self = .nesterov
    case "adam", "adamw":
      guard words.count == 4, let beta1 = Double(words[1]), let beta2 = Double(words[2]), let epsilon = Double(words[3])
      else { return nil }
      let adam = LocalOptimizer.Adam(beta1: beta1, beta2: beta2, epsilon: epsilon)
      self = words[0] == "adam" ? .adam(adam) : .adamW(adam)
    default: return nil
    }
  }
}
