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

  /// The same file without these keys; those that are not there are left out already.
  ///
  /// - Parameter keys: dotted paths from the top.
  package func without(_ keys: [String]) throws(ConfigurationError) -> ConfigurationFile {
    var root = try composed()
    for key in keys { root = Self.removing(key.split(separator: ".").map(String.init)[...], from: root) }
    return try written(root, at: path)
  }

  /// The same content for another place: relative paths in it lead to where they led.
  ///
  /// - Parameters:
  ///   - path: of the new file.
  ///   - keys: dotted paths of texts that are paths of files.
  package func moved(to path: String, pathsAt keys: [String]) throws(ConfigurationError) -> ConfigurationFile {
    var root = try composed()
    for key in keys {
      let steps = key.split(separator: ".").map(String.init)
      guard let old = Self.text(at: steps[...], in: root), !old.hasPrefix("/") else { continue }
      let new = RelativePath.of(resolve(old), fromFolderOf: path)
      root = Self.replacing(in: root, steps[...], Node(new)) ?? root
    }
    return try written(root, at: path)
  }

  private func written(_ root: Node, at path: String) throws(ConfigurationError) -> ConfigurationFile {
    do {
      return ConfigurationFile(path: path, text: try Yams.serialize(node: root), isOnDisk: true)
    } catch {
      throw ConfigurationError(file: path, line: nil, key: "", found: "\(error)", expected: "YAML")
    }
  }

  private static func removing(_ steps: ArraySlice<String>, from node: Node) -> Node {
    guard let step = steps.first, case .mapping(var mapping) = node, let below = mapping[Node(step)] else {
      return node
    }
    mapping[Node(step)] = steps.count == 1 ? nil : removing(steps.dropFirst(), from: below)
    return .mapping(mapping)
  }

  private static func text(at steps: ArraySlice<String>, in node: Node) -> String? {
    guard let step = steps.first else {
      guard case .scalar(let scalar) = node else { return nil }
      return scalar.string
    }
    guard case .mapping(let mapping) = node, let below = mapping[Node(step)] else { return nil }
    return text(at: steps.dropFirst(), in: below)
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
