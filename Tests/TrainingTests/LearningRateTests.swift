import Federation
import Foundation
import Training
import Testing

@Suite("Learning rates over rounds")
struct LearningRateTests {
  private func factors(_ optimizer: LocalOptimizer, rounds: ClosedRange<UInt64>) -> [Double] {
    rounds.map { optimizer.learningRateFactor(round: $0) }
  }

  @Test("Schedules have their values at both ends and between them")
  func values() {
    #expect(factors(.init(), rounds: 1...3) == [1, 1, 1])
    let linear = factors(.init(schedule: .linear(rounds: 4, final: 0.2)), rounds: 1...6)
    for (factor, expected) in zip(linear, [1, 0.8, 0.6, 0.4, 0.2, 0.2]) { #expect(abs(factor - expected) < 1e-15) }
    let cosine = factors(.init(schedule: .cosine(rounds: 4, final: 0.2)), rounds: 1...7)
    for (passed, factor) in cosine.enumerated() {
      let expected = 0.2 + 0.8 * (1 + Foundation.cos(.pi * min(1, Double(passed) / 4))) / 2
      #expect(abs(factor - expected) < 1e-14)
    }
    #expect(factors(.init(schedule: .step(every: 2, factor: 0.5)), rounds: 1...5) == [1, 1, 0.5, 0.5, 0.25])
    #expect(factors(.init(schedule: .exponential(factor: 0.5)), rounds: 1...4) == [1, 0.5, 0.25, 0.125])
    #expect(factors(.init(warmUp: 4), rounds: 1...6) == [0.25, 0.5, 0.75, 1, 1, 1])
    #expect(LocalOptimizer(schedule: .exponential(factor: 0.5)).learningRateFactor(round: 0) == 1)
  }

  @Test("Cosines and powers are those of the C library but for rounding")
  func portableMath() {
    for step in 0...1000 {
      let x = Double.pi * Double(step) / 1000
      #expect(abs(PortableMath.cos(x) - Foundation.cos(x)) < 0x1p-50)
    }
    #expect(PortableMath.power(0.9, 0) == 1)
    #expect(abs(PortableMath.power(0.99, 1000) - Foundation.pow(0.99, 1000)) < 1e-18)
  }
}
