import Federation

/// Tells training that is slow from training that hangs, by the steps it has done.
///
/// The thread that trains counts its steps and cannot say that it stands still; whoever hears of nothing but its
/// heartbeats would take it for alive until the deadline. Watched from another thread, the count says so:
///
///     idle ── started ──▶ advancing ── no step for `reportAfter` ──▶ stalled ── none for `patience` ──▶ hanging
///                             ▲─────────────── a step ──────────────────┘                                  │
///       ▲── ended ───────────┴──────────────────────────────────────────┴───────────── ended, ready ───────┘
///
/// Hanging training keeps its thread: until the thread is `ready` again, nothing else can be trained there.
package struct TrainingWatch: Sendable {
  /// Silence that is worth a word.
  package static let reportAfter = Duration.seconds(5)
  /// Time between two words about one silence.
  package static let reportInterval = Duration.seconds(5)
  /// Longest patience that an owner can ask for.
  package static let patienceMax = Duration.seconds(7 * 24 * 3600)
  package static let patienceStandard = Duration.seconds(60)

  package enum Event: Hashable, Sendable {
    case started(AttemptID, steps: UInt64, at: MonotonicTime)
    /// `steps`: done by the thread since its beginning, in any attempt; never less than before.
    case tick(steps: UInt64, at: MonotonicTime)
    /// The attempt's training has a result, or nobody wants one any more.
    case ended(AttemptID)
    /// The thread has nothing in hand.
    case ready
  }

  package enum Action: Hashable, Sendable {
    /// No step for so long; zero when steps are done again.
    case report(AttemptID, stalled: Duration)
    /// Nothing is expected of this training any more.
    case giveUp(AttemptID, after: Duration)
    /// The thread that hung has come back.
    case recovered
  }

  private struct Watched: Sendable {
    let attempt: AttemptID
    var steps: UInt64
    var steppedAt: MonotonicTime
    var reportedAt: MonotonicTime?
  }

  private enum State: Sendable {
    case idle
    case watching(Watched)
  }

  package let patience: Duration
  private var state = State.idle
  /// The thread does not come back from a training that was given up.
  package private(set) var isHanging = false

  package init(patience: Duration = patienceStandard) { self.patience = patience }

  package mutating func handle(_ event: Event) -> [Action] {
    switch (state, event) {
    case (_, .started(let attempt, let steps, let time)):
      state = .watching(Watched(attempt: attempt, steps: steps, steppedAt: time))
      return []
    case (.watching(let watched), .tick(let steps, let time)):
      return steps == watched.steps ? wait(watched, time) : advance(watched, steps, time)
    case (.watching(let watched), .ended(let attempt)):
      if watched.attempt == attempt { state = .idle }
      return []
    case (_, .ready):
      guard isHanging else { return [] }
      isHanging = false
      return [.recovered]
    case (.idle, .tick), (.idle, .ended): return []
    }
  }

  private mutating func advance(_ watched: Watched, _ steps: UInt64, _ time: MonotonicTime) -> [Action] {
    state = .watching(Watched(attempt: watched.attempt, steps: steps, steppedAt: time))
    return watched.reportedAt == nil ? [] : [.report(watched.attempt, stalled: .zero)]
  }

  private mutating func wait(_ watched: Watched, _ time: MonotonicTime) -> [Action] {
    let stalled = time.since(watched.steppedAt)
    if stalled >= patience {
      state = .idle
      isHanging = true
      return [.giveUp(watched.attempt, after: stalled)]
    }
    let isNews = watched.reportedAt.map { time.since($0) >= Self.reportInterval } ?? true
    guard stalled >= Self.reportAfter, isNews else { return [] }
    var reported = watched
    reported.reportedAt = time
    state = .watching(reported)
    return [.report(watched.attempt, stalled: stalled)]
  }
}
