import Federation
import Tensors

extension Manifest {
  /// The manifest's bytes (Protocols/models.md, "Manifest").
  ///
  /// - Throws: `ManifestError` for values that no reader would accept.
  package func encoded() throws(ManifestError) -> [UInt8] {
    try check()
    var members: [String: CanonicalJSON] = [
      "aggregation": .string(aggregation.rawValue),
      "architecture": .string(architecture),
      "attempt": .number(Double(attempt.value)),
      "cohortSize": .number(Double(cohortSize)),
      "createdAt": .number(Double(createdAt)),
      "dataScale": .number(dataScale),
      "federation": .string(federation.text),
      "file": .object(["digest": .string(file.digest.hex), "size": .number(Double(file.byteCount))]),
      "format": .string(Self.format),
      "model": .string(model.text),
      "modelDigest": .string(modelDigest.hex),
      "round": .number(Double(round.value)),
      "run": .string(run.text),
      "signer": .string(signer.text),
      "tensors": .array(tensors.map(\.json)),
      "version": .number(Double(version.value)),
    ]
    if let parent { members["parent"] = .string(parent.hex) }
    if let configurationDigest { members["configurationDigest"] = .string(configurationDigest.hex) }
    if let parentMetrics {
      members["parentMetrics"] = .object([
        "correct": .number(Double(parentMetrics.correct)),
        "evaluated": .number(Double(parentMetrics.evaluated)),
        "lossSum": .number(parentMetrics.lossSum),
      ])
    }
    let bytes = CanonicalJSON.object(members).bytes
    guard bytes.count <= Self.byteCountMax else { throw .tooLarge(found: bytes.count, max: Self.byteCountMax) }
    return bytes
  }

  /// Reads a manifest that may come from anyone.
  package init(bytes: [UInt8]) throws(ManifestError) {
    guard bytes.count <= Self.byteCountMax else { throw .tooLarge(found: bytes.count, max: Self.byteCountMax) }
    var top = try ManifestObject(CanonicalJSONParser.parse(bytes), path: "")
    guard try top.string("format") == Self.format else { throw .badValue(key: "format", expected: "'\(Self.format)'") }
    let aggregation = try AggregationMode(rawValue: top.string("aggregation"))
    guard let aggregation else { throw .badValue(key: "aggregation", expected: "'secure' or 'plain'") }
    var file = try top.object("file")
    var metrics = try top.objectIfPresent("parentMetrics")
    var tensors: [Tensor] = []
    for item in try top.array("tensors", countMax: Self.tensorCountMax) { tensors.append(try Tensor(item)) }
    for (a, b) in zip(tensors, tensors.dropFirst())
    where !a.name.utf8.lexicographicallyPrecedes(b.name.utf8) {
      throw .badValue(key: "tensors", expected: "a list sorted by name, each name once")
    }
    try self.init(
      federation: top.name("federation"), model: top.name("model"), version: ModelVersion(top.integer("version")),
      parent: top.digestIfPresent("parent"), run: top.name("run"), round: RoundNumber(top.integer("round")),
      attempt: AttemptNumber(UInt32(top.integer("attempt", max: UInt64(UInt32.max)))), aggregation: aggregation,
      configurationDigest: top.digestIfPresent("configurationDigest"), cohortSize: top.integer("cohortSize"),
      parentMetrics: Self.metrics(&metrics), architecture: top.string("architecture"),
      dataScale: top.number("dataScale"), modelDigest: top.digest("modelDigest"), tensors: tensors,
      file: File(digest: file.digest("digest"), byteCount: file.integer("size")),
      createdAt: top.integer("createdAt"), signer: top.name("signer"))
    try file.finish()
    try metrics?.finish()
    try top.finish()
    try check()
  }

  private static func metrics(_ object: inout ManifestObject?) throws(ManifestError) -> RoundMetrics? {
    guard object != nil else { return nil }
    return try RoundMetrics(
      lossSum: object?.number("lossSum") ?? 0, correct: object?.integer("correct") ?? 0,
      evaluated: object?.integer("evaluated") ?? 0)
  }

  /// What holds of every manifest beyond the types of its values.
  private func check() throws(ManifestError) {
    let integers = [
      ("attempt", UInt64(attempt.value)), ("cohortSize", cohortSize), ("createdAt", createdAt),
      ("round", round.value), ("size", file.byteCount), ("version", version.value),
    ]
    for (key, value) in integers where value > CanonicalJSON.integerMax {
      throw .badValue(key: key, expected: "an integer below 2^53")
    }
    guard Self.isText(architecture, countMax: Self.architectureCountMax) else {
      throw .badValue(key: "architecture", expected: Self.expected(countMax: Self.architectureCountMax))
    }
    guard dataScale.isFinite, dataScale > 0 else {
      throw .badValue(key: "dataScale", expected: "a number above 0")
    }
    if let parentMetrics {
      guard parentMetrics.lossSum.isFinite, parentMetrics.correct <= parentMetrics.evaluated,
        parentMetrics.evaluated <= CanonicalJSON.integerMax
      else { throw .badValue(key: "parentMetrics", expected: "sums over evaluated examples") }
    }
    guard tensors.count <= Self.tensorCountMax else {
      throw .badValue(key: "tensors", expected: "at most \(Self.tensorCountMax) tensors")
    }
    for tensor in tensors { try tensor.check() }
    try checkLineage()
  }

