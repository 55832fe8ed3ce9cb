import Federation
import Testing

@testable import Rounds

/// What the measured versions of a run say.
struct ModelWatchTests {
  private func measured(_ version: UInt64, loss: Double, accuracy: Double = 0.5) -> MeasuredVersion {
    MeasuredVersion(
      version: ModelVersion(version),
      metrics: RoundMetrics(lossSum: loss * 100, correct: UInt64(accuracy * 100), evaluated: 100))
  }

  @Test("The best version is the first of those with the least loss, or with the greatest accuracy if the run says so")
  func findsBest() {
    var rules = WatchRules()
    rules.maximumLossRatio = nil
    let versions = [
      measured(0, loss: 2, accuracy: 0.1), measured(1, loss: 1, accuracy: 0.6), measured(2, loss: 1, accuracy: 0.7),
      measured(3, loss: 1.5, accuracy: 0.8), measured(4, loss: 3, accuracy: 0.8),
    ]
    func best(_ measure: WatchRules.Measure) -> [ModelVersion?] {
      rules.measure = measure
      var watch = ModelWatch(rules: rules)
      return versions.map {
        _ = watch.take($0, parent: nil)
        return watch.best?.version
      }
    }
    #expect(best(.loss) == [0, 1, 1, 1, 1])
    #expect(best(.accuracy) == [0, 1, 2, 3, 3])
  }

  @Test("A version whose loss is more than three times its parent's is taken back, and its parent is not judged again")
  func takesBack() {
    var watch = ModelWatch(rules: WatchRules())
    #expect(watch.take(measured(0, loss: 2), parent: nil) == .goOn)
    #expect(watch.take(measured(1, loss: 5.9), parent: 0) == .goOn)
    #expect(watch.take(measured(2, loss: 1), parent: 1) == .goOn)
    let verdict = watch.take(measured(3, loss: 3.01), parent: 2)
    #expect(verdict == .takeBack(reason: "the loss of version 3 is 3.01, more than 3.0 times the 1.0 of version 2"))
    #expect(watch.take(measured(2, loss: 1.1), parent: 1) == .goOn)
    #expect(watch.best?.version == 2)
  }

  @Test("The last steps to no loss at all are not taken for a divergence")
  func hasFloor() {
    var watch = ModelWatch(rules: WatchRules())
    _ = watch.take(measured(0, loss: 2), parent: nil)
    _ = watch.take(measured(1, loss: 0.001), parent: 0)
    #expect(watch.take(measured(2, loss: 0.29), parent: 1) == .goOn)  // Three times a twentieth of 2 is 0.3.
    #expect(watch.take(measured(3, loss: 0.9), parent: 2) != .goOn)
  }

  @Test("A loss that is no number is taken back; without a parent, or with 'never', nothing is but that")
  func refusesNonsense() {
    var rules = WatchRules()
    rules.maximumLossRatio = nil
    var watch = ModelWatch(rules: rules)
    _ = watch.take(measured(0, loss: 1), parent: nil)
    #expect(watch.take(measured(1, loss: 1000), parent: 0) == .goOn)
    #expect(watch.take(measured(2, loss: .nan), parent: 1) != .goOn)
    #expect(watch.take(measured(2, loss: .nan), parent: nil) == .goOn)
  }

  @Test("A run ends at its target, or when nothing has been better for as long as its patience lasts")
  func ends() {
    var rules = WatchRules()
    rules.targetAccuracy = 0.9
    rules.targetLoss = 0.1
    rules.patience = 2
    func verdicts(_ versions: [MeasuredVersion]) -> [Bool] {
      var watch = ModelWatch(rules: rules)
      return versions.map { if case .enough = watch.take($0, parent: nil) { true } else { false } }
    }
    #expect(verdicts([measured(0, loss: 1), measured(1, loss: 0.9, accuracy: 0.9)]) == [false, true])
    #expect(verdicts([measured(0, loss: 1), measured(1, loss: 0.1)]) == [false, true])
    let stuck = [measured(0, loss: 1), measured(1, loss: 1), measured(1, loss: 1), measured(2, loss: 2)]
    #expect(verdicts(stuck) == [false, false, false, true])
  }

  @Test("Rounds in which nobody evaluated anything say nothing")
  func needsExamples() {
    var rules = WatchRules()
    rules.patience = 1
    var watch = ModelWatch(rules: rules)
    let nothing = MeasuredVersion(version: 1, metrics: RoundMetrics(lossSum: 0, correct: 0, evaluated: 0))
    #expect(watch.take(nothing, parent: 0) == .goOn)
    #expect(watch.best == nil)
  }
}
