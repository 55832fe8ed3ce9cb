import Glibc
import ModelRegistry
import Yams

/// One YAML document and the name under which its problems are reported.
package struct ConfigurationFile: Sendable {
  /// Largest configuration that is read, in bytes.
  package static let byteCountMax = 4 << 20

  /// As the user named the file; the folder of relative paths in it.
  package let path: String
  package let text: String
  /// Whether `path` is that of a file, whose folder other files can be looked for in.
  package let isOnDisk: Bool

  /// The file at `path`.
  ///
  /// - Parameter expected: what the file should be, for the error of a missing one ("a run configuration").
  /// - Throws: `ConfigurationError` without a line.
  package init(path: String, expected: String) throws(ConfigurationError) {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try DurableFile.read(path, byteCountMax: Self.byteCountMax)
    } catch {
      let found =
        switch error.code {
        case ENOENT, ENOTDIR: ConfigurationError.missingFile
        case EFBIG: "more than \(Self.byteCountMax) bytes"
        default: "a file that cannot be read (\(error.reason))"
        }
      throw ConfigurationError(file: path, line: nil, key: "", found: found, expected: expected)
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ConfigurationError(file: path, line: nil, key: "", found: "bytes that are not UTF-8", expected: expected)
    }
    self.init(path: path, text: text, isOnDisk: true)
  }

  /// A document that is already in memory.
  package init(path: String, text: String) { self.init(path: path, text: text, isOnDisk: false) }

  init(path: String, text: String, isOnDisk: Bool) {
    self.path = path
    self.text = text
    self.isOnDisk = isOnDisk
  }

  /// The top of the document.
  ///
  /// - Parameter keys: every key it may have.
  /// - Throws: `ConfigurationError` for what is not YAML, is empty, is not a mapping, has a key twice or an unknown one.
  package func top(keys: [String]) throws(ConfigurationError) -> ConfigurationSection {
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch let error as YamlError {
      throw problem(error)
    } catch {
      throw ConfigurationError(file: path, line: nil, key: "", found: "\(error)", expected: "YAML")
    }
    guard let root else {
      throw ConfigurationError(file: path, line: nil, key: "", found: "an empty file", expected: Self.list(keys))
    }
    return try ConfigurationSection(root, file: self, path: "", keys: keys)
  }

  /// `path` seen from the folder of this file; absolute paths stay as they are.
  package func resolve(_ path: String) -> String {
    path.hasPrefix("/") || !self.path.contains("/") ? path : DurableFile.parent(of: self.path) + "/" + path
  }

  /// `a, b and c`, each in quotes.
  static func list(_ keys: [String]) -> String {
    let quoted = keys.map { "'\($0)'" }
    guard let last = quoted.last, quoted.count > 1 else { return quoted.first ?? "nothing" }
    return "one of " + quoted.dropLast().joined(separator: ", ") + " or " + last
  }

  private func problem(_ error: YamlError) -> ConfigurationError {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      return ConfigurationError(file: path, line: mark.line, key: "", found: "bad YAML (\(problem))", expected: "YAML")
    case .duplicatedKeysInMapping(let duplicates, let context):
      let key = duplicates.sorted().first ?? ""
      return ConfigurationError(
        file: path, line: context.mark.line, key: key, found: "the key twice in one mapping", expected: "it once")
    case .reader(let problem, _, _, _):
      return ConfigurationError(
        file: path, line: nil, key: "", found: "bad characters (\(problem))", expected: "YAML in UTF-8")
    case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
      return ConfigurationError(file: path, line: nil, key: "", found: "text that cannot be parsed", expected: "YAML")
    }
  }
}