  private func checkLineage() throws(ManifestError) {
    if version == 0 {
      guard parent == nil, configurationDigest == nil, parentMetrics == nil else {
        throw .badLineage("version 0 has no parent, no configuration and no metrics")
      }
      guard round == 0, attempt == 0, cohortSize == 0 else { throw .badLineage("version 0 comes from no round") }
    } else {
      guard parent != nil else { throw .badLineage("version \(version) needs a parent") }
      guard configurationDigest != nil else { throw .badLineage("version \(version) needs a configuration") }
      guard round >= 1, cohortSize >= 1 else { throw .badLineage("version \(version) needs a round and a cohort") }
    }
  }

  static func expected(countMax: Int) -> String {
    "1 to \(countMax) characters of printable ASCII without '\"' and '\\'"
  }

  static func isText(_ text: String, countMax: Int) -> Bool {
    !text.isEmpty && text.utf8.count <= countMax && CanonicalJSON.isPlain(text)
  }
}

extension Manifest.Tensor {
  fileprivate var json: CanonicalJSON {
    .object([
      "digest": .string(digest.hex), "dtype": .string(dtype.rawValue), "name": .string(name),
      "shape": .array(shape.map { .number(Double($0)) }), "size": .number(Double(byteCount)),
    ])
  }

  fileprivate init(_ json: CanonicalJSON) throws(ManifestError) {
    var object = try ManifestObject(json, path: "tensors")
    let name = try object.string("name")
    guard let dtype = try DType(rawValue: object.string("dtype")) else {
      throw .badValue(key: "tensors.dtype", expected: "a type of safetensors")
    }
    var shape: [Int] = []
    for item in try object.array("shape", countMax: Manifest.rankMax) {
      guard case .number(let value) = item, let count = Int(exactly: value), count >= 0 else {
        throw .badValue(key: "tensors.shape", expected: "a list of integers of at least 0")
      }
      shape.append(count)
    }
    try self.init(
      name: name, dtype: dtype, shape: shape, digest: object.digest("digest"), byteCount: object.integer("size"))
    try object.finish()
  }

  /// The number of bytes follows from shape and type.
  fileprivate func check() throws(ManifestError) {
    guard Manifest.isText(name, countMax: Manifest.textCountMax) else {
      throw .badValue(key: "tensors.name", expected: Manifest.expected(countMax: Manifest.textCountMax))
    }
    guard shape.count <= Manifest.rankMax, let elements = elementCount(ofShape: shape),
      case let (bytes, overflow) = elements.multipliedReportingOverflow(by: dtype.byteCount), !overflow,
      bytes <= Int(CanonicalJSON.integerMax), shape.allSatisfy({ $0 <= Int(CanonicalJSON.integerMax) })
    else { throw .badValue(key: "tensors.shape", expected: "at most \(Manifest.rankMax) dimensions, below 2^53 bytes") }
    guard byteCount == UInt64(bytes) else {
      throw .badValue(key: "tensors.size", expected: "\(bytes), which shape and type of '\(name)' say")
    }
  }
}

/// One object of a manifest whose members are taken out one by one; what is left over is unknown.
private struct ManifestObject {
  private var members: [String: CanonicalJSON]
  private let path: String

  init(_ json: CanonicalJSON, path: String) throws(ManifestError) {
    guard case .object(let members) = json else {
      throw .badValue(key: path.isEmpty ? "manifest" : path, expected: "an object")
    }
    self.members = members
    self.path = path
  }

  private func dotted(_ key: String) -> String { path.isEmpty ? key : path + "." + key }

  private mutating func take(_ key: String) throws(ManifestError) -> CanonicalJSON {
    guard let value = members.removeValue(forKey: key) else { throw .missingKey(dotted(key)) }
    return value
  }

  mutating func string(_ key: String) throws(ManifestError) -> String {
    guard case .string(let text) = try take(key) else { throw .badValue(key: dotted(key), expected: "a string") }
    return text
  }

  mutating func number(_ key: String) throws(ManifestError) -> Double {
    guard case .number(let value) = try take(key) else { throw .badValue(key: dotted(key), expected: "a number") }
    return value
  }

  mutating func integer(_ key: String, max: UInt64 = CanonicalJSON.integerMax) throws(ManifestError) -> UInt64 {
    guard let value = UInt64(exactly: try number(key)), value <= max else {
      throw .badValue(key: dotted(key), expected: "an integer from 0 to \(max)")
    }
    return value
  }

  mutating func name<N: Name>(_ key: String) throws(ManifestError) -> N {
    guard let name = N(try string(key)) else { throw .badValue(key: dotted(key), expected: "a name") }
    return name
  }

  mutating func digest(_ key: String) throws(ManifestError) -> Digest {
    let text = try string(key)
    // One digest has one spelling: lower case.
    guard let digest = Digest(hex: text), digest.hex == text else {
      throw .badValue(key: dotted(key), expected: "64 hexadecimal digits in lower case")
    }
    return digest
  }

  mutating func digestIfPresent(_ key: String) throws(ManifestError) -> Digest? {
    members[key] == nil ? nil : try digest(key)
  }

  mutating func object(_ key: String) throws(ManifestError) -> ManifestObject {
    try ManifestObject(take(key), path: dotted(key))
  }

  mutating func objectIfPresent(_ key: String) throws(ManifestError) -> ManifestObject? {
    members[key] == nil ? nil : try object(key)
  }

  mutating func array(_ key: String, countMax: Int) throws(ManifestError) -> [CanonicalJSON] {
    guard case .array(let items) = try take(key), items.count <= countMax else {
      throw .badValue(key: dotted(key), expected: "a list of at most \(countMax)")
    }
    return items
  }

  /// - Throws: `unknownKey` for the first member, by name, that was not taken.
  func finish() throws(ManifestError) {
    if let key = members.keys.min(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) { throw .unknownKey(dotted(key)) }
  }
}
