import Federation
import Testing

@testable import Rounds

/// The deadline for updates that follows from what workers were seen to need.
struct ReportTimesTests {
  private let workers = (1...10).map { WorkerID(unchecked: "w\($0)") }

  private func moment(_ seconds: Double) -> MonotonicTime { MonotonicTime(nanoseconds: UInt64(seconds * 1e9)) }

  /// One attempt in which worker i reports after `seconds[i]`; those without a time miss the deadline at `deadline`.
  private func attempt(_ times: inout ReportTimes, _ seconds: [Double?], deadline: Double) {
    times.begin(workers, at: moment(100))
    for (worker, seconds) in zip(workers, seconds) {
      if let seconds { times.reported(worker, at: moment(100 + seconds)) }
    }
    times.expired(at: moment(100 + deadline))
  }

  @Test("It is the margin times what the quantile needed, between the shortest and the configured")
  func derives() {
    var times = ReportTimes()
    let rule = ReportDeadline(quantile: 0.9, margin: 2, shortest: .seconds(1))
    attempt(&times, (1...10).map { Double($0) }, deadline: 60)
    #expect(times.deadline(rule, longest: 600_000) == 18_000)
    #expect(times.deadline(rule, longest: 10_000) == 10_000)
    #expect(times.deadline(ReportDeadline(quantile: 1, margin: 1, shortest: .seconds(30)), longest: 600_000) == 30_000)
  }

  @Test("Seven observations are too few")
  func needsObservations() {
    var times = ReportTimes()
    times.begin(workers, at: moment(0))
    for worker in workers.prefix(7) { times.reported(worker, at: moment(1)) }
    #expect(times.deadline(ReportDeadline(), longest: 600_000) == 600_000)
    times.reported(workers[7], at: moment(1))
    #expect(times.deadline(ReportDeadline(), longest: 600_000) == 5_000)
  }

  @Test("Who misses a deadline makes the next one longer; who left or was not needed does not")
  func growsWithStragglers() {
    let rule = ReportDeadline(quantile: 0.9, margin: 1, shortest: .seconds(1))
    var times = ReportTimes()
    attempt(&times, Array(repeating: 2, count: 7) + [nil, nil, nil], deadline: 10)
    #expect(times.deadline(rule, longest: 600_000) == 20_000)

    var excused = ReportTimes()
    excused.begin(workers, at: moment(0))
    for worker in workers.prefix(8) { excused.reported(worker, at: moment(2)) }
    excused.excuse(workers[8])
    excused.end()
    excused.expired(at: moment(10))
    #expect(excused.deadline(rule, longest: 600_000) == 2_000)
  }

  @Test("A worker counts once an attempt, and old observations are forgotten")
  func forgets() {
    var times = ReportTimes()
    attempt(&times, Array(repeating: 50, count: 10), deadline: 60)
    for _ in 0..<26 { attempt(&times, Array(repeating: 6, count: 10), deadline: 60) }
    #expect(times.deadline(ReportDeadline(quantile: 1, margin: 1), longest: 600_000) == 6_000)
    times.begin([workers[0]], at: moment(0))
    times.reported(workers[0], at: moment(9))
    times.reported(workers[0], at: moment(90))
    #expect(times.deadline(ReportDeadline(quantile: 1, margin: 1), longest: 600_000) == 9_000)
  }
}
