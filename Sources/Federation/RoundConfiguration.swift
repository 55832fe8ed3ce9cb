/// The rules of one attempt, as every worker sees and signs them: `configDigest` is the SHA-256 of their canonical form.
///
/// Only rules (ruling A2): thresholds, quorum, degree, value bits and range follow from the roster and are computed by
/// each side. Field numbers, types and order: Protocols/secure-aggregation.md, "Configuration".
package struct RoundConfiguration: Hashable, Sendable {
  package enum Suite: UInt64, Sendable, CaseIterable {
    /// X25519, HKDF-SHA256, AES-128-CTR, ChaCha20-Poly1305, Ed25519.
    case aes128 = 1
    /// As suite 1 with AES-256-CTR masks.
    case aes256 = 2

    /// Kept for the hybrid with ML-KEM (ruling A14); no peer may use it yet.
    package static let reserved: UInt64 = 3
    /// What a refusal of it says.
    package static let reservedMeaning =
      "suite 3, the hybrid against quantum computers, is reserved and not carried out by this version"
  }

  /// Whether the survivors certify who is in the sum before shares are released.
  package enum Mode: UInt64, Sendable, CaseIterable {
    case malicious = 1
    case semiHonest = 2
  }

  /// `numerator / denominator`, compared in integers.
  package struct Ratio: Hashable, Sendable {
    package let numerator: UInt32
    package let denominator: UInt32
    package init(_ numerator: UInt32, _ denominator: UInt32) {
      self.numerator = numerator
      self.denominator = denominator
    }
  }

  /// One entry of the auxiliary vector, by its layout code.
  package enum AuxiliaryField: UInt16, Sendable, CaseIterable {
    case weight = 1
    case one = 2
    case clipped = 3
    case lossSum = 4
    case correct = 5
    case evaluated = 6
    case saturated = 7
    /// Sixteen elements, one-hot.
    case normHistogram = 8
    /// Weight times normaliser of the local steps, `w_k·‖a_k‖₁` (FedNova).
    case weightedSteps = 9
    /// `h_k ÷ L` (q-FedAvg).
    case fairness = 10

    /// What a run carries unless it says otherwise, in order.
    package static let standard: [AuxiliaryField] = [
      .weight, .one, .clipped, .lossSum, .correct, .evaluated, .saturated,
    ]

    /// The name in configuration files and refusals.
    package var name: String {
      switch self {
      case .weight: "weight"
      case .one: "one"
      case .clipped: "clipped"
      case .lossSum: "loss-sum"
      case .correct: "correct"
      case .evaluated: "evaluated"
      case .saturated: "saturated"
      case .normHistogram: "norm-histogram"
      case .weightedSteps: "weighted-steps"
      case .fairness: "fairness"
      }
    }

    /// How many elements of the vector the field takes.
    package var elementCount: Int { self == .normHistogram ? 16 : 1 }
  }

  /// Distributed noise; all of its fields or none are in a configuration.
  package struct Privacy: Hashable, Sendable {
    package var mechanism: UInt64
    package var noiseMultiplier: Double
    package var roundingBeta: Double
    package var delta: Double
    package var rounds: UInt64
    package var noiseCorruptionRule: UInt64
    package init(
      mechanism: UInt64, noiseMultiplier: Double, roundingBeta: Double, delta: Double, rounds: UInt64,
      noiseCorruptionRule: UInt64
    ) {
      self.mechanism = mechanism
      self.noiseMultiplier = noiseMultiplier
      self.roundingBeta = roundingBeta
      self.delta = delta
      self.rounds = rounds
      self.noiseCorruptionRule = noiseCorruptionRule
    }
  }

  package var protocolVersion: UInt64 = 1
  package var suite: Suite = .aes128
  package var mode: Mode = .malicious
  package var maximumRoster: UInt64 = 256
  package var corruptionRule: UInt64 = 1
  package var gamma = Ratio(1, 10)
  package var delta = Ratio(1, 10)
  package var minimumCohort: UInt64 = 3
  package var minimumOrganisations: UInt64 = 3
  package var organisationCap = Ratio(1, 3)
  package var minimumHonestSum: UInt64 = 3
  package var completeGraphLimit: UInt64 = 256
  package var sparseTable: UInt64 = 1
  package var goalCount: UInt64?
  package var overSelection: Ratio?
  /// d: elements of the update; 0 in an evaluation-only round, which carries the auxiliary vector alone.
  package var vectorLength: UInt64
  package var ringBits: UInt64 = 32
  package var rotation: Bool = false
  /// C: the L2 bound of an update.
  package var clip: Double = 1
  /// W_max, in examples.
  package var maximumWeight: UInt64 = 1024
  package var rangeFailure: Double = 1e-6
  package var auxiliaryLayout = AuxiliaryField.standard
  /// Elements in one chunk of an upload; half as many for 64-bit lanes.
  package var chunkElements: UInt64 = 65_536
  /// Deadlines in milliseconds.
  package var advertDeadline: UInt64 = 10_000
  package var shareDeadline: UInt64 = 10_000
  package var inputDeadline: UInt64 = 600_000
  package var agreeDeadline: UInt64 = 5_000
  package var unmaskDeadline: UInt64 = 15_000
  package var issuanceLog: Digest
  package var revocationList: Digest
  package var privacy: Privacy?
  package var strategy: String = "fedavg"
  package var optimizer: String = "sgd"
  package var learningRate: Double = 0.1
  package var localEpochs: UInt64 = 1
  package var batchSize: UInt64 = 32
  package var momentum: Double?
  package var weightDecay: Double?
  package var proximal: Double?
  package var trainer: Digest?

  /// The defaults of the specification, for an update of `vectorLength` elements.
  package init(vectorLength: UInt64, issuanceLog: Digest, revocationList: Digest) {
    self.vectorLength = vectorLength
    self.issuanceLog = issuanceLog
    self.revocationList = revocationList
  }

  /// Elements of the auxiliary vector.
  package var auxiliaryLength: Int { auxiliaryLayout.reduce(0) { $0 + $1.elementCount } }
}
