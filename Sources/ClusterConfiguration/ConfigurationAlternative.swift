import Yams

/// What stands where one of several things may: a word alone (`relu`), or a mapping of it to what it needs (`dense: 10`).
struct ConfigurationAlternative {
  let word: String
  private let file: ConfigurationFile
  private let path: String
  private let line: Int?
  /// What the word is mapped to; nil for a word alone.
  private let value: Node?

  /// - Parameter words: every word that may stand there.
  init(_ node: Node, file: ConfigurationFile, path: String, line: Int?, words: [String]) throws(ConfigurationError) {
    self.file = file
    self.path = path
    self.line = line
    if let word = ConfigurationSection.text(of: node) {
      guard words.contains(word) else {
        let nearest = ConfigurationSection.nearest(to: word, in: words).map { "'\($0)', the nearest known word" }
        throw ConfigurationError(
          file: file.path, line: line, key: path, found: ConfigurationSection.describe(node),
          expected: nearest ?? ConfigurationFile.list(words))
      }
      self.word = word
      value = nil
      return
    }
    let section = try ConfigurationSection(node, file: file, path: path, keys: words, line: line)
    guard let word = section.present.first, section.present.count == 1 else {
      throw ConfigurationError(
        file: file.path, line: line, key: path, found: "\(section.present.count) keys in one mapping",
        expected: ConfigurationFile.list(words))
    }
    self.word = word
    value = try section.member(word, expected: "").value
  }

  /// What the word needs.
  ///
  /// - Parameters:
  ///   - keys: every key that its mapping may have.
  ///   - short: the key whose value may stand there without a mapping.
  func settings(keys: [String], short: String? = nil) throws(ConfigurationError) -> ConfigurationSection {
    let inner = "\(path).\(word)"
    guard let value else { throw error(found: "'\(word)' alone", expected: "'\(word): …' with \(keys[0])") }
    let isMapping = if case .mapping = value { true } else { false }
    guard let short, !isMapping else {
      return try ConfigurationSection(value, file: file, path: inner, keys: keys, line: line)
    }
    return ConfigurationSection(file: file, path: inner, line: value.mark?.line ?? line, key: short, value: value)
  }

  var isAlone: Bool { value == nil }

  /// Refuses a word that is mapped to something.
  func checkAlone() throws(ConfigurationError) {
    guard let value else { return }
    throw ConfigurationError(
      file: file.path, line: line, key: "\(path).\(word)", found: ConfigurationSection.describe(value),
      expected: "'\(word)' alone")
  }

  func error(found: String, expected: String) -> ConfigurationError {
    ConfigurationError(file: file.path, line: line, key: path, found: found, expected: expected)
  }
}
