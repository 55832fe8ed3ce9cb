extension RunHistory {
  /// What is known of one version of the model.
  struct MeasuredVersion: Hashable {
    let version: Int
    /// Seconds until it was there, and bytes that had been moved by then.
    let seconds: Double
    let bytes: Double
    let evaluation: Evaluation
  }

  /// Over the workers' hold-outs: the last measurement of each version, by version.
  var measured: [MeasuredVersion] {
    versions { attempt in attempt.evaluation.map { (attempt.baseVersion, $0) } }
  }

  /// On the coordinator's own data, likewise.
  var measuredCentrally: [MeasuredVersion] {
    versions { attempt in
      guard let version = attempt.version, let central = attempt.central else { return nil }
      return (version, central)
    }
  }

  private func versions(_ measurement: (Attempt) -> (version: Int, Evaluation)?) -> [MeasuredVersion] {
    var born: [Int: (seconds: Double, bytes: Double)] = [0: (0, 0)]
    var bytes = 0.0
    var found: [Int: MeasuredVersion] = [:]
    for attempt in attempts {
      bytes += attempt.bytes
      if let version = attempt.version { born[version] = (attempt.end, bytes) }
      guard let (version, evaluation) = measurement(attempt), let birth = born[version] else { continue }
      found[version] = MeasuredVersion(
        version: version, seconds: birth.seconds, bytes: birth.bytes, evaluation: evaluation)
    }
    return found.values.sorted { $0.version < $1.version }
  }

  /// The first version that is at least so accurate.
  func reaching(accuracy: Double) -> MeasuredVersion? {
    measured.first { ($0.evaluation.accuracy ?? -1) >= accuracy }
  }

  var bestAccuracy: Double? { measured.compactMap(\.evaluation.accuracy).max() }

  /// Of the last version: on the data that no worker has, or else over the workers' hold-outs.
  var finalEvaluation: Evaluation? { heldOut ?? measured.last?.evaluation }

  /// All attempts at one round.
  struct Round: Hashable {
    let round: Int
    let attempts: [Attempt]
    /// The one that the round ended with.
    var last: Attempt { attempts[attempts.count - 1] }
    /// Workers that were asked in vain.
    var abandoned: Int { attempts.dropLast().reduce(0) { $0 + $1.cohort } }
  }

  /// Rounds in their order; the one at the end that only measures is not among them.
  var rounds: [Round] {
    var grouped: [Int: [Attempt]] = [:]
    for attempt in attempts where attempt.outcome != .evaluated { grouped[attempt.round, default: []].append(attempt) }
    return grouped.keys.sorted().map { Round(round: $0, attempts: grouped[$0] ?? []) }
  }

  var abandonedCount: Int { attempts.count { $0.outcome == .abandoned } }
  var bytesUp: Double { attempts.reduce(0) { $0 + $1.bytesUp } }
  var bytesDown: Double { attempts.reduce(0) { $0 + ($1.bytesDown ?? 0) } }
  var hasPhases: Bool { attempts.contains { $0.phases != nil } }
  var knowsDownloads: Bool { attempts.contains { $0.bytesDown != nil } }

  /// What seconds of this history are.
  var clock: String { isSimulation ? "virtual time" : "time" }

  /// Whether all that could be judged went as claimed.
  var isAsExpected: Bool { violations.isEmpty && !expectations.contains { $0.isMet == false } }
}

extension RunHistory.Attempt {
  var bytes: Double { bytesUp + (bytesDown ?? 0) }
  var seconds: Double { end - start }
}

extension RunHistory.Phases {
  static let names = ["selecting", "setup", "training, reporting", "unmasking", "closing"]
  static let colours = [Ink.grey, Ink.sky, Ink.blue, Ink.orange, Ink.black]

  /// In the order of `names`.
  var values: [Double] { [selecting, setup, reporting, unmasking, closing] }
}
