import Federation

extension RoundConfiguration {
  /// `configDigest`.
  package var digest: Digest {
    var out = CanonicalBytes(label: "config")
    out.append(prefixed: canonicalBytes)
    return .sha256(of: out.bytes)
  }

  /// Every field in ascending order of its number: `u16 number ‖ u8 type ‖ LP(value)`.
  package var canonicalBytes: [UInt8] {
    var out = FieldWriter()
    out.integer(.protocolVersion, protocolVersion)
    out.integer(.suite, suite.rawValue)
    out.integer(.mode, mode.rawValue)
    out.integer(.maximumRoster, maximumRoster)
    out.integer(.corruptionRule, corruptionRule)
    out.ratio(.gamma, gamma)
    out.ratio(.delta, delta)
    out.integer(.minimumCohort, minimumCohort)
    out.integer(.minimumOrganisations, minimumOrganisations)
    out.ratio(.organisationCap, organisationCap)
    out.integer(.minimumHonestSum, minimumHonestSum)
    out.integer(.completeGraphLimit, completeGraphLimit)
    out.integer(.sparseTable, sparseTable)
    out.integer(.goalCount, goalCount)
    out.ratio(.overSelection, overSelection)
    out.integer(.vectorLength, vectorLength)
    out.integer(.ringBits, ringBits)
    out.integer(.rotation, rotation ? 1 : 0)
    out.double(.clip, clip)
    out.integer(.maximumWeight, maximumWeight)
    out.double(.rangeFailure, rangeFailure)
    out.list(.auxiliaryLayout, auxiliaryLayout.map(\.rawValue))
    out.integer(.chunkElements, chunkElements)
    out.integer(.advertDeadline, advertDeadline)
    out.integer(.shareDeadline, shareDeadline)
    out.integer(.inputDeadline, inputDeadline)
    out.integer(.agreeDeadline, agreeDeadline)
    out.integer(.unmaskDeadline, unmaskDeadline)
    out.bytes(.issuanceLog, issuanceLog.bytes)
    out.bytes(.revocationList, revocationList.bytes)
    out.integer(.privacyMechanism, privacy?.mechanism)
    out.double(.noiseMultiplier, privacy?.noiseMultiplier)
    out.double(.roundingBeta, privacy?.roundingBeta)
    out.double(.privacyDelta, privacy?.delta)
    out.integer(.privacyRounds, privacy?.rounds)
    out.integer(.noiseCorruptionRule, privacy?.noiseCorruptionRule)
    out.text(.strategy, strategy)
    out.text(.optimizer, optimizer)
    out.double(.learningRate, learningRate)
    out.integer(.localEpochs, localEpochs)
    out.integer(.batchSize, batchSize)
    out.double(.momentum, momentum)
    out.double(.weightDecay, weightDecay)
    out.double(.proximal, proximal)
    out.bytes(.trainer, trainer?.bytes)
    return out.bytes
  }

