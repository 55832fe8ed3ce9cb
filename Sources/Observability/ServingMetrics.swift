/// The metrics of a serving node.
///
/// Handles that requests need are resolved once for a version, when it becomes ready (``version(_:_:digest:)``), and
/// forgotten with it (``forget(_:_:)``): a federation publishes versions without end.
package struct ServingMetrics: Sendable {
  /// How a request came in.
  package enum Route: String, Sendable, CaseIterable {
    case rest, binary, grpc, zeromq
  }

  /// Why a request was sent away before it was computed.
  package enum RejectReason: String, Sendable, CaseIterable {
    case rateLimit = "rate_limit"
    case queueFull = "queue_full"
    case deadline
    case connections
    case bodyTooLarge = "body_too_large"
  }

  /// What did not hold of something that was published.
  package enum VerificationFault: String, Sendable, CaseIterable {
    /// No coordinator of the federation has signed the manifest as it is.
    case manifest
    /// The bytes are not those of the manifest.
    case bytes
    /// A version that is known was announced with other bytes.
    case conflict
  }

  private let requests: MetricFamily<Counter>
  private let durations: MetricFamily<Histogram>
  private let rejects: CaseSeries<RejectReason, Counter>
  private let versionInfo: MetricFamily<Gauge>
  /// From a request's arrival to the beginning of its batch.
  package let queueSeconds: Histogram
  package let batchRows: Histogram
  package let inflight: Gauge

  /// Versions in memory, and those of them that an alias serves.
  package let versionsLoaded: Gauge
  package let versionsReady: Gauge
  private let swaps: MetricFamily<Counter>
  /// Reading, checking and warming up one version.
  package let loadSeconds: Histogram
  package let fetchedBytes: Counter
  package let pulledBytes: Counter
  private let verificationFailures: CaseSeries<VerificationFault, Counter>
  package let quarantined: Counter
  package let fetchFailures: Counter
  package let publisherUp: Gauge
  package let publisherLost: Counter
  /// Seconds since 1970-01-01 UTC; 0 before the first record.
  package let publisherHeard: Gauge

  package init(in registry: MetricsRegistry) {
    requests = registry.counter(
      "murmur_inference_requests_total", "Inference requests answered, by model version, way in and status.",
      labels: ["model", "version", "route", "code"])
    durations = registry.histogram(
      "murmur_inference_duration_seconds", "From a request's last byte to its answer.", labels: ["model", "version"],
      buckets: .seconds)
    queueSeconds = registry.histogram(
      "murmur_inference_queue_seconds", "How long requests waited for their batch.", buckets: .seconds)()
    batchRows = registry.histogram(
      "murmur_inference_batch_rows", "Rows that were computed together.", buckets: .rows)()
    inflight = registry.gauge("murmur_inference_inflight", "Inference requests taken and not answered yet.")()
    let throttled = registry.counter(
      "murmur_throttle_rejects_total", "Requests sent away before they were computed.", labels: ["reason"])
    rejects = CaseSeries { throttled($0) }
    versionInfo = registry.info(
      "murmur_model_version_info", "The model versions that are served.", labels: ["model", "version", "digest"])
    versionsLoaded = registry.gauge("murmur_model_versions_loaded", "Model versions in memory.")()
    versionsReady = registry.gauge("murmur_model_versions_ready", "Model versions that an alias serves.")()
    swaps = registry.counter(
      "murmur_model_swaps_total", "How often an alias went from one version to another.", labels: ["model"])
    loadSeconds = registry.histogram(
      "murmur_model_load_duration_seconds", "Loading and warming up one version.", buckets: .seconds)()
    fetchedBytes = registry.counter(
      "murmur_model_fetched_bytes_total", "Bytes of models that came from the coordinator.")()
    pulledBytes = registry.counter("murmur_model_pulled_bytes_total", "Bytes of models that consumers pulled.")()
    let failures = registry.counter(
      "murmur_model_verification_failures_total", "What was published and did not verify.", labels: ["fault"])
    verificationFailures = CaseSeries { failures($0) }
    quarantined = registry.counter(
      "murmur_model_quarantined_total", "Versions that are never tried again: bad bytes, or a bad model.")()
    fetchFailures = registry.counter("murmur_model_fetch_failures_total", "Attempts to get a version that failed.")()
    publisherUp = registry.gauge("murmur_publisher_up", "1 while the coordinator is heard of, 0 otherwise.")()
    publisherLost = registry.counter("murmur_publisher_lost_total", "How often the coordinator fell silent.")()
    publisherHeard = registry.gauge(
      "murmur_publisher_heard_timestamp_seconds",
      "When the coordinator's last record or heartbeat came, in seconds since 1970-01-01 UTC.")()
  }

  /// The handles of a version that becomes ready; from now on it is shown as served.
  ///
  /// - Parameter digest: of its manifest, in full.
  package func version(_ model: String, _ version: String, digest: String) -> ServedVersionMetrics {
    _ = versionInfo(model, version, digest)
    return ServedVersionMetrics(
      model: model, version: version, duration: durations(model, version), requests: requests)
  }

  /// The version is not served any more: its series end.
  package func forget(_ model: String, _ version: String) {
    let named = [("model", model), ("version", version)]
    versionInfo.removeAll(whereAll: named)
    requests.removeAll(whereAll: named)
    durations.removeAll(whereAll: named)
  }

  /// A request that no version answered. What it asked for is its sender's choice, and so no label.
  package func answeredByNone(_ route: Route, code: Int) { requests("none", "none", route.rawValue, "\(code)").add() }

  package func rejected(_ reason: RejectReason) { rejects[reason].add() }
  package func failedVerification(_ fault: VerificationFault) { verificationFailures[fault].add() }
  package func swapped(_ model: String) { swaps(model).add() }
}

/// What the requests to one version are counted with.
package struct ServedVersionMetrics: Sendable {
  private let model: String
  private let version: String
  /// From a request's last byte to its answer.
  package let duration: Histogram
  private let requests: MetricFamily<Counter>
  private let good: CaseSeries<ServingMetrics.Route, Counter>

  fileprivate init(model: String, version: String, duration: Histogram, requests: MetricFamily<Counter>) {
    self.model = model
    self.version = version
    self.duration = duration
    self.requests = requests
    good = CaseSeries { requests(model, version, $0, "200") }
  }

  /// Counts an answer. Those with 200 cost one addition; for others the series is looked up.
  ///
  /// - Parameter code: HTTP's, also for the other routes.
  package func answered(_ route: ServingMetrics.Route, code: Int) {
    let counter = code == 200 ? good[route] : requests(model, version, route.rawValue, "\(code)")
    counter.add()
  }
}
