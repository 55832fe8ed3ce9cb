import Observability
import Testing

@Suite("Rules for metrics")
struct MetricRulesTests {
  private static let catalogue: [MetricDescription] = {
    let serving = MetricsRegistry(), coordinator = MetricsRegistry()
    _ = ServingMetrics(in: serving)
    _ = LinkMetrics(in: serving)
    _ = LibraryMetrics(serving)
    ProcessMetrics.register(in: serving) { nil }
    _ = CoordinatorMetrics(in: coordinator)
    _ = LinkMetrics(in: coordinator)
    return serving.descriptions + coordinator.descriptions
  }()

  @Test("The whole catalogue keeps them")
  func catalogueKeepsRules() {
    #expect(Self.catalogue.count > 40)
    #expect(Self.catalogue.flatMap(MetricRules.violations) == [])
  }

  @Test("A metric that both parties have means the same at both, but for its sentence")
  func sameMeaning() {
    for (_, descriptions) in Dictionary(grouping: Self.catalogue, by: \.name) {
      #expect(Set(descriptions.map(\.kind)).count == 1)
      #expect(Set(descriptions.map(\.labels)).count == 1)
    }
  }

  @Test(
    "What breaks them is found",
    arguments: [
      MetricDescription("requests_total", .counter, "No prefix."),
      MetricDescription("murmur_requests", .counter, "No suffix."),
      MetricDescription("murmur_level_total", .gauge, "A suffix of others."),
      MetricDescription("murmur_version_info", .gauge, "A suffix of others."),
      MetricDescription("murmur_version", .info, "No suffix."),
      MetricDescription("murmur_wait_sum", .gauge, "A suffix of samples."),
      MetricDescription("murmur_row_count", .gauge, "A suffix of samples."),
      MetricDescription("murmur_requestDuration_seconds", .histogram, "Camels."),
      MetricDescription("murmur_request-duration_seconds", .histogram, "A dash."),
      MetricDescription("murmur__wait_seconds", .histogram, "Two of them."),
      MetricDescription("murmur_wait_", .gauge, "One too many."),
      MetricDescription("murmur_wait_ms", .histogram, "Not a base unit."),
      MetricDescription("murmur_wait_milliseconds_total", .counter, "Not a base unit."),
      MetricDescription("murmur_size_kib", .gauge, "Not a base unit."),
      MetricDescription("murmur_used_percent", .gauge, "Not a base unit."),
      MetricDescription("murmur_level", .gauge, ""),
      MetricDescription("murmur_level", .gauge, "A party.", labels: ["worker"]),
      MetricDescription("murmur_level", .gauge, "A party.", labels: ["worker_id"]),
      MetricDescription("murmur_level", .gauge, "A person.", labels: ["user"]),
      MetricDescription("murmur_level", .gauge, "A request.", labels: ["request_id"]),
      MetricDescription("murmur_level", .gauge, "An address.", labels: ["peer_address"]),
      MetricDescription("murmur_level", .gauge, "An address.", labels: ["ip"]),
      MetricDescription("murmur_level", .gauge, "The format's own.", labels: ["le"]),
      MetricDescription("murmur_level", .gauge, "Camels.", labels: ["modelName"]),
      MetricDescription("murmur_level", .gauge, "Twice.", labels: ["model", "model"]),
    ])
  func violations(_ description: MetricDescription) { #expect(MetricRules.violations(of: description) != []) }

  @Test(
    "Names of families and units follow from the name",
    arguments: [
      (MetricDescription("murmur_bytes_total", .counter, "x"), "murmur_bytes", "bytes"),
      (MetricDescription("murmur_wait_seconds", .histogram, "x"), "murmur_wait_seconds", "seconds"),
      (MetricDescription("murmur_part_ratio", .gauge, "x"), "murmur_part_ratio", "ratio"),
      (MetricDescription("murmur_version_info", .info, "x"), "murmur_version", nil),
      (MetricDescription("murmur_rows", .gauge, "x"), "murmur_rows", nil),
    ] as [(MetricDescription, String, String?)])
  func families(_ description: MetricDescription, name: String, unit: String?) {
    #expect(description.familyName == name)
    #expect(description.unit == unit)
  }
}
