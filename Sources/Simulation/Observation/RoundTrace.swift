import ClusterConfiguration
import Federation
import Rounds

/// The messages of one round in their order, all its attempts: one entry for all messages of a kind in one direction
/// that follow one another closely, so that a round of thousands fits on a page.
package final class RoundTrace: SimulationObserver {
  /// Messages of one kind and direction.
  package struct Burst: Hashable, Sendable {
    /// Seconds of virtual time: when the first left, and when the last arrived, or was lost.
    package let start: Double
    package fileprivate(set) var end: Double
    package let sender: String
    package let receiver: String
    package let kind: String
    package let messages: Int
    package let bytes: Int
    /// Of the messages, those that the network lost.
    package let lost: Int
  }

  package enum Line: Hashable, Sendable {
    case messages(Burst)
    /// What the coordinator decides, or what goes wrong.
    case remark(at: Double, String)
  }

  private struct Subject: Hashable {
    let direction: Direction
    let kind: String
  }

  private struct Group {
    let subject: Subject
    let start: MonotonicTime
    /// When the last one left.
    var last: MonotonicTime
    var end: MonotonicTime
    var workers: Set<Int> = []
    var messages = 0
    var bytes = 0
    var lost = 0
  }

  private enum Entry {
    case group(Group)
    case remark(MonotonicTime, String)
  }

  /// Entries that are kept; what comes behind them is counted.
  private static let entriesMax = 10_000

  package let round: RoundNumber
  /// Messages that follow one another within it are one burst: as long as two messages may lie apart that left together.
  private let gap: Duration
  private let names: [WorkerID]
  private var entries: [Entry] = []
  private var open: [Subject: Int] = [:]
  private var isInRound = false
  /// Entries beyond the bound.
  package private(set) var unlisted = 0

  package init(_ round: RoundNumber, of scenario: SimulationScenario) {
    self.round = round
    names = scenario.population.workerNames.map(\.name)
    gap = max(.milliseconds(50), scenario.network.latency.usual * 2)
  }

  /// Whether the round was ever begun.
  package var isEmpty: Bool { entries.isEmpty }

  func sent(_ transmission: Transmission, at time: MonotonicTime, arrivals: [MonotonicTime]) {
    guard isInRound else { return }
    let subject = Subject(direction: transmission.direction, kind: transmission.kind)
    let place = place(of: subject, at: time)
    guard let place, case .group(var group) = entries[place] else { return }
    group.last = time
    group.end = max(group.end, arrivals.max() ?? time)
    group.workers.insert(transmission.worker)
    group.messages += 1
    group.bytes += transmission.byteCount
    if arrivals.isEmpty { group.lost += 1 }
    entries[place] = .group(group)
  }

  /// The burst that a message belongs to, a new one if need be; nil if there are too many.
  private func place(of subject: Subject, at time: MonotonicTime) -> Int? {
    if let place = open[subject], case .group(let group) = entries[place], time <= group.last + gap { return place }
    guard append(.group(Group(subject: subject, start: time, last: time, end: time))) else { return nil }
    open[subject] = entries.count - 1
    return entries.count - 1
  }

  private func append(_ entry: Entry) -> Bool {
    guard entries.count < Self.entriesMax else {
      unlisted += 1
      return false
    }
    entries.append(entry)
    return true
  }

  private func remark(_ text: String, at time: MonotonicTime) {
    guard isInRound else { return }
    // What follows a decision is not lumped together with what led to it.
    open = [:]
    _ = append(.remark(time, text))
  }

  func performed(_ action: RunStateMachine.Action, at time: MonotonicTime) {
    // The other actions show in the messages that they cause.
    switch action {
    case .recordAttempt(let attempt, let cohort):
      isInRound = attempt.round == round
      remark("attempt \(attempt.attempt) of round \(attempt.round), a cohort of \(cohort.count)", at: time)
    case .closeUploads: remark("no more inputs", at: time)
    case .groupLeftOut(_, let group): remark("left out: \(group)", at: time)
    case .unmask, .openPlainSum, .openGroups: remark("the sum is opened", at: time)
    case .report(let report): remark(Self.text(report), at: time)
    case .blame(let worker, let fault): remark("\(worker) is blamed: \(fault)", at: time)
    default: break
    }
  }

  private static func text(_ report: RoundReport) -> String {
    switch report.outcome {
    case .committed(let version, _): "version \(version) is published: \(report.reported) of \(report.cohort) reported"
    case .evaluated: "version \(report.baseVersion) is measured: \(report.reported) of \(report.cohort) reported"
    case .abandoned(let reason): "abandoned: \(reason)"
    }
  }

  func outageBegan(_ kind: SimulationScenario.Fault.Kind, of party: String, at time: MonotonicTime) {
    let text =
      switch kind {
      case .crash: "\(party) dies"
      case .partition: "\(party) cannot be reached"
      case .diskFull: "the disk of \(party) is full"
      case .slowDisk: "the disk of \(party) becomes slow"
      case .clockSkew: "the clock of \(party) is wrong"
      }
    remark(text, at: time)
  }

  func outageEnded(_ kind: SimulationScenario.Fault.Kind, of party: String, at time: MonotonicTime) {
    let text =
      switch kind {
      case .crash: "\(party) starts again"
      case .partition: "\(party) can be reached again"
      case .diskFull: "the disk of \(party) has room again"
      case .slowDisk: "the disk of \(party) is as fast as before"
      case .clockSkew: "the clock of \(party) is right again"
      }
    remark(text, at: time)
  }

  /// In the order in which they began.
  package var lines: [Line] {
    entries.map { entry in
      switch entry {
      case .remark(let time, let text): .remark(at: time.seconds, text)
      case .group(let group):
        .messages(
          Burst(
            start: group.start.seconds, end: group.end.seconds,
            sender: group.subject.direction == .toCoordinator ? workers(group.workers) : World.coordinatorName,
            receiver: group.subject.direction == .toCoordinator ? World.coordinatorName : workers(group.workers),
            kind: group.subject.kind, messages: group.messages, bytes: group.bytes, lost: group.lost))
      }
    }
  }

  /// `worker-3`, `7 workers, not worker-8`, `all 8 workers`.
  private func workers(_ indices: Set<Int>) -> String {
    if indices.count == names.count, names.count > 1 { return "all \(names.count) workers" }
    if indices.count <= 3 { return indices.sorted().map { names[$0].text }.joined(separator: ", ") }
    guard names.count - indices.count <= 2 else { return "\(indices.count) workers" }
    let others = names.indices.filter { !indices.contains($0) }.map { names[$0].text }
    return "\(indices.count) workers, not \(others.joined(separator: ", "))"
  }
}