  /// Reads `canonicalBytes`; what it accepts, it writes again byte for byte.
  ///
  /// - Throws: in this order for each field `truncated`, `fieldOrder`, `unknownField`, `fieldType`, `fieldSize`; then
  ///   `missingField` (also for half a privacy block), then `fieldValue` for a value outside its range.
  package init(canonicalBytes: [UInt8]) throws(Refusal) {
    let fields = try FieldReader(canonicalBytes)
    self.init(
      vectorLength: try fields.integer(.vectorLength), issuanceLog: try fields.digest(.issuanceLog),
      revocationList: try fields.digest(.revocationList))
    protocolVersion = try fields.integer(.protocolVersion)
    suite = try fields.choice(.suite)
    mode = try fields.choice(.mode)
    maximumRoster = try fields.integer(.maximumRoster)
    corruptionRule = try fields.integer(.corruptionRule)
    gamma = try fields.ratio(.gamma)
    delta = try fields.ratio(.delta)
    minimumCohort = try fields.integer(.minimumCohort)
    minimumOrganisations = try fields.integer(.minimumOrganisations)
    organisationCap = try fields.ratio(.organisationCap)
    minimumHonestSum = try fields.integer(.minimumHonestSum)
    completeGraphLimit = try fields.integer(.completeGraphLimit)
    sparseTable = try fields.integer(.sparseTable)
    goalCount = fields.optionalInteger(.goalCount)
    overSelection = try fields.optionalRatio(.overSelection)
    ringBits = try fields.integer(.ringBits)
    rotation = try fields.flag(.rotation)
    clip = try fields.double(.clip)
    maximumWeight = try fields.integer(.maximumWeight)
    rangeFailure = try fields.double(.rangeFailure)
    auxiliaryLayout = try fields.layout(.auxiliaryLayout)
    chunkElements = try fields.integer(.chunkElements)
    advertDeadline = try fields.integer(.advertDeadline)
    shareDeadline = try fields.integer(.shareDeadline)
    inputDeadline = try fields.integer(.inputDeadline)
    agreeDeadline = try fields.integer(.agreeDeadline)
    unmaskDeadline = try fields.integer(.unmaskDeadline)
    if fields.contains(.privacyMechanism) {
      privacy = Privacy(
        mechanism: try fields.integer(.privacyMechanism), noiseMultiplier: try fields.double(.noiseMultiplier),
        roundingBeta: try fields.double(.roundingBeta), delta: try fields.double(.privacyDelta),
        rounds: try fields.integer(.privacyRounds), noiseCorruptionRule: try fields.integer(.noiseCorruptionRule))
    }
    strategy = try fields.text(.strategy)
    optimizer = try fields.text(.optimizer)
    learningRate = try fields.double(.learningRate)
    localEpochs = try fields.integer(.localEpochs)
    batchSize = try fields.integer(.batchSize)
    momentum = try fields.optionalDouble(.momentum)
    weightDecay = try fields.optionalDouble(.weightDecay)
    proximal = try fields.optionalDouble(.proximal)
    trainer = try fields.optionalDigest(.trainer)
    guard hasAllowedValues else { throw .fieldValue }
  }

  /// Whether bytes that `init(canonicalBytes:)` refuses name the reserved suite, which deserves an answer of its own.
  package static func namesReservedSuite(_ canonicalBytes: [UInt8]) -> Bool {
    (try? FieldReader(canonicalBytes))?.optionalInteger(.suite) == Suite.reserved
  }

  /// Largest numbers that a configuration may hold, so that no arithmetic on them can overflow.
  private static let vectorLengthMax: UInt64 = 1 << 36
  private static let maximumWeightMax: UInt64 = 1 << 32
  private static let rosterMax: UInt64 = 10_000
  private static let chunkElementsMax: UInt64 = 65_536
  private static let millisecondsMax: UInt64 = 7 * 24 * 3_600_000

  /// Whether every value lies in the range that the specification gives its field.
  private var hasAllowedValues: Bool {
    let deadlines = [advertDeadline, shareDeadline, inputDeadline, agreeDeadline, unmaskDeadline]
    return protocolVersion == 1 && corruptionRule == 1 && sparseTable == 1 && completeGraphLimit == 256
      && (2...Self.rosterMax).contains(maximumRoster) && [16, 24, 32].contains(ringBits)
      && vectorLength <= Self.vectorLengthMax && (1...Self.maximumWeightMax).contains(maximumWeight)
      && clip > 0 && clip.isFinite && rangeFailure > 0 && rangeFailure < 1
      && (16...Self.chunkElementsMax).contains(chunkElements) && chunkElements % 16 == 0
      && deadlines.allSatisfy { (1...Self.millisecondsMax).contains($0) }
      && !auxiliaryLayout.isEmpty && Set(auxiliaryLayout).count == auxiliaryLayout.count
  }
}
