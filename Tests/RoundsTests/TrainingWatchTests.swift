import Federation
import Rounds
import Testing

@Suite struct TrainingWatchTests {
  private static let attempt = AttemptID(run: "r", round: 1, attempt: 0)

  private static func at(_ seconds: Double) -> MonotonicTime { MonotonicTime(nanoseconds: UInt64(seconds * 1e9)) }

  /// What a watch with a patience of 20 s does when the thread has done so many steps at each second from 1.
  private static func actions(steps: [UInt64]) -> [TrainingWatch.Action] {
    var watch = TrainingWatch(patience: .seconds(20))
    return watch.handle(.started(attempt, steps: 0, at: at(0)))
      + steps.enumerated().flatMap { watch.handle(.tick(steps: $1, at: at(Double($0) + 1))) }
  }

  @Test("Training that is slow is never given up, however long it takes")
  func slow() {
    // A step every four seconds, for a quarter of an hour.
    #expect(Self.actions(steps: (1...900).map { $0 / 4 }) == [])
  }

  @Test("Training that hangs is reported every five seconds and given up when its owner's patience ends")
  func hangs() {
    #expect(
      Self.actions(steps: [UInt64](repeating: 0, count: 30)) == [
        .report(Self.attempt, stalled: .seconds(5)), .report(Self.attempt, stalled: .seconds(10)),
        .report(Self.attempt, stalled: .seconds(15)), .giveUp(Self.attempt, after: .seconds(20)),
      ])
  }

  @Test("A silence that ends is reported as ended, and the next one counts from its own beginning")
  func resumes() {
    let steps = [UInt64](repeating: 0, count: 7) + [UInt64](repeating: 1, count: 18)
    #expect(
      Self.actions(steps: steps) == [
        .report(Self.attempt, stalled: .seconds(5)), .report(Self.attempt, stalled: .zero),
        .report(Self.attempt, stalled: .seconds(5)), .report(Self.attempt, stalled: .seconds(10)),
        .report(Self.attempt, stalled: .seconds(15)),
      ])
  }

  @Test("Training that has ended is not watched; the end of another attempt says nothing")
  func ends() {
    var watch = TrainingWatch(patience: .seconds(20))
    _ = watch.handle(.started(Self.attempt, steps: 5, at: Self.at(0)))
    _ = watch.handle(.ended(AttemptID(run: "r", round: 2, attempt: 0)))
    #expect(watch.handle(.tick(steps: 5, at: Self.at(6))) == [.report(Self.attempt, stalled: .seconds(6))])
    _ = watch.handle(.ended(Self.attempt))
    #expect(watch.handle(.tick(steps: 5, at: Self.at(100))) == [])
  }

  @Test("A thread that hung is of no use until it comes back, which is said once")
  func recovers() {
    var watch = TrainingWatch(patience: .seconds(20))
    _ = watch.handle(.started(Self.attempt, steps: 0, at: Self.at(0)))
    #expect(watch.handle(.ready) == [])
    _ = watch.handle(.tick(steps: 0, at: Self.at(20)))
    #expect(watch.isHanging)
    #expect(watch.handle(.ready) == [.recovered])
    #expect(watch.handle(.ready) == [])
  }
}
