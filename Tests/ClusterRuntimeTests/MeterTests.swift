import Federation
import ModelRegistry
import Observability
import Serving
import Testing

@testable import ClusterRuntime

@Suite("What processes count")
struct MeterTests {
  private static let third = VersionName("digits", 3)
  private static let fourth = VersionName("digits", 4)

  private static func samples(_ registry: MetricsRegistry) -> Set<Substring> {
    Set(registry.render(.text).split(separator: "\n"))
  }

  private static func at(_ milliseconds: UInt64) -> MonotonicTime {
    MonotonicTime(nanoseconds: milliseconds * 1_000_000)
  }

  @Test("A version that comes in, takes another's place and lets it go")
  func rollout() throws {
    let manifest = try Manifest(bytes: TestFederation().version(3).signed.bytes)
    let registry = MetricsRegistry()
    let meter = ServingMeter(ServingMetrics(in: registry))
    func bring(_ name: VersionName, from start: UInt64) {
      meter.note(.verifyBlobs(name, manifest), at: Self.at(start), unixSeconds: 0)
      meter.note(.load(name), at: Self.at(start + 100), unixSeconds: 0)
      meter.note(.warmUp(name), at: Self.at(start + 250), unixSeconds: 0)
      meter.note(.offer(name, .latest))
    }
    bring(Self.third, from: 1000)
    bring(Self.fourth, from: 5000)
    let during = Self.samples(registry)
    #expect(during.contains("murmur_model_versions_loaded 2.0"))
    #expect(during.contains("murmur_model_versions_ready 1.0"))
    #expect(during.contains("murmur_model_swaps_total{model=\"digits\"} 1"))
    #expect(during.contains("murmur_model_load_duration_seconds_sum 0.5"))
    #expect(during.contains("murmur_model_load_duration_seconds_count 2"))
    meter.note(.drain(Self.third))
    meter.note(.unload(Self.third))
    meter.note(.withdraw("digits", .latest))
    let after = Self.samples(registry)
    #expect(after.contains("murmur_model_versions_loaded 1.0"))
    #expect(after.contains("murmur_model_versions_ready 0.0"))
  }

  @Test("An alias that is offered what it has is no swap; two aliases of one version are one version")
  func aliases() {
    let registry = MetricsRegistry()
    let meter = ServingMeter(ServingMetrics(in: registry))
    for alias in [Alias.latest, .best, .latest] { meter.note(.offer(Self.third, alias)) }
    let samples = Self.samples(registry)
    #expect(samples.contains("murmur_model_versions_ready 1.0"))
    #expect(!samples.contains { $0.hasPrefix("murmur_model_swaps_total") })
  }

  @Test("Bytes that do not verify are told from a model that does not load")
  func quarantine() throws {
    let manifest = try Manifest(bytes: TestFederation().version(3).signed.bytes)
    let registry = MetricsRegistry()
    let meter = ServingMeter(ServingMetrics(in: registry))
    meter.note(.verifyBlobs(Self.third, manifest))
    meter.note(.report(.quarantined(Self.third, "a digest is wrong")))
    meter.note(.verifyBlobs(Self.fourth, manifest))
    meter.note(.load(Self.fourth))
    meter.note(.warmUp(Self.fourth))
    meter.note(.report(.quarantined(Self.fourth, "a prediction is not finite")))
    meter.note(.unload(Self.fourth))
    meter.note(.report(.refused(Self.third, "no signature")))
    let samples = Self.samples(registry)
    #expect(samples.contains("murmur_model_quarantined_total 2"))
    #expect(samples.contains("murmur_model_verification_failures_total{fault=\"bytes\"} 1"))
    #expect(samples.contains("murmur_model_verification_failures_total{fault=\"manifest\"} 1"))
    #expect(samples.contains("murmur_model_verification_failures_total{fault=\"conflict\"} 0"))
    #expect(samples.contains("murmur_model_versions_loaded 0.0"))
  }

  @Test("The coordinator's silence shows, and when it was last heard")
  func publisher() {
    let registry = MetricsRegistry()
    let meter = ServingMeter(ServingMetrics(in: registry))
    #expect(Self.samples(registry).contains("murmur_publisher_up 0.0"))
    meter.note(.report(.joined(epoch: 1, sequence: 1)))
    meter.note(.watchSilence(after: .seconds(1)), unixSeconds: 1_800_000_000)
    let heard = Self.samples(registry)
    #expect(heard.contains("murmur_publisher_up 1.0"))
    #expect(heard.contains("murmur_publisher_heard_timestamp_seconds 1800000000.0"))
    meter.note(.report(.publisherLost))
    let lost = Self.samples(registry)
    #expect(lost.contains("murmur_publisher_up 0.0"))
    #expect(lost.contains("murmur_publisher_lost_total 1"))
  }

  @Test("A phase is timed from its beginning to the next, and what is none of a round's is not")
  func phases() {
    var clock = PhaseClock()
    var ended: [(CoordinatorMetrics.Phase, Duration)] = []
    for (name, milliseconds) in [
      ("idle", 0), ("selecting", 10), ("selecting", 20), ("reporting", 40), ("unmasking", 100), ("closing", 101),
      ("blocked: contributions exhausted", 103), ("selecting", 200), ("completed", 205),
    ] as [(String, UInt64)] {
      if let found = clock.note(name, at: Self.at(milliseconds)) { ended.append((found.phase, found.duration)) }
    }
    #expect(ended.map(\.0) == [.selecting, .reporting, .unmasking, .closing, .selecting])
    #expect(ended.map(\.1) == [30, 60, 1, 2, 5].map { .milliseconds($0) })
  }

  @Test("The kernel's line about a process is read behind a name that tries to look like more of it")
  func stat() throws {
    let line =
      "42 (a) S 1 (b) R 1 42 42 0 -1 4194560 900 0 0 0 150 50 0 0 20 0 9 0 2000 123456789 2500 18446744073709551615"
    let figures = try #require(
      ProcessFigures(
        stat: line, ticksPerSecond: 100, pageBytes: 4096, bootUnixSeconds: 1_800_000_000, openDescriptors: 12))
    #expect(figures.cpuSeconds == 2)
    #expect(figures.residentBytes == 2500 * 4096)
    #expect(figures.startUnixSeconds == 1_800_000_020)
    #expect(figures.openDescriptors == 12)
  }

  @Test(
    "What is no such line gives no figures",
    arguments: ["", "42 (a", "42 (a) S 1 2 3", "42 (a) S" + String(repeating: " x", count: 30)])
  func noStat(_ line: String) {
    #expect(
      ProcessFigures(stat: line, ticksPerSecond: 100, pageBytes: 4096, bootUnixSeconds: 0, openDescriptors: 0) == nil)
  }

  @Test("This process has figures, and began before now")
  func own() throws {
    let figures = try #require(ProcessFigures.now())
    #expect(figures.cpuSeconds > 0)
    #expect(figures.residentBytes > 1 << 20)
    #expect(figures.openDescriptors >= 3)
    #expect(figures.startUnixSeconds <= Double(unixTime()) + 1)
    #expect(figures.startUnixSeconds > Double(unixTime()) - 86_400 * 7)
  }
}
