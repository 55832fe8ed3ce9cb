import Cryptography
import Federation

/// What both sides know of an attempt before anyone has a key in it; `roundID` names it.
package struct AttemptContext: Sendable {
  package let attempt: AttemptID
  package let modelDigest: Digest
  package let configuration: RoundConfiguration
  package let configurationDigest: Digest
  package let roundID: Digest
  package let membership: MembershipList
  package let coordinatorKey: SigningPublicKey
  /// Seconds since 1970-01-01 UTC at the offer: the moment at which certificates must be valid.
  package let now: UInt64
  package let computations: any RoundComputations

  /// The coordinator's name on the membership list.
  var coordinator: WorkerID {
    membership.members.first { $0.certificate.signingKey == coordinatorKey }?.certificate.name
      ?? WorkerID(unchecked: "coordinator")
  }

  package init(
    attempt: AttemptID, modelDigest: Digest, configuration: RoundConfiguration, membership: MembershipList,
    coordinatorKey: SigningPublicKey, now: UInt64, computations: any RoundComputations = DirectComputations()
  ) {
    self.attempt = attempt
    self.modelDigest = modelDigest
    self.configuration = configuration
    self.configurationDigest = configuration.digest
    self.membership = membership
    self.coordinatorKey = coordinatorKey
    self.now = now
    self.computations = computations
    self.roundID = Transcript.roundID(
      federation: membership.federation, attemptID: attempt, modelDigest: modelDigest,
      configurationDigest: configurationDigest)
  }
}

/// The stages of secure aggregation, each with a deadline (Bonawitz et al. 2017, Figure 1).
package enum SecureAggregationStage: UInt8, Sendable, CaseIterable, Comparable {
  case advertiseKeys, shareKeys, checkShares, maskedInput, consistencyCheck, unmask

  package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

  /// How long the coordinator waits in this stage, from the configuration.
  package func deadline(in configuration: RoundConfiguration) -> Duration {
    switch self {
    case .advertiseKeys: .milliseconds(Int64(clamping: configuration.advertDeadline))
    case .shareKeys, .checkShares: .milliseconds(Int64(clamping: configuration.shareDeadline))
    case .maskedInput: .milliseconds(Int64(clamping: configuration.inputDeadline))
    case .consistencyCheck: .milliseconds(Int64(clamping: configuration.agreeDeadline))
    case .unmask: .milliseconds(Int64(clamping: configuration.unmaskDeadline))
    }
  }
}
