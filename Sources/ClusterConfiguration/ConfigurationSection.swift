import Federation
import Yams

/// One mapping of a configuration, with the place of every key, read value by value.
///
/// Every reader names what it found and what it expected; nothing is converted silently: `"10"` is a text, not an
/// integer, and `yes` is a text, not a truth value.
package struct ConfigurationSection {
  package let file: ConfigurationFile
  /// Dotted path of the mapping from the top; empty for the top itself.
  package let path: String
  private let line: Int?
  private let members: [(key: String, line: Int?, value: Node)]

  /// - Parameter keys: every key that the mapping may have.
  init(_ node: Node, file: ConfigurationFile, path: String, keys: [String], line: Int? = nil)
    throws(ConfigurationError)
  {
    let line = node.mark?.line ?? line
    guard case .mapping(let mapping) = node else {
      throw ConfigurationError(
        file: file.path, line: line, key: path, found: Self.describe(node), expected: "a mapping of keys to values")
    }
    self.file = file
    self.path = path
    self.line = line
    var members: [(key: String, line: Int?, value: Node)] = []
    for (keyNode, value) in mapping {
      guard case .scalar(let scalar) = keyNode else {
        throw ConfigurationError(
          file: file.path, line: keyNode.mark?.line, key: path, found: Self.describe(keyNode), expected: "a key")
      }
      members.append((scalar.string, keyNode.mark?.line, value))
    }
    self.members = members
    for member in members where !keys.contains(member.key) {
      let expected = Self.nearest(to: member.key, in: keys).map { "'\($0)', the nearest known key" }
      throw ConfigurationError(
        file: file.path, line: member.line, key: dotted(member.key), found: "an unknown key",
        expected: expected ?? ConfigurationFile.list(keys))
    }
  }

  /// A mapping with one key, where a file has its value alone.
  init(file: ConfigurationFile, path: String, line: Int?, key: String, value: Node) {
    self.file = file
    self.path = path
    self.line = line
    members = [(key, line, value)]
  }

  /// The keys that are there, in the order of the file.
  var present: [String] { members.map(\.key) }

  /// Whether the key is there.
  package func has(_ key: String) -> Bool { members.contains { $0.key == key } }

  // MARK: Values

  package func text(_ key: String, expected: String = "a text") throws(ConfigurationError) -> String {
    try required(key, expected) { Self.text(of: $0) }
  }

  /// A text that `read` understands; `expected` says what that is.
  package func text<T>(_ key: String, expected: String, as read: (String) -> T?) throws(ConfigurationError) -> T {
    try required(key, expected) { Self.text(of: $0).flatMap(read) }
  }

  package func text<T>(_ key: String, default value: T, expected: String, as read: (String) -> T?)
    throws(ConfigurationError) -> T
  {
    try has(key) ? text(key, expected: expected, as: read) : value
  }

  /// The characters of any scalar, quoted or not, if `read` understands them.
  package func scalar<T>(_ key: String, expected: String, as read: (String) -> T?) throws(ConfigurationError) -> T {
    try required(key, expected) { node in
      guard case .scalar(let scalar) = node else { return nil }
      return read(scalar.string)
    }
  }

  /// A text out of a fixed set.
  package func choice<T>(_ key: String, of choices: KeyValuePairs<String, T>) throws(ConfigurationError) -> T {
    try text(key, expected: ConfigurationFile.list(choices.map(\.key))) { found in
      choices.first { $0.key == found }?.value
    }
  }

  package func choice<T>(_ key: String, default value: T, of choices: KeyValuePairs<String, T>)
    throws(ConfigurationError) -> T
  {
    try has(key) ? choice(key, of: choices) : value
  }

  package func integer<T: FixedWidthInteger>(_ key: String, in range: ClosedRange<T>) throws(ConfigurationError) -> T {
    try required(key, "an integer from \(range.lowerBound) to \(range.upperBound)") { node in
      Self.plain(node).flatMap { T($0) }.flatMap { range.contains($0) ? $0 : nil }
    }
  }

  package func integer<T: FixedWidthInteger>(_ key: String, default value: T, in range: ClosedRange<T>)
    throws(ConfigurationError) -> T
  {
    try has(key) ? integer(key, in: range) : value
  }

  /// A finite number for which `isValid` holds; `expected` says which those are.
  package func number(_ key: String, expected: String, where isValid: (Double) -> Bool) throws(ConfigurationError)
    -> Double
  {
    try required(key, expected) { node in
      Self.plain(node).flatMap(Self.double).flatMap { isValid($0) ? $0 : nil }
    }
  }

  package func number(_ key: String, default value: Double, expected: String, where isValid: (Double) -> Bool)
    throws(ConfigurationError) -> Double
  {
    try has(key) ? number(key, expected: expected, where: isValid) : value
  }

  package func truth(_ key: String, default value: Bool) throws(ConfigurationError) -> Bool {
    guard has(key) else { return value }
    return try required(key, "true or false") { node in
      switch Self.plain(node) {
      case "true": true
      case "false": false
      default: nil
      }
    }
  }

  /// Whole numbers in a list, or one alone; `expected` says how many and which.
  func integers(_ key: String, expected: String, where isValid: ([Int]) -> Bool) throws(ConfigurationError) -> [Int] {
    try required(key, expected) { node in
      let nodes =
        switch node {
        case .sequence(let sequence): Array(sequence)
        case .scalar, .mapping, .alias: [node]
        }
      let numbers = nodes.compactMap { Self.plain($0).flatMap { Int($0) } }
      return numbers.count == nodes.count && isValid(numbers) ? numbers : nil
    }
  }

  // MARK: Structure

  package func section(_ key: String, keys: [String]) throws(ConfigurationError) -> ConfigurationSection {
    let member = try member(key, expected: "a mapping of " + Self.among(keys))
    return try ConfigurationSection(member.value, file: file, path: dotted(key), keys: keys, line: member.line)
  }

  /// The mappings of a list; empty if the key is missing.
  package func sections(_ key: String, keys: [String]) throws(ConfigurationError) -> [ConfigurationSection] {
    guard has(key) else { return [] }
    var out: [ConfigurationSection] = []
    for (i, item) in try items(key, expected: "a list of mappings").enumerated() {
      out.append(try ConfigurationSection(item, file: file, path: "\(dotted(key))[\(i)]", keys: keys))
    }
    return out
  }

  /// The mappings that a mapping gives to names of the owner's choice, in the order of the file.
  package func namedSections<N: Name>(_ key: String, as: N.Type = N.self, keys: [String]) throws(ConfigurationError)
    -> [(name: N, section: ConfigurationSection)]
  {
    let expected = "a mapping of names to mappings"
    let member = try member(key, expected: expected)
    guard case .mapping(let mapping) = member.value else {
      throw error(at: key, found: Self.describe(member.value), expected: expected)
    }
    var out: [(name: N, section: ConfigurationSection)] = []
    for (nameNode, value) in mapping {
      guard case .scalar(let scalar) = nameNode, let name = N(scalar.string) else {
        throw ConfigurationError(
          file: file.path, line: nameNode.mark?.line, key: dotted(key), found: Self.describe(nameNode),
          expected: Self.nameExpected)
      }
      out.append(
        (
          name,
          try ConfigurationSection(
            value, file: file, path: "\(dotted(key)).\(name)", keys: keys, line: nameNode.mark?.line)
        ))
    }
    return out
  }

  /// A list of texts out of a fixed set, without repetition; `value` if the key is missing.
  package func choices<T: Equatable>(_ key: String, default value: [T], of choices: KeyValuePairs<String, T>)
    throws(ConfigurationError) -> [T]
  {
    guard has(key) else { return value }
    let expected = "a list of " + ConfigurationFile.list(choices.map(\.key)).dropPrefix("one of ") + ", each once"
    var out: [T] = []
    for (i, item) in try items(key, expected: expected).enumerated() {
      let found = Self.text(of: item)
      guard let choice = choices.first(where: { $0.key == found })?.value, !out.contains(choice) else {
        throw ConfigurationError(
          file: file.path, line: item.mark?.line, key: "\(dotted(key))[\(i)]", found: Self.describe(item),
          expected: expected)
      }
      out.append(choice)
    }
    guard !out.isEmpty else { throw error(at: key, found: "an empty list", expected: expected) }
    return out
  }

  /// One of several things: a word, or a mapping of one word to what it needs.
  ///
  /// - Parameter words: every word that may stand there.
  func alternative(_ key: String, of words: [String]) throws(ConfigurationError) -> ConfigurationAlternative {
    let member = try member(key, expected: ConfigurationFile.list(words))
    return try ConfigurationAlternative(member.value, file: file, path: dotted(key), line: member.line, words: words)
  }

  /// A list of such.
  func alternatives(_ key: String, of words: [String]) throws(ConfigurationError) -> [ConfigurationAlternative] {
    var out: [ConfigurationAlternative] = []
    for (i, item) in try items(key, expected: "a list of " + Self.among(words)).enumerated() {
      out.append(
        try ConfigurationAlternative(
          item, file: file, path: "\(dotted(key))[\(i)]", line: item.mark?.line, words: words))
    }
    return out
  }

  /// A text, or a list of different ones.
  func texts(_ key: String, expected: String) throws(ConfigurationError) -> [String] {
    try required(key, expected) { node in
      guard case .sequence(let sequence) = node else { return Self.text(of: node).map { [$0] } }
      let found = sequence.compactMap { Self.text(of: $0) }
      return !found.isEmpty && found.count == sequence.count && Set(found).count == found.count ? found : nil
    }
  }

  /// Whether the value is a mapping.
  ///
  /// - Precondition: the key is there.
  func isMapping(_ key: String) -> Bool {
    members.first { $0.key == key }.map { if case .mapping = $0.value { true } else { false } } ?? false
  }

  /// Whether the value is a text rather than a mapping; nil if the key is missing.
  package func isText(_ key: String) -> Bool? {
    members.first { $0.key == key }.map { Self.text(of: $0.value) != nil }
  }

  /// The problem with a value that was read but does not fit the rest.
  package func error(at key: String, found: String, expected: String) -> ConfigurationError {
    let line = members.first { $0.key == key }?.line ?? line
    return ConfigurationError(file: file.path, line: line, key: dotted(key), found: found, expected: expected)
  }

  // MARK: Parts

  private func dotted(_ key: String) -> String { path.isEmpty ? key : path + "." + key }

  private static func among(_ keys: [String]) -> String { keys.map { "'\($0)'" }.joined(separator: ", ") }

  func member(_ key: String, expected: String) throws(ConfigurationError) -> (line: Int?, value: Node) {
    guard let member = members.first(where: { $0.key == key }) else {
      throw ConfigurationError(
        file: file.path, line: line, key: dotted(key), found: "no such key", expected: expected)
    }
    return (member.line, member.value)
  }

  private func items(_ key: String, expected: String) throws(ConfigurationError) -> [Node] {
    try required(key, expected) { node in
      guard case .sequence(let sequence) = node else { return nil }
      return Array(sequence)
    }
  }

  private func required<T>(_ key: String, _ expected: String, read: (Node) -> T?) throws(ConfigurationError) -> T {
    let member = try member(key, expected: expected)
    guard let value = read(member.value) else {
      throw ConfigurationError(
        file: file.path, line: member.line, key: dotted(key), found: Self.describe(member.value), expected: expected)
    }
    return value
  }

  /// The characters of an unquoted scalar.
  private static func plain(_ node: Node) -> String? {
    guard case .scalar(let scalar) = node, scalar.style == .plain else { return nil }
    return scalar.string
  }

  /// The characters of a quoted scalar, or of an unquoted one that is not nothing, a truth value or a number.
  static func text(of node: Node) -> String? {
    guard case .scalar(let scalar) = node else { return nil }
    guard scalar.style == .plain else { return scalar.string }
    let isOtherKind = ["", "~", "null", "true", "false"].contains(scalar.string) || double(scalar.string) != nil
    return isOtherKind ? nil : scalar.string
  }

  /// A finite decimal number; hexadecimal forms and names (`inf`, `nan`) are not numbers here.
  private static func double(_ text: String) -> Double? {
    let isDecimal = text.utf8.allSatisfy { (48...57).contains($0) || [43, 45, 46, 69, 101].contains($0) }
    guard isDecimal, let value = Double(text), value.isFinite else { return nil }
    return value
  }

  /// What stands there, in the words of an error.
  static func describe(_ node: Node) -> String {
    switch node {
    case .mapping: return "a mapping"
    case .sequence: return "a list"
    case .alias: return "an alias"
    case .scalar(let scalar):
      let shown = scalar.string.count > 60 ? scalar.string.prefix(57) + "..." : scalar.string[...]
      let oneLine = shown.map { $0.isNewline ? " " : String($0) }.joined()
      if scalar.style == .plain, ["", "~", "null"].contains(scalar.string) { return "nothing" }
      return text(of: node) == nil ? oneLine : "\"\(oneLine)\""
    }
  }

  /// The known key that is at most half its length, and three, away in single-character edits (Levenshtein 1966).
  static func nearest(to key: String, in keys: [String]) -> String? {
    let scored = keys.map { (distance: editDistance(key, $0), key: $0) }
    guard let best = scored.min(by: { ($0.distance, $0.key) < ($1.distance, $1.key) }) else { return nil }
    return best.distance <= max(1, min(3, best.key.count / 2)) ? best.key : nil
  }

  private static func editDistance(_ a: String, _ b: String) -> Int {
    let target = Array(b.prefix(100))
    var row = Array(0...target.count)
    for (i, x) in a.prefix(100).enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, y) in target.enumerated() {
        let substitution = diagonal + (x == y ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substitution, row[j] + 1, diagonal + 1)
      }
    }
    return row[target.count]
  }
}

extension String {
  fileprivate func dropPrefix(_ prefix: String) -> String {
    hasPrefix(prefix) ? String(dropFirst(prefix.count)) : self
  }
}
