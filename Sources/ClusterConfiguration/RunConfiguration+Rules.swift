import Aggregation
import Cryptography
import Federation
import GradientKernel
import Tensors

extension RunConfiguration {
  /// The rules of an attempt under this run, as every worker sees and signs them.
  ///
  /// - Parameters:
  ///   - vectorLength: d, the number of F32 elements of the model.
  ///   - membership: the federation's list, whose digests the rules carry.
  ///   - evaluationOnly: a round that carries the auxiliary vector alone.
  package func roundConfiguration(vectorLength: UInt64, membership: MembershipList, evaluationOnly: Bool = false)
    -> RoundConfiguration
  {
    rules(
      strategy(in: membership), vectorLength: evaluationOnly ? 0 : vectorLength,
      issuanceLog: Digest(unchecked: SHA256.hash(membership.issuanceLogBytes)),
      revocationList: Digest(unchecked: SHA256.hash(membership.revocationListBytes)))
  }

  /// The rules of a training attempt before there is a federation: its lists have the digest of nothing.
  package var rulesWithoutMembership: RoundConfiguration {
    let nothing = Digest(unchecked: SHA256.hash([]))
    return rules(
      strategy, vectorLength: UInt64(model.architecture.layout.count), issuanceLog: nothing, revocationList: nothing)
  }

  private func rules(
    _ strategy: Strategy, vectorLength: UInt64, issuanceLog: Digest, revocationList: Digest
  ) -> RoundConfiguration {
    var rules = RoundConfiguration(
      vectorLength: vectorLength, issuanceLog: issuanceLog, revocationList: revocationList)
    rules.maximumRoster = cohort.maximum
    rules.ringBits = encoding.ringBits
    rules.rotation = encoding.isRotated
    rules.suite = suite
    rules.mode = mode
    rules.minimumCohort = cohort.minimum
    rules.minimumOrganisations = cohort.minimumOrganisations
    rules.organisationCap = cohort.organisationCap
    rules.minimumHonestSum = cohort.minimumHonestSum
    rules.goalCount = cohort.goal
    rules.overSelection = cohort.overSelection
    rules.clip = clip
    rules.maximumWeight = maximumWeight
    rules.advertDeadline = Self.milliseconds(deadlines.advert)
    rules.shareDeadline = Self.milliseconds(deadlines.share)
    rules.inputDeadline = Self.milliseconds(deadlines.input)
    rules.agreeDeadline = Self.milliseconds(deadlines.agree)
    rules.unmaskDeadline = Self.milliseconds(deadlines.unmask)
    rules.strategy = strategy.description
    rules.auxiliaryLayout += strategy.auxiliaryFields
    rules.optimizer = strategy.optimizer.name
    rules.learningRate = training.learningRate
    rules.localEpochs = training.localEpochs
    rules.batchSize = training.batchSize
    rules.momentum = training.momentum
    rules.weightDecay = training.weightDecay
    rules.proximal = training.proximal
    return rules
  }

  private static func milliseconds(_ duration: Duration) -> UInt64 {
    let (seconds, attoseconds) = duration.components
    return UInt64(clamping: seconds * 1_000 + attoseconds / 1_000_000_000_000_000)
  }
}
