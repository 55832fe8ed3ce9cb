import Federation
import SecureAggregation

/// The fields of a configuration by number, and the tensors of a model.
enum ConfigurationVectors {
  static func check(
    _ fields: VectorValue, _ configuration: RoundConfiguration, _ checker: inout Checker
  ) throws(ConformanceError) {
    for field in try fields.items {
      let value = try field["value"]
      guard let found = self.value(of: try field["field"].int, in: configuration) else {
        checker.fail(value.path, expected: "a field of this specification", found: "\(try field["field"].int)")
        continue
      }
      switch found {
      case .integer(let number):
        try checker.integer(value, number)
      case .number(let number): try checker.number(value, number)
      case .text(let text): try checker.text(value, text)
      case .bytes(let digest): try checker.bytes(value, digest)
      case .list(let numbers): try checker.integers(value, numbers)
      }
    }
  }

  private enum Value {
    case integer(Int64)
    case number(Double)
    case text(String)
    case bytes(Digest)
    case list([Int64])

    init?(_ value: UInt64?) {
      guard let value else { return nil }
      self = .integer(Int64(clamping: value))
    }
    init?(_ value: Double?) {
      guard let value else { return nil }
      self = .number(value)
    }
    init?(_ value: RoundConfiguration.Ratio?) {
      guard let value else { return nil }
      self = .list([Int64(value.numerator), Int64(value.denominator)])
    }
  }

  private static func value(of number: Int, in c: RoundConfiguration) -> Value? {
    switch number {
    case 1: Value(c.protocolVersion)
    case 2: Value(c.suite.rawValue)
    case 3: Value(c.mode.rawValue)
    case 4: Value(c.maximumRoster)
    case 5: Value(c.corruptionRule)
    case 6: Value(c.gamma)
    case 7: Value(c.delta)
    case 8: Value(c.minimumCohort)
    case 9: Value(c.minimumOrganisations)
    case 10: Value(c.organisationCap)
    case 11: Value(c.minimumHonestSum)
    case 12: Value(c.completeGraphLimit)
    case 13: Value(c.sparseTable)
    case 14: Value(c.goalCount)
    case 15: Value(c.overSelection)
    case 20: Value(c.vectorLength)
    case 21: Value(c.ringBits)
    case 22: Value(c.rotation ? 1 : 0 as UInt64)
    case 23: Value(c.clip)
    case 24: Value(c.maximumWeight)
    case 25: Value(c.rangeFailure)
    case 26: .list(c.auxiliaryLayout.map { Int64($0.rawValue) })
    case 27: Value(c.chunkElements)
    case 40: Value(c.advertDeadline)
    case 41: Value(c.shareDeadline)
    case 42: Value(c.inputDeadline)
    case 43: Value(c.agreeDeadline)
    case 44: Value(c.unmaskDeadline)
    case 50: .bytes(c.issuanceLog)
    case 51: .bytes(c.revocationList)
    case 60: Value(c.privacy?.mechanism)
    case 61: Value(c.privacy?.noiseMultiplier)
    case 62: Value(c.privacy?.roundingBeta)
    case 63: Value(c.privacy?.delta)
    case 64: Value(c.privacy?.rounds)
    case 65: Value(c.privacy?.noiseCorruptionRule)
    case 80: .text(c.strategy)
    case 81: .text(c.optimizer)
    case 82: Value(c.learningRate)
    case 83: Value(c.localEpochs)
    case 84: Value(c.batchSize)
    case 85: Value(c.momentum)
    case 86: Value(c.weightDecay)
    case 87: Value(c.proximal)
    case 88: c.trainer.map { .bytes($0) }
    default: nil
    }
  }

  private static let dtypes = [
    "BOOL", "U8", "I8", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "I64", "U64", "F64",
  ]

  static func tensor(_ json: VectorValue) throws(ConformanceError) -> DigestedTensor {
    guard let code = dtypes.firstIndex(of: try json["dtype"].text) else {
      throw try json["dtype"].malformed("no dtype of this specification")
    }
    let dims = try json["dims"].ints
    guard dims.count <= 255, dims.allSatisfy({ $0 >= 0 }) else { throw try json["dims"].malformed("not a shape") }
    return DigestedTensor(
      name: try json["name"].text, dtypeCode: UInt8(code + 1), dims: dims, bytes: try json["bytes"].bytes)
  }
}
