import DataSources
import Federation
import ModelRegistry

/// What files say about examples (Protocols/data.md).
extension ConfigurationSection {
  /// What is to be predicted, and of a text the length of its sequences and the vocabulary.
  static let readingKeys = ["label", "target", "label-file", "sequence", "vocabulary"]

  /// The keys of the mapping `data` of a population.
  static let planKeys =
    ["file", "source"] + readingKeys + [
      "normalise", "training", "held-out", "copies", "partition", "seed",
    ]

  /// The mapping `data` of a population: a file or public source that is there, and how it is dealt out.
  func dataPlan() throws(ConfigurationError) -> DataPlan {
    let isPublic = has("source")
    var examples = try exampleFile(path: isPublic ? publicFile() : existingFile(), needsLabel: !isPublic)
    for (key, path) in [("label-file", examples.labelFile), ("vocabulary", examples.vocabularyFile)] {
      if let path { try check(path, at: key) }
    }
    let partition = try partition(hasClasses: examples.targets.isEmpty && examples.sequenceLength == nil)
    examples.column = partition.groupColumn
    let plan = try DataPlan(
      examples: examples, normalisation: normalisation(), heldOut: heldOut(),
      copies: integer("copies", default: 1, in: 1...1000), partition: partition,
      seed: integer("seed", default: 1, in: 0...UInt64.max))
    if examples.sequenceLength != nil {
      for key in ["normalise", "copies", "training"] where has(key) {
        throw error(at: key, found: "it beside 'sequence'", expected: "no such key for a text")
      }
      if case .last = plan.heldOut {
        throw error(at: "held-out", found: "a number of rows of a text", expected: "a number from 0 to below 1")
      }
    }
    return plan
  }

  /// What is to be predicted of the examples at `path`: exactly one of `label`, `target` and `sequence`; none where an IDX
  /// or NPY file has its labels beside it.
  ///
  /// - Parameter needsLabel: whether one of them has to be there even so.
  func exampleFile(path: String, needsLabel: Bool) throws(ConfigurationError) -> ExampleFile {
    let ways = ["label", "target", "sequence"].filter { has($0) }
    guard ways.count <= 1 else {
      throw error(at: ways[1], found: "it beside '\(ways[0])'", expected: "one of 'label', 'target' and 'sequence'")
    }
    let isLabel = has("label") || ways.isEmpty && needsLabel && !has("label-file")
    if has("vocabulary"), !has("sequence") {
      throw error(at: "vocabulary", found: "it without 'sequence'", expected: "the length of sequences of a text")
    }
    return try ExampleFile(
      path: path, label: isLabel ? text("label", expected: "the name of the label's column") : nil,
      targets: has("target") ? texts("target", expected: "the name of a column, or a list of different ones") : [],
      labelFile: self.path("label-file", expected: "the path of a file of labels"),
      sequenceLength: has("sequence") ? integer("sequence", in: 1...1 << 20) : nil,
      vocabularyFile: self.path("vocabulary", expected: "the path of a vocabulary"))
  }

  private func existingFile() throws(ConfigurationError) -> String {
    let path = file.resolve(try text("file", expected: "the path of a data file, or 'source' with a public data set"))
    try check(path, at: "file")
    return path
  }

  private func check(_ path: String, at key: String) throws(ConfigurationError) {
    guard DurableFile.exists(path) else {
      let expected = key == "file" ? "a file of labelled examples" : "one"
      throw error(at: key, found: "no file at \(path)", expected: expected)
    }
  }

  /// The examples of a public data set that `murmur data get` has fetched, as they were published; of several, those of
  /// the first that is there.
  private func publicFile() throws(ConfigurationError) -> String {
    guard !has("file") else { throw error(at: "file", found: "it beside 'source'", expected: "one of them") }
    let names = try texts("source", expected: Self.sourcesExpected)
    var sources: [DataSource] = []
    for name in names {
      guard let source = DataSource.named(name) else {
        throw error(at: "source", found: "'\(name)'", expected: Self.sourcesExpected)
      }
      sources.append(source)
    }
    var missing: [String] = []
    for source in sources {
      guard let path = try missingFile(of: source) else { return "\(source.cacheDirectory())/\(source.examples)" }
      missing.append(path)
    }
    let commands = sources.map { "'murmur data get \($0.name)'" }.joined(separator: " or ")
    throw error(
      at: "source", found: "no file at \(missing.joined(separator: " nor at "))", expected: "that of \(commands)")
  }

