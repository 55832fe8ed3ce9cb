/// How metrics are named here: the conventions of Prometheus, and what may never be a label.
package enum MetricRules {
  /// Of our own metrics; those of libraries have `murmur_library_`. Figures of the process keep the names that every
  /// dashboard knows.
  package static let prefix = "murmur_"
  package static let processPrefix = "process_"
  package static let libraryPrefix = "murmur_library_"

  package static let baseUnits = ["seconds", "bytes", "ratio"]

  /// Units that a base unit takes the place of, and words that a suffix already says.
  private static let otherUnits: Set<String> = [
    "ms", "us", "ns", "millis", "milliseconds", "microseconds", "nanoseconds", "minutes", "hours", "days", "kb", "mb",
    "gb", "kib", "mib", "gib", "kilobytes", "megabytes", "gigabytes", "bits", "percent", "percentage",
  ]

  /// Endings that samples of other kinds have: a family of that name would be taken for them.
  private static let sampleSuffixes = ["_count", "_sum", "_bucket", "_created"]

  /// What would tell one person, process or request from another, by words: it has no bound and is nobody's business.
  private static let privateWords: Set<String> = [
    "worker", "user", "subject", "request", "trace", "session", "address", "ip", "host", "client", "peer", "remote",
    "organisation", "key", "token", "secret", "password", "path", "url", "email",
  ]

  /// Labels that the formats themselves use.
  private static let reservedLabels: Set<String> = ["le", "quantile"]

  /// Everything that is wrong with a description; empty for one that may be registered.
  package static func violations(of description: MetricDescription) -> [String] {
    nameViolations(of: description) + description.labels.flatMap(labelViolations)
      + (Set(description.labels).count == description.labels.count ? [] : ["found a label twice, expected each once"])
      + (description.help.isEmpty ? ["found no help, expected a sentence"] : [])
  }

  private static func nameViolations(of description: MetricDescription) -> [String] {
    let name = description.name, words = name.split(separator: "_").map(String.init)
    var found: [String] = []
    if !name.hasPrefix(prefix), !name.hasPrefix(processPrefix) { found.append("expected the prefix '\(prefix)'") }
    if !isSnakeCase(name) { found.append("expected lower-case words joined by '_'") }
    for word in words where otherUnits.contains(word) { found.append("found the unit '\(word)', expected a base unit") }
    if name.hasSuffix("_total") != (description.kind == .counter) {
      found.append("expected '_total' at the end of counters and of nothing else")
    }
    if name.hasSuffix("_info") != (description.kind == .info) {
      found.append("expected '_info' at the end of infos and of nothing else")
    }
    for suffix in sampleSuffixes where name.hasSuffix(suffix) {
      found.append("found '\(suffix)' at the end, which belongs to samples of other kinds")
    }
    return found.map { "\(name): \($0)" }
  }

  private static func labelViolations(_ label: String) -> [String] {
    guard isSnakeCase(label) else { return ["label '\(label)': expected lower-case words joined by '_'"] }
    if reservedLabels.contains(label) { return ["label '\(label)': the formats use it themselves"] }
    return isPrivate(label) ? ["label '\(label)': found a label that has no bound or names a party"] : []
  }

  /// Whether a label of this name would tell parties or requests apart.
  package static func isPrivate(_ label: String) -> Bool {
    label.split(separator: "_").contains { privateWords.contains(String($0)) }
  }

  private static func isSnakeCase(_ name: String) -> Bool {
    name == sanitised(name) && !name.contains("__") && name.last != "_" && name.first != "_"
  }

  /// The nearest name of `[a-z0-9_]` that begins with no digit.
  package static func sanitised(_ text: String) -> String {
    var name = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "a"..."z", "0"..."9": name.unicodeScalars.append(scalar)
      case "A"..."Z": name += scalar.properties.lowercaseMapping
      default: if !name.hasSuffix("_") { name += "_" }
      }
    }
    return name.first?.isNumber == true ? "_" + name : name
  }
}
