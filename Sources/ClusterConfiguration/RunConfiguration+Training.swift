import Federation

extension RunConfiguration {
  static func training(in top: ConfigurationSection) throws(ConfigurationError) -> Training {
    let section = try top.section("training", keys: Training.keys)
    func optional(_ key: String, _ expected: String, _ isValid: (Double) -> Bool) throws(ConfigurationError) -> Double?
    {
      section.has(key) ? try section.number(key, expected: expected, where: isValid) : nil
    }
    func optional(_ key: String, in range: ClosedRange<UInt64>) throws(ConfigurationError) -> UInt64? {
      section.has(key) ? try section.integer(key, in: range) : nil
    }
    guard !section.has("local-steps") || !section.has("local-epochs") else {
      throw section.error(at: "local-steps", found: "it beside 'local-epochs'", expected: "one of them")
    }
    let training = try Training(
      learningRate: section.number("learning-rate", expected: "a number above 0") { $0 > 0 },
      localEpochs: section.integer("local-epochs", default: 1, in: 1...10_000),
      batchSize: section.integer("batch-size", default: 32, in: 1...1_000_000),
      momentum: optional("momentum", "a number from 0 to below 1") { $0 >= 0 && $0 < 1 },
      weightDecay: optional("weight-decay", "a number of at least 0") { $0 >= 0 },
      proximal: optional("proximal", "a number of at least 0") { $0 >= 0 },
      optimizer: LocalOptimizer(
        method(in: section), clipNorm: optional("clip-gradient", "a number above 0") { $0 > 0 },
        exampleClipNorm: optional("clip-example-gradients", "a number above 0") { $0 > 0 },
        steps: optional("local-steps", in: 1...LocalOptimizer.stepsMax),
        warmUp: optional("warm-up", in: 1...1_000_000), schedule: schedule(in: section)))
    switch training.optimizer.method {
    case .sgd: break
    case .nesterov:
      guard training.momentum ?? 0 > 0 else {
        throw section.error(at: "optimizer", found: "nesterov without a momentum", expected: "'momentum' above 0")
      }
    case .adam, .adamW:
      guard training.momentum == nil else {
        throw section.error(at: "momentum", found: "it beside Adam", expected: "beta1 of the optimizer")
      }
    }
    return training
  }

  private static func method(in section: ConfigurationSection) throws(ConfigurationError) -> LocalOptimizer.Method {
    guard section.has("optimizer") else { return .sgd }
    let item = try section.alternative("optimizer", of: ["sgd", "nesterov", "adam", "adamw"])
    switch item.word {
    case "sgd":
      try item.checkAlone()
      return .sgd
    case "nesterov":
      try item.checkAlone()
      return .nesterov
    default:
      var adam = LocalOptimizer.Adam()
      if !item.isAlone {
        let settings = try item.settings(keys: ["beta1", "beta2", "epsilon"])
        let fraction = "a number from 0 to below 1"
        adam.beta1 = try settings.number("beta1", default: adam.beta1, expected: fraction) { $0 >= 0 && $0 < 1 }
        adam.beta2 = try settings.number("beta2", default: adam.beta2, expected: fraction) { $0 >= 0 && $0 < 1 }
        adam.epsilon = try settings.number("epsilon", default: adam.epsilon, expected: "a number above 0") { $0 > 0 }
      }
      return item.word == "adam" ? .adam(adam) : .adamW(adam)
    }
  }

  private static func schedule(in section: ConfigurationSection) throws(ConfigurationError) -> LocalOptimizer.Schedule {
    guard section.has("schedule") else { return .constant }
    let item = try section.alternative("schedule", of: ["constant", "linear", "cosine", "step", "exponential"])
    func factor(_ key: String, in settings: ConfigurationSection) throws(ConfigurationError) -> Double {
      try settings.number(key, expected: "a number above 0, at most 1") { $0 > 0 && $0 <= 1 }
    }
    switch item.word {
    case "linear", "cosine":
      let settings = try item.settings(keys: ["rounds", "final"], short: "rounds")
      let rounds: UInt64 = try settings.integer("rounds", in: 1...1_000_000)
      let final = try settings.number("final", default: 0, expected: "a number from 0 to 1") { $0 >= 0 && $0 <= 1 }
      return item.word == "linear" ? .linear(rounds: rounds, final: final) : .cosine(rounds: rounds, final: final)
    case "step":
      let settings = try item.settings(keys: ["every", "factor"])
      return try .step(every: settings.integer("every", in: 1...1_000_000), factor: factor("factor", in: settings))
    case "exponential":
      return try .exponential(factor: factor("factor", in: item.settings(keys: ["factor"], short: "factor")))
    default:
      try item.checkAlone()
      return .constant
    }
  }
}

extension RunConfiguration.Training {
  static let keys = [
    "learning-rate", "local-epochs", "local-steps", "batch-size", "optimizer", "momentum", "weight-decay", "proximal",
    "clip-gradient", "clip-example-gradients", "schedule", "warm-up",
  ]

  /// The keys of this training that are there, with their values as YAML.
  var members: [(key: String, value: String?)] {
    [
      ("learning-rate", "\(learningRate)"),
      optimizer.steps.map { ("local-steps", "\($0)") } ?? ("local-epochs", "\(localEpochs)"),
      ("batch-size", "\(batchSize)"), ("optimizer", Self.yaml(optimizer.method)),
      ("momentum", momentum.map { "\($0)" }),
      ("weight-decay", weightDecay.map { "\($0)" }), ("proximal", proximal.map { "\($0)" }),
      ("clip-gradient", optimizer.clipNorm.map { "\($0)" }),
      ("clip-example-gradients", optimizer.exampleClipNorm.map { "\($0)" }),
      ("schedule", Self.yaml(optimizer.schedule)), ("warm-up", optimizer.warmUp.map { "\($0)" }),
    ]
  }

  private static func yaml(_ method: LocalOptimizer.Method) -> String {
    func numbers(_ adam: LocalOptimizer.Adam) -> String {
      "{beta1: \(adam.beta1), beta2: \(adam.beta2), epsilon: \(adam.epsilon)}"
    }
    return switch method {
    case .sgd: "sgd"
    case .nesterov: "nesterov"
    case .adam(let adam): "{adam: \(numbers(adam))}"
    case .adamW(let adam): "{adamw: \(numbers(adam))}"
    }
  }

  private static func yaml(_ schedule: LocalOptimizer.Schedule) -> String {
    switch schedule {
    case .constant: "constant"
    case .linear(let rounds, let final): "{linear: {rounds: \(rounds), final: \(final)}}"
    case .cosine(let rounds, let final): "{cosine: {rounds: \(rounds), final: \(final)}}"
    case .step(let every, let factor): "{step: {every: \(every), factor: \(factor)}}"
    case .exponential(let factor): "{exponential: {factor: \(factor)}}"
    }
  }
}