  private static var sourcesExpected: String { "one of \(DataSource.all.map(\.name).joined(separator: ", "))" }

  /// The first file of a source that was not fetched; nil if all were.
  private func missingFile(of source: DataSource) throws(ConfigurationError) -> String? {
    for part in source.files {
      let path = "\(source.cacheDirectory())/\(part.localName)"
      do throws(DataSourceError) {
        guard try part.isThere(at: path) else { return path }
      } catch {
        throw self.error(
          at: "source", found: "a wrong file (\(error))", expected: "that of 'murmur data get \(source.name)'")
      }
    }
    return nil
  }

  /// `standard` or `min-max`, of each feature or `by: global`; or the statistics in a file; nil for `none` or no key.
  private func normalisation() throws(ConfigurationError) -> NormalisationPlan? {
    guard has("normalise") else { return nil }
    let methods: KeyValuePairs<String, NormalisationMethod?> = [
      "none": nil, "standard": .standard, "min-max": .minMax,
    ]
    if isText("normalise") == true {
      return try choice("normalise", of: methods).map { .computed($0, .feature) }
    }
    let section = try section("normalise", keys: ["method", "by", "file"])
    guard section.has("file") else {
      let scope: NormalisationScope = try section.choice(
        "by", default: .feature, of: ["feature": .feature, "global": .global])
      let method: NormalisationMethod = try section.choice(
        "method", of: ["standard": .standard, "min-max": .minMax])
      return .computed(method, scope)
    }
    for key in ["method", "by"] where section.has(key) {
      throw section.error(at: key, found: "it beside 'file'", expected: "one of them")
    }
    let path = file.resolve(try section.text("file", expected: "the path of normalisation statistics"))
    try section.check(path, at: "file")
    return .file(path)
  }

  /// `held-out` is a fraction at random or `{last: N}`; `training: {first: N}` goes with the latter.
  private func heldOut() throws(ConfigurationError) -> HoldOut {
    let rows = 1...1 << 26
    let isMapping = has("held-out") && isMapping("held-out")
    let training =
      has("training") ? try section("training", keys: ["first"]).integer("first", in: rows) : nil
    if isMapping {
      return .last(try section("held-out", keys: ["last"]).integer("last", in: 0...1 << 26), training: training)
    }
    guard training == nil else {
      throw error(at: "training", found: "it without 'held-out: {last: N}'", expected: "both or neither")
    }
    let fraction = try number("held-out", default: 0.2, expected: "a number from 0 to below 1, or {last: N}") {
      $0 >= 0 && $0 < 1
    }
    return .fraction(fraction)
  }

  /// How examples are dealt out: exactly one partitioner in the mapping `partition`; without it the standard one, which is
  /// for classes.
  private func partition(hasClasses: Bool) throws(ConfigurationError) -> DataPartition {
    let keys = ["iid", "dirichlet", "shards", "quantity", "column"]
    let usable = hasClasses ? keys : ["iid", "quantity", "column"]
    let list = usable.dropLast().map { "'\($0)'" }.joined(separator: ", ") + " and 'column'"
    guard has("partition") else {
      if hasClasses { return .standard }
      throw error(
        at: "partition", found: "no such key", expected: "a mapping of one of \(list), for data without classes")
    }
    let section = try section("partition", keys: keys)
    let chosen = keys.filter { section.has($0) }
    guard chosen.count == 1 else {
      throw error(
        at: "partition", found: chosen.isEmpty ? "no partitioner" : chosen.map { "'\($0)'" }.joined(separator: " and "),
        expected: "exactly one of \(list)")
    }
    guard usable.contains(chosen[0]) else {
      throw section.error(at: chosen[0], found: "data without classes", expected: "one of \(list)")
    }
    switch chosen[0] {
    case "iid":
      guard try section.truth("iid", default: false) else {
        throw section.error(at: "iid", found: "false", expected: "true, or another partitioner")
      }
      return .iid
    case "dirichlet": return .dirichlet(alpha: try section.number("dirichlet", expected: "a number above 0") { $0 > 0 })
    case "shards": return .shards(perPart: try section.integer("shards", in: 1...DataPartition.shardsMax))
    case "quantity": return .quantity(alpha: try section.number("quantity", expected: "a number above 0") { $0 > 0 })
    default: return .column(try section.text("column", expected: "the name of a column"))
    }
  }
}
