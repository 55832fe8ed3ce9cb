import Federation
import GradientKernel

/// Where local training is: batch after batch, in an order that is drawn anew for every epoch.
struct TrainingPass {
  let stepsPerEpoch: Int
  private(set) var stepsDone = 0
  /// Of the epoch in hand.
  var result = BatchResult()
  private let batch: Int
  private var order: [Int32]
  private var choices: SeededGenerator

  /// - Parameter batch: examples of a step; the last step of an epoch takes what is left.
  init(examples: Int, batch: Int, seed: UInt64) {
    self.batch = batch
    stepsPerEpoch = (examples + batch - 1) / batch
    order = (0..<Int32(examples)).map { $0 }
    choices = SeededGenerator(seed: seed, stream: "shuffle")
  }

  /// Of the next step, both from 1.
  var epoch: Int { stepsDone / stepsPerEpoch + 1 }
  var step: Int { stepsDone % stepsPerEpoch + 1 }
  /// Whether the last step was an epoch's last.
  var isAtEndOfEpoch: Bool { stepsDone > 0 && stepsDone % stepsPerEpoch == 0 }

  /// The examples of the next step.
  mutating func next() -> ArraySlice<Int32> {
    let position = stepsDone % stepsPerEpoch
    if position == 0 { choices.shuffle(&order) }
    return order[position * batch..<min(order.count, (position + 1) * batch)]
  }

  mutating func advance() { stepsDone += 1 }

  /// The mean loss since it was last asked for.
  mutating func takeMeanLoss() -> Double {
    defer { result = BatchResult() }
    return result.lossSum / Double(result.count)
  }
}
