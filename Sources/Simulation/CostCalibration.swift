import ClusterConfiguration
import Cryptography
import Federation
import SecureAggregation
import Tensors
import Training

/// Measures on one core of this machine what a scenario's cost table says: the least of a few runs of each, because other
/// work only ever adds.
///
/// The table is the only thing that a clock goes into. A simulation reads the table, never a clock.
package struct CostCalibration {
  private static let runs = 5
  private static let maskedElements = 1 << 18
  private static let operations = 200
  private static let helpers = 64

  private let simulation: SimulationRun
  private let clock = ContinuousClock()

  package init(_ simulation: SimulationRun) { self.simulation = simulation }

  /// - Throws: `node` if the scenario's model cannot be trained on its data.
  package func measure() throws(SimulationError) -> SimulationScenario.Costs {
    do {
      let (training, evaluation) = try perExample()
      let (agreement, signature, verification) = publicKeyWork()
      return SimulationScenario.Costs(
        trainingPerExample: training, evaluationPerExample: evaluation, maskingPerElement: masking(),
        keyAgreement: agreement, signature: signature, verification: verification, share: share())
    } catch {
      throw .node("calibration: \(error)")
    }
  }

  private func least(of times: Int = runs, _ body: () throws -> Void) rethrows -> Double {
    var least = Double.infinity
    for _ in 0..<times {
      let began = clock.now
      try body()
      least = min(least, (clock.now - began) / .seconds(1))
    }
    return least
  }

  /// One epoch of the worker with the most examples, by the run's own local training.
  private func perExample() throws -> (training: Double, evaluation: Double) {
    let run = simulation.scenario.run, architecture = run.model.architecture
    guard let part = simulation.parts.max(by: { $0.count < $1.count }) else {
      throw SimulationError.node("there is no worker")
    }
    let data = part.scaled(by: Float(run.data.scale))
    let trainer = try LocalTrainer(architecture, training: data, holdOut: data)
    let base = architecture.initialParameters(seed: run.model.seed)
    let rules = run.training
    let configuration = try TrainingConfiguration(
      learningRate: rules.learningRate, localEpochs: 1, batchSize: Int(clamping: rules.batchSize),
      momentum: rules.momentum, weightDecay: rules.weightDecay, proximal: rules.proximal, optimizer: rules.optimizer)
    let steps = Double(configuration.stepCount(examples: data.count))
    let passes = min(steps * Double(min(configuration.batchSize, data.count)), steps * Double(configuration.batchSize))
    let training = try least { _ = try trainer.train(base: base, configuration: configuration, seed: 1) }
    let evaluation = try least { _ = try trainer.evaluate(base) }
    return (training / max(1, passes), evaluation / Double(data.count))
  }

  private func masking() -> Double {
    guard let sum = RingAccumulator(ringBits: 32, count: Self.maskedElements) else { return 0 }
    let term = MaskTerm(key: SecretBytes(copying: Array(repeating: 7, count: 16)), isAdded: true)
    return least { sum.apply([term], elements: 0..<Self.maskedElements) } / Double(Self.maskedElements)
  }

  private func publicKeyWork() -> (agreement: Double, signature: Double, verification: Double) {
    let source = SeededSecretSource(seed: Array("calibration".utf8))
    let secret = source.secret(32), peer = X25519.publicKey(of: source.secret(32))
    let message = Array(repeating: UInt8(1), count: 128)
    guard let key = try? SigningKey(seed: source.secret(SigningKey.seedByteCount)) else { return (0, 0, 0) }
    let signature = key.sign(message)
    let times = Double(Self.operations)
    return (
      least {
        for _ in 0..<Self.operations {
          guard let shared = try? X25519.agree(secret, with: peer) else { return }
          _ = HKDF.derive(salt: peer, input: shared, info: message, count: 16)
        }
      } / times,
      least { for _ in 0..<Self.operations { _ = key.sign(message) } } / times,
      least {
        for _ in 0..<Self.operations {
          _ = Ed25519.isValid(signature: signature, message: message, publicKey: key.publicKey)
        }
      } / times
    )
  }

  /// A pair of shares for each of some helpers, dealt and sealed: two shares a helper.
  private func share() -> Double {
    let source = SeededSecretSource(seed: Array("calibration/shares".utf8))
    let helpers = (1...Self.helpers).map { (index: $0, agreed: source.secret(32)) }
    let seed = source.secret(32), maskSecret = source.secret(32)
    let seconds = least {
      _ = ShareBundle.deal(
        transcript: .sha256(of: []), dealer: 0, threshold: Self.helpers * 2 / 3, seed: seed, maskSecret: maskSecret,
        helpers: helpers, secrets: source)
    }
    return seconds / Double(2 * Self.helpers)
  }
}

extension SimulationScenario.Costs {
  /// As a scenario file has it.
  package var text: String {
    let values: [(key: String, value: Double)] = [
      ("training-seconds-per-example", trainingPerExample), ("evaluation-seconds-per-example", evaluationPerExample),
      ("masking-seconds-per-element", maskingPerElement), ("key-agreement-seconds", keyAgreement),
      ("signature-seconds", signature), ("verification-seconds", verification), ("share-seconds", share),
    ]
    return "costs:\n" + values.map { "  \($0.key): \(Self.rounded($0.value))\n" }.joined()
  }

  /// Two significant digits: clocks are no better than that.
  private static func rounded(_ value: Double) -> Double {
    guard value > 0 else { return 0 }
    var scale = 1.0, digits = value
    while digits < 10 { (digits, scale) = (digits * 10, scale * 10) }
    while digits >= 100 { (digits, scale) = (digits / 10, scale / 10) }
    return digits.rounded() / scale
  }
}
