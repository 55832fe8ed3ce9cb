import Federation

/// The fields of a configuration by their numbers.
enum ConfigurationField: UInt16, CaseIterable {
  case protocolVersion = 1, suite, mode, maximumRoster, corruptionRule, gamma, delta, minimumCohort
  case minimumOrganisations, organisationCap, minimumHonestSum, completeGraphLimit, sparseTable, goalCount
  case overSelection
  case vectorLength = 20, ringBits, rotation, clip, maximumWeight, rangeFailure, auxiliaryLayout, chunkElements
  case advertDeadline = 40, shareDeadline, inputDeadline, agreeDeadline, unmaskDeadline
  case issuanceLog = 50, revocationList
  case privacyMechanism = 60, noiseMultiplier, roundingBeta, privacyDelta, privacyRounds, noiseCorruptionRule
  case strategy = 80, optimizer, learningRate, localEpochs, batchSize, momentum, weightDecay, proximal, trainer

  enum Kind: UInt8 {
    case integer = 1, double, text, bytes, ratio, list
  }

  var kind: Kind {
    switch self {
    case .gamma, .delta, .organisationCap, .overSelection: .ratio
    case .clip, .rangeFailure, .noiseMultiplier, .roundingBeta, .privacyDelta, .learningRate, .momentum, .weightDecay,
      .proximal:
      .double
    case .auxiliaryLayout: .list
    case .issuanceLog, .revocationList, .trainer: .bytes
    case .strategy, .optimizer: .text
    default: .integer  // Every other field counts something.
    }
  }

  static let privacyBlock: Set<ConfigurationField> = [
    .privacyMechanism, .noiseMultiplier, .roundingBeta, .privacyDelta, .privacyRounds, .noiseCorruptionRule,
  ]
  static let optional = privacyBlock.union([
    .goalCount, .overSelection, .momentum, .weightDecay, .proximal, .trainer,
  ])
  static let required = Set(allCases).subtracting(optional)
}

/// Writes fields; leaves out those without a value. The caller keeps the ascending order.
struct FieldWriter {
  private var out = CanonicalBytes()
  var bytes: [UInt8] { out.bytes }

  mutating func integer(_ field: ConfigurationField, _ value: UInt64?) {
    write(field, value) { $0.append($1) }
  }
  mutating func double(_ field: ConfigurationField, _ value: Double?) {
    write(field, value) { $0.append($1) }
  }
  mutating func text(_ field: ConfigurationField, _ value: String?) {
    write(field, value) { $0.append(raw: $1.utf8) }
  }
  mutating func bytes(_ field: ConfigurationField, _ value: [UInt8]?) {
    write(field, value) { $0.append(raw: $1) }
  }
  mutating func ratio(_ field: ConfigurationField, _ value: RoundConfiguration.Ratio?) {
    write(field, value) {
      $0.append($1.numerator)
      $0.append($1.denominator)
    }
  }
  mutating func list(_ field: ConfigurationField, _ values: [UInt16]) {
    write(field, values) { out, values in values.forEach { out.append($0) } }
  }

  private mutating func write<T>(
    _ field: ConfigurationField, _ value: T?, _ append: (inout CanonicalBytes, T) -> Void
  ) {
    guard let value else { return }
    var content = CanonicalBytes()
    append(&content, value)
    out.append(field.rawValue)
    out.append(field.kind.rawValue)
    out.append(prefixed: content.bytes)
  }
}

/// The raw values of a configuration, checked for order, type, size and completeness.
struct FieldReader {
  private static let textByteCountMax = 256
  private var values: [ConfigurationField: [UInt8]] = [:]

