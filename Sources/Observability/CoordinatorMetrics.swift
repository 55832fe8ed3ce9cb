/// The metrics of a coordinator. Nothing here is about one worker: those are counted, never named.
package struct CoordinatorMetrics: Sendable {
  package enum RoundOutcome: String, Sendable, CaseIterable {
    case committed, evaluated, abandoned
  }

  package enum Phase: String, Sendable, CaseIterable {
    case selecting, reporting, unmasking, closing
  }

  package enum WorkerState: String, Sendable, CaseIterable {
    /// There, in no attempt.
    case idle
    /// There, in an attempt.
    case busy
    /// Sent away for a while.
    case resting
    /// Was there, and is not.
    case lost
    /// Was never there since the process began.
    case unseen
  }

  package enum UpdateResult: String, Sendable, CaseIterable {
    /// In a sum.
    case accepted
    /// Wanted, and not in the sum: late, lost or given up.
    case dropped
    /// Refused for what it was.
    case invalid
  }

  package enum Direction: String, Sendable, CaseIterable {
    case up, down
  }

  /// What was measured, and on whose examples.
  package enum ModelMetric: String, Sendable, CaseIterable {
    case loss, accuracy
  }

  package enum Split: String, Sendable, CaseIterable {
    /// The workers' hold-outs, securely summed.
    case holdOut = "hold_out"
    /// The coordinator's own data.
    case central
  }

  private let rounds: MetricFamily<Counter>
  private let roundSeconds: MetricFamily<Histogram>
  private let phaseSeconds: CaseSeries<Phase, Histogram>
  private let workers: CaseSeries<WorkerState, Gauge>
  private let updates: CaseSeries<UpdateResult, Counter>
  private let updateBytes: CaseSeries<Direction, Counter>
  package let saturatedElements: Counter
  private let modelMetric: MetricFamily<Gauge>
  private let updateNorm: MetricFamily<Gauge>
  private let versionInfo: MetricFamily<Gauge>
  private let publishedVersions: MetricFamily<Counter>
  private let takenBackVersions: MetricFamily<Counter>
  private let runs: MetricFamily<Gauge>

  package init(in registry: MetricsRegistry) {
    rounds = registry.counter(
      "murmur_rounds_total", "Attempts at rounds that ended, by run and how they did.", labels: ["run", "outcome"])
    roundSeconds = registry.histogram(
      "murmur_round_duration_seconds", "From an attempt's offer to its end.", labels: ["run"], buckets: .roundSeconds)
    let phases = registry.histogram(
      "murmur_round_phase_duration_seconds", "How long attempts were in a phase.", labels: ["phase"],
      buckets: .roundSeconds)
    phaseSeconds = CaseSeries { phases($0) }
    let present = registry.gauge("murmur_workers", "Workers of the federation, by what they do.", labels: ["state"])
    workers = CaseSeries { present($0) }
    let counted = registry.counter(
      "murmur_updates_total", "Client updates of attempts that ended, by what became of them.", labels: ["result"])
    updates = CaseSeries { counted($0) }
    let moved = registry.counter(
      "murmur_update_bytes_total", "Bytes from (up) and to (down) workers in attempts that ended, payload only.",
      labels: ["direction"])
    updateBytes = CaseSeries { moved($0) }
    saturatedElements = registry.counter(
      "murmur_update_saturated_elements_total", "Elements of updates that did not fit their integers and were cut off.")()
    modelMetric = registry.gauge(
      "murmur_model_metric", "What was last measured of a run's model.", labels: ["run", "metric", "split"])
    updateNorm = registry.gauge(
      "murmur_aggregate_update_norm", "L2 norm of the last averaged update of a run.", labels: ["run"])
    versionInfo = registry.info(
      "murmur_model_version_info", "The latest version of each model in training.",
      labels: ["model", "version", "digest"])
    publishedVersions = registry.counter(
      "murmur_model_versions_published_total", "Versions that were signed and published.", labels: ["model"])
    takenBackVersions = registry.counter(
      "murmur_model_versions_taken_back_total", "Versions that were taken back because they made the model worse.",
      labels: ["model"])
    runs = registry.gauge("murmur_runs", "Runs that the coordinator knows, by their state.", labels: ["state"])
  }

  package func roundEnded(_ run: String, _ outcome: RoundOutcome, seconds: Double) {
    rounds(run, outcome.rawValue).add()
    roundSeconds(run).observe(seconds)
  }

  /// A run begins: its series are there from now on, as 0.
  package func runStarted(_ run: String) {
    for outcome in RoundOutcome.allCases { _ = rounds(run, outcome.rawValue) }
    _ = roundSeconds(run)
  }

  /// A run was deleted: its series end.
  package func forget(run: String) {
    rounds.removeAll(where: "run", is: run)
    roundSeconds.removeAll(where: "run", is: run)
    modelMetric.removeAll(where: "run", is: run)
    updateNorm.removeAll(where: "run", is: run)
  }

  package func phaseEnded(_ phase: Phase, after duration: Duration) { phaseSeconds[phase].observe(duration) }

  package func counted(_ count: Int, _ state: WorkerState) { workers[state].set(count) }

  package func counted(_ count: UInt64, _ result: UpdateResult) { updates[result].add(count) }

  package func moved(_ bytes: UInt64, _ direction: Direction) { updateBytes[direction].add(bytes) }

  package func measured(_ run: String, _ metric: ModelMetric, _ split: Split, _ value: Double) {
    modelMetric(run, metric.rawValue, split.rawValue).set(value)
  }

  package func averaged(_ run: String, norm: Double) { updateNorm(run).set(norm) }

  /// The version that training of a model goes on from; takes the place of the one before.
  ///
  /// - Parameter digest: of its manifest, in full.
  package func latest(_ model: String, _ version: String, digest: String) {
    versionInfo.removeAll(where: "model", is: model)
    _ = versionInfo(model, version, digest)
  }

  package func published(_ model: String) { publishedVersions(model).add() }
  package func tookBack(_ model: String) { takenBackVersions(model).add() }

  /// - Parameter state: as operators read it.
  package func counted(_ count: Int, runsIn state: String) { runs(state).set(count) }
}
