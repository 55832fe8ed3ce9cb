import Federation

/// When a run ends before its last round, and when a version is taken back, by what the workers' hold-outs say of it.
package struct WatchRules: Hashable, Sendable {
  /// What is better: less loss, or more accuracy.
  package enum Measure: String, Hashable, Sendable, CaseIterable {
    case loss, accuracy
  }

  /// Decides which version is the best, and what patience waits for.
  package var measure: Measure = .loss
  /// The run ends once a version reaches it.
  package var targetAccuracy: Double?
  /// The run ends once a version's loss is no greater.
  package var targetLoss: Double?
  /// The run ends after so many measured versions without a better one.
  package var patience: UInt64?
  /// A version whose loss is more than this many times its parent's is taken back; nil for never.
  package var maximumLossRatio: Double? = 3
  /// The run ends when it has lasted so long.
  package var duration: Duration?
  /// The run ends when it has used so much.
  package var budget = RunBudget()

  package init() {}
}

/// One version, and what it was measured to be worth.
package struct MeasuredVersion: Hashable, Sendable {
  package let version: ModelVersion
  /// Mean loss of an example, in nats; nil if nobody measured anything.
  package let loss: Double?
  /// Nil where there are no right answers, too.
  package let accuracy: Double?

  package init(version: ModelVersion, loss: Double?, accuracy: Double?) {
    self.version = version
    self.loss = loss
    self.accuracy = accuracy
  }

  /// - Parameter metrics: sums over the examples of those who measured it.
  package init(version: ModelVersion, metrics: RoundMetrics) {
    self.init(version: version, loss: metrics.loss, accuracy: metrics.accuracy)
  }
}

/// What the measured versions of a run say: which is the best, whether the newest is to be taken back, whether the run
/// has reached its end.
///
/// Fed with the same versions in the same order it says the same again: a coordinator that restarts feeds it from the
/// manifests, each of which carries the metrics of its parent.
package struct ModelWatch: Sendable {
  package enum Verdict: Hashable, Sendable {
    case goOn
    case takeBack(reason: String)
    case enough(reason: String)
  }

  /// Losses of older versions are forgotten: only parents are asked for.
  static let lossesMax = 16
  /// Below this fraction of the first version's loss a version counts as if it had that much, so that the last steps to
  /// a loss of nothing are not taken for a divergence.
  static let lossFloor = 0.05

  package let rules: WatchRules
  package private(set) var best: MeasuredVersion?
  private var losses: [(version: ModelVersion, loss: Double)] = []
  private var firstLoss: Double?
  private var sinceBest: UInt64 = 0

  package init(rules: WatchRules) { self.rules = rules }

  /// - Parameter parent: of `measured`; nil if it cannot be gone back to.
  package mutating func take(_ measured: MeasuredVersion, parent: ModelVersion?) -> Verdict {
    guard let loss = measured.loss else { return .goOn }
    let isNews = !losses.contains { $0.version == measured.version }
    if let parent, let reason = divergence(of: measured.version, loss: loss, from: parent) {
      return .takeBack(reason: reason)
    }
    remember(measured.version, loss)
    if isBetter(measured) {
      best = measured
      sinceBest = 0
    } else if isNews {
      sinceBest += 1
    }
    return target(measured, loss)
  }

  /// Whether somebody could evaluate the version lately.
  func hasMeasured(_ version: ModelVersion) -> Bool { losses.contains { $0.version == version } }

  private func divergence(of version: ModelVersion, loss: Double, from parent: ModelVersion) -> String? {
    guard loss.isFinite else { return "the loss of version \(version) is not a finite number" }
    guard let ratio = rules.maximumLossRatio, let before = losses.last(where: { $0.version == parent })?.loss else {
      return nil
    }
    let floor = (firstLoss ?? 0) * Self.lossFloor
    guard loss > ratio * max(before, floor) else { return nil }
    return "the loss of version \(version) is \(Self.text(loss)), more than \(ratio) times the \(Self.text(before)) of "
      + "version \(parent)"
  }

  private mutating func remember(_ version: ModelVersion, _ loss: Double) {
    if firstLoss == nil { firstLoss = loss }
    losses.removeAll { $0.version == version }
    losses.append((version, loss))
    if losses.count > Self.lossesMax { losses.removeFirst() }
  }

  /// The first of several equally good versions stays the best.
  private func isBetter(_ measured: MeasuredVersion) -> Bool {
    guard let best else { return true }
    switch rules.measure {
    case .loss: return measured.loss ?? .infinity < best.loss ?? .infinity
    case .accuracy: return measured.accuracy ?? 0 > best.accuracy ?? 0
    }
  }

  private func target(_ measured: MeasuredVersion, _ loss: Double) -> Verdict {
    if let target = rules.targetAccuracy, let accuracy = measured.accuracy, accuracy >= target {
      return .enough(
        reason: "version \(measured.version) has accuracy \(Self.text(accuracy)), the target is \(Self.text(target))")
    }
    if let target = rules.targetLoss, loss <= target {
      return .enough(
        reason: "version \(measured.version) has loss \(Self.text(loss)), the target is \(Self.text(target))")
    }
    if let patience = rules.patience, sinceBest >= patience, let best {
      return .enough(reason: "no better version than \(best.version) in \(sinceBest) rounds")
    }
    return .goOn
  }

  /// Four decimals, as tables show it.
  static func text(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
    return "\((value * 10_000).rounded() / 10_000)"
  }
}