  init(_ bytes: [UInt8]) throws(Refusal) {
    var reader = CanonicalReader(bytes)
    var last: UInt16 = 0
    while !reader.isAtEnd {
      guard let number: UInt16 = reader.readInteger(), let type: UInt8 = reader.readInteger(),
        let value = reader.readPrefixed()
      else { throw .truncated }
      guard number > last else { throw .fieldOrder }
      guard let field = ConfigurationField(rawValue: number) else { throw .unknownField }
      guard type == field.kind.rawValue else { throw .fieldType }
      guard Self.hasSize(field, value.count) else { throw .fieldSize }
      last = number
      values[field] = value
    }
    guard ConfigurationField.required.isSubset(of: values.keys) else { throw .missingField }
    let privacy = ConfigurationField.privacyBlock
    guard privacy.isDisjoint(with: values.keys) || privacy.isSubset(of: values.keys) else { throw .missingField }
  }

  private static func hasSize(_ field: ConfigurationField, _ count: Int) -> Bool {
    switch field.kind {
    case .integer, .double, .ratio: count == 8
    case .text: count <= textByteCountMax
    case .bytes: count == Digest.byteCount  // All of them are digests.
    case .list: count % 2 == 0
    }
  }

  func contains(_ field: ConfigurationField) -> Bool { values[field] != nil }

  func integer(_ field: ConfigurationField) throws(Refusal) -> UInt64 {
    guard let value = optionalInteger(field) else { throw .missingField }
    return value
  }
  func optionalInteger(_ field: ConfigurationField) -> UInt64? {
    var reader = reader(field)
    return reader?.readInteger()
  }

  func double(_ field: ConfigurationField) throws(Refusal) -> Double {
    guard let value = try optionalDouble(field) else { throw .missingField }
    return value
  }
  /// - Throws: `fieldValue` for NaN or infinity.
  func optionalDouble(_ field: ConfigurationField) throws(Refusal) -> Double? {
    guard let value = optionalInteger(field).map(Double.init(bitPattern:)) else { return nil }
    guard value.isFinite else { throw .fieldValue }
    return value
  }

  func ratio(_ field: ConfigurationField) throws(Refusal) -> RoundConfiguration.Ratio {
    guard let value = try optionalRatio(field) else { throw .missingField }
    return value
  }
  /// - Throws: `fieldValue` for a denominator of 0.
  func optionalRatio(_ field: ConfigurationField) throws(Refusal) -> RoundConfiguration.Ratio? {
    guard var reader = reader(field), let numerator: UInt32 = reader.readInteger(),
      let denominator: UInt32 = reader.readInteger()
    else { return nil }
    guard denominator > 0 else { throw .fieldValue }
    return RoundConfiguration.Ratio(numerator, denominator)
  }

  func digest(_ field: ConfigurationField) throws(Refusal) -> Digest {
    guard let value = try optionalDigest(field) else { throw .missingField }
    return value
  }
  func optionalDigest(_ field: ConfigurationField) throws(Refusal) -> Digest? {
    guard let value = values[field] else { return nil }
    guard let digest = Digest(value) else { throw .fieldSize }
    return digest
  }

  /// - Throws: `fieldValue` unless the bytes are UTF-8.
  func text(_ field: ConfigurationField) throws(Refusal) -> String {
    guard let value = values[field] else { throw .missingField }
    guard let text = String(validating: value, as: UTF8.self) else { throw .fieldValue }
    return text
  }

  func flag(_ field: ConfigurationField) throws(Refusal) -> Bool {
    let value = try integer(field)
    guard value <= 1 else { throw .fieldValue }
    return value == 1
  }

  func choice<T: RawRepresentable<UInt64>>(_ field: ConfigurationField) throws(Refusal) -> T {
    guard let value = T(rawValue: try integer(field)) else { throw .fieldValue }
    return value
  }

  func layout(_ field: ConfigurationField) throws(Refusal) -> [RoundConfiguration.AuxiliaryField] {
    guard var reader = reader(field) else { throw .missingField }
    var layout: [RoundConfiguration.AuxiliaryField] = []
    while let code: UInt16 = reader.readInteger() {
      guard let entry = RoundConfiguration.AuxiliaryField(rawValue: code) else { throw .fieldValue }
      layout.append(entry)
    }
    return layout
  }

  private func reader(_ field: ConfigurationField) -> CanonicalReader? { values[field].map { CanonicalReader($0) } }
}
