import Federation
import Yams

extension ConfigurationSection {
  /// A mapping of names to values of the owner's choice; none if the key is missing.
  func labels(_ key: String) throws(ConfigurationError) -> WorkerLabels {
    guard has(key) else { return WorkerLabels() }
    let expected =
      "a mapping such as {site: north, gpu: \"yes\"}, of at most \(WorkerLabels.countMax) labels of 1 to "
      + "\(WorkerLabels.bytesMax) bytes"
    let member = try member(key, expected: expected)
    guard case .mapping(let mapping) = member.value else {
      throw error(at: key, found: Self.describe(member.value), expected: expected)
    }
    var pairs: [WorkerLabels.Pair] = []
    for (name, value) in mapping {
      guard let name = Self.text(of: name), let text = Self.text(of: value), WorkerLabels.isValid(name),
        WorkerLabels.isValid(text)
      else {
        throw error(at: key, found: "\(Self.describe(name)): \(Self.describe(value))", expected: expected)
      }
      pairs.append(WorkerLabels.Pair(name, text))
    }
    guard let labels = WorkerLabels(pairs) else {
      throw error(at: key, found: "\(pairs.count) labels", expected: expected)
    }
    return labels
  }
}
