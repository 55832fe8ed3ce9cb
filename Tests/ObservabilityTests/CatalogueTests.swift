import Observability
import Testing

@Suite("What serving nodes and coordinators count")
struct CatalogueTests {
  @Test("Answers of a version are counted by way in and code, and gone with it")
  func servedVersions() {
    let registry = MetricsRegistry()
    let metrics = ServingMetrics(in: registry)
    let third = metrics.version("digits", "3", digest: "sha256:ab")
    let fourth = metrics.version("digits", "4", digest: "sha256:cd")
    third.answered(.binary, code: 200)
    third.answered(.rest, code: 400)
    third.duration.observe(0.001)
    fourth.answered(.zeromq, code: 200)
    metrics.answeredByNone(.rest, code: 404)
    let before = registry.render(.text).split(separator: "\n")
    for line in [
      "murmur_inference_requests_total{model=\"digits\",version=\"3\",route=\"binary\",code=\"200\"} 1",
      "murmur_inference_requests_total{model=\"digits\",version=\"3\",route=\"grpc\",code=\"200\"} 0",
      "murmur_inference_requests_total{model=\"digits\",version=\"3\",route=\"rest\",code=\"400\"} 1",
      "murmur_inference_requests_total{model=\"none\",version=\"none\",route=\"rest\",code=\"404\"} 1",
      "murmur_inference_duration_seconds_count{model=\"digits\",version=\"3\"} 1",
      "murmur_model_version_info{model=\"digits\",version=\"3\",digest=\"sha256:ab\"} 1.0",
    ] { #expect(before.contains(Substring(line))) }
    metrics.forget("digits", "3")
    let after = registry.render(.text)
    #expect(!after.contains("version=\"3\""))
    #expect(after.contains("{model=\"digits\",version=\"4\",route=\"zeromq\",code=\"200\"} 1\n"))
  }

  @Test("Every reason, fault and socket is there from the beginning, as 0")
  func zeros() {
    let registry = MetricsRegistry()
    let serving = ServingMetrics(in: registry), links = LinkMetrics(in: registry)
    serving.rejected(.queueFull)
    serving.failedVerification(.bytes)
    links.dropped(on: .bulk).add()
    let lines = registry.render(.text).split(separator: "\n")
    for reason in ServingMetrics.RejectReason.allCases {
      let count = reason == .queueFull ? 1 : 0
      #expect(lines.contains("murmur_throttle_rejects_total{reason=\"\(reason.rawValue)\"} \(count)"))
    }
    for fault in ServingMetrics.VerificationFault.allCases {
      let count = fault == .bytes ? 1 : 0
      #expect(lines.contains("murmur_model_verification_failures_total{fault=\"\(fault.rawValue)\"} \(count)"))
    }
    for socket in LinkMetrics.Socket.allCases {
      let count = socket == .bulk ? 1 : 0
      #expect(lines.contains("murmur_zmq_dropped_total{socket=\"\(socket.rawValue)\"} \(count)"))
    }
  }

  @Test("One version of a model is its latest, and a run that is deleted leaves nothing")
  func runs() {
    let registry = MetricsRegistry()
    let metrics = CoordinatorMetrics(in: registry)
    metrics.runStarted("night")
    metrics.runStarted("day")
    metrics.roundEnded("night", .committed, seconds: 1.5)
    metrics.measured("night", .accuracy, .holdOut, 0.9)
    metrics.averaged("night", norm: 0.25)
    metrics.latest("digits", "1", digest: "sha256:ab")
    metrics.latest("digits", "2", digest: "sha256:cd")
    metrics.phaseEnded(.reporting, after: .seconds(2))
    let before = registry.render(.text).split(separator: "\n")
    for line in [
      "murmur_rounds_total{run=\"night\",outcome=\"committed\"} 1",
      "murmur_rounds_total{run=\"night\",outcome=\"abandoned\"} 0",
      "murmur_rounds_total{run=\"day\",outcome=\"committed\"} 0",
      "murmur_round_duration_seconds_sum{run=\"night\"} 1.5",
      "murmur_model_metric{run=\"night\",metric=\"accuracy\",split=\"hold_out\"} 0.9",
      "murmur_aggregate_update_norm{run=\"night\"} 0.25",
      "murmur_round_phase_duration_seconds_sum{phase=\"reporting\"} 2.0",
    ] { #expect(before.contains(Substring(line))) }
    #expect(
      before.filter { $0.hasPrefix("murmur_model_version_info") } == [
        "murmur_model_version_info{model=\"digits\",version=\"2\",digest=\"sha256:cd\"} 1.0"
      ])
    metrics.forget(run: "night")
    let after = registry.render(.text)
    #expect(!after.contains("run=\"night\""))
    #expect(after.contains("run=\"day\""))
  }

  @Test("Figures of the process are read when somebody asks, and left out where the system does not tell")
  func process() {
    let registry = MetricsRegistry()
    let figures = ProcessFigures(cpuSeconds: 1.25, residentBytes: 4096, openDescriptors: 7, startUnixSeconds: 1.5e9)
    ProcessMetrics.register(in: registry) { figures }
    let lines = registry.render(.openMetrics).split(separator: "\n")
    for line in [
      "# TYPE process_cpu_seconds counter", "process_cpu_seconds_total 1.25", "process_resident_memory_bytes 4096.0",
      "process_open_fds 7.0", "process_start_time_seconds 1500000000.0",
    ] { #expect(lines.contains(Substring(line))) }
    let untold = MetricsRegistry()
    ProcessMetrics.register(in: untold) { nil }
    #expect(untold.render(.text) == "")
  }
}
