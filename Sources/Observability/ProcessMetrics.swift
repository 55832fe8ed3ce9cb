/// What the system knows of a process.
package struct ProcessFigures: Hashable, Sendable {
  /// User and system time together.
  package let cpuSeconds: Double
  package let residentBytes: UInt64
  package let openDescriptors: UInt64
  /// Seconds since 1970-01-01 UTC.
  package let startUnixSeconds: Double

  package init(cpuSeconds: Double, residentBytes: UInt64, openDescriptors: UInt64, startUnixSeconds: Double) {
    self.cpuSeconds = cpuSeconds
    self.residentBytes = residentBytes
    self.openDescriptors = openDescriptors
    self.startUnixSeconds = startUnixSeconds
  }
}

/// The metrics of the process itself, with the names that Prometheus' own libraries give them.
package enum ProcessMetrics {
  static let cpu = MetricDescription(
    "process_cpu_seconds_total", .counter, "Processor time used by this process, of user and system together.")
  static let memory = MetricDescription(
    "process_resident_memory_bytes", .gauge, "Memory of this process that is in RAM.")
  static let descriptors = MetricDescription(
    "process_open_fds", .gauge, "Files, sockets and pipes that this process has open.")
  static let start = MetricDescription(
    "process_start_time_seconds", .gauge, "When this process began, in seconds since 1970-01-01 UTC.")

  /// - Parameter read: asked once for each time somebody reads the metrics; nil where the system does not tell, and
  ///   then these metrics are left out.
  package static func register(in registry: MetricsRegistry, reading read: @escaping @Sendable () -> ProcessFigures?) {
    registry.register([cpu, memory, descriptors, start]) {
      guard let figures = read() else { return [] }
      func number(_ description: MetricDescription, _ value: Double) -> MetricsRegistry.Reading {
        MetricsRegistry.Reading(description, [(.none, .number(value))])
      }
      return [
        number(cpu, figures.cpuSeconds), number(memory, Double(figures.residentBytes)),
        number(descriptors, Double(figures.openDescriptors)), number(start, figures.startUnixSeconds),
      ]
    }
  }
}
