import Yams

/// A value in place of what a configuration file says: `training.learning-rate=0.1`.
package struct ConfigurationChange: Hashable, Sendable {
  /// Dotted path from the top of the file.
  package let key: String
  /// YAML.
  package let value: String

  package init(key: String, value: String) {
    self.key = key
    self.value = value
  }
}

extension ConfigurationChange: CustomStringConvertible {
  package var description: String { "\(key)=\(value)" }
}

extension ConfigurationFile {
  /// The same file, in the same folder, with these changes, one after the other; comments are gone, and lines are others.
  ///
  /// - Throws: `ConfigurationError` that names the change.
  package func changed(by changes: [ConfigurationChange]) throws(ConfigurationError) -> ConfigurationFile {
    var root = try composed()
    for change in changes {
      let value: Node? = try? Yams.compose(yaml: change.value)
      guard let value, !change.value.isEmpty else {
        throw problem(with: change, found: "\"\(change.value)\"", expected: "a value in YAML")
      }
      let steps = change.key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
      guard steps.allSatisfy({ !$0.isEmpty }), let next = Self.replacing(in: root, steps[...], value) else {
        throw problem(with: change, found: "no such place", expected: "the path of a key, such as run.rounds")
      }
      root = next
    }
    do {
      return ConfigurationFile(path: path, text: try Yams.serialize(node: root), isOnDisk: isOnDisk)
    } catch {
      throw ConfigurationError(file: path, line: nil, key: "", found: "\(error)", expected: "YAML")
    }
  }

  private func composed() throws(ConfigurationError) -> Node {
    let root: Node? = try? Yams.compose(yaml: text)
    guard let root else {
      throw ConfigurationError(file: path, line: nil, key: "", found: "text that cannot be parsed", expected: "YAML")
    }
    return root
  }

  /// Mappings on the way that are missing are made; nil if something else stands there.
  private static func replacing(in node: Node, _ steps: ArraySlice<String>, _ value: Node) -> Node? {
    guard let step = steps.first else { return value }
    guard case .mapping(var mapping) = node else { return nil }
    let below = mapping[Node(step)] ?? Node([(Node, Node)]())
    guard let replaced = replacing(in: below, steps.dropFirst(), value) else { return nil }
    mapping[Node(step)] = replaced
    return .mapping(mapping)
  }

  private func problem(with change: ConfigurationChange, found: String, expected: String) -> ConfigurationError {
    ConfigurationError(file: "\(path) with \(change)", line: nil, key: change.key, found: found, expected: expected)
  }
}
