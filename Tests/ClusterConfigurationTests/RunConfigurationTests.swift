import ClusterConfiguration
import Cryptography
import Federation
import GradientKernel
import SecureAggregation
import Testing

@Suite("Run configuration")
struct RunConfigurationTests {
  @Test("A short run file has the specification's defaults")
  func defaults() throws {
    let run = try RunConfiguration.read(file(shortRun))
    #expect(run.name == "digits")
    #expect(run.model.architecture.description == "mlp 64-128-10")
    #expect(run.aggregation == .secure)
    #expect(run.strategy == .published)
    #expect(run.strategy.serverLearningRate == 1)
    #expect(run.maximumWeight == 1024)
    #expect(run.cohort.organisationCap == RoundConfiguration.Ratio(1, 3))
    #expect(run.cohort.goal == nil)
    #expect(run.holdOut == 0.2)
    #expect(run.maximumAttempts == 3)
    #expect(run.deadlines.input == .seconds(600))
    #expect(run.suite == .aes128)
    #expect(run.mode == .malicious)
  }

  @Test("Every key that is written is read")
  func everyKey() throws {
    let text = """
      name: long
      model: {name: m, architecture: mlp 4-3, seed: 9}
      data: {features: 4, classes: 3, scale: 16}
      rounds: 7
      aggregation: plain
      strategy: {name: fedavg, server-learning-rate: 0.5}
      training: {learning-rate: 0.2, local-epochs: 3, batch-size: 8, momentum: 0.9, weight-decay: 1e-4, proximal: 0.01}
      clip: 2.5
      maximum-weight: 200
      cohort:
        minimum: 6
        goal: 8
        over-selection: 1.25
        minimum-organisations: 2
        organisation-cap: 1/2
        minimum-honest-sum: 2
      suite: aes-256
      mode: semi-honest
      deadlines: {advert: 500ms, share: 2s, input: 5m, agree: 1s, unmask: 3s}
      seed: 18446744073709551615
      hold-out: 0
      maximum-attempts: 5
      """
    let run = try RunConfiguration.read(file(text))
    let membership = MembershipList(
      federation: "f", authorityKey: SigningPublicKey(unchecked: [UInt8](repeating: 7, count: 32)), members: [])
    let rules = run.roundConfiguration(vectorLength: 15, membership: membership)
    #expect(run.aggregation == .plain)
    #expect(run.seed == .max)
    #expect(run.model.seed == 9)
    #expect(run.data.scale == 16)
    #expect(run.strategy.serverLearningRate == 0.5)
    #expect(run.maximumAttempts == 5)
    #expect(rules.vectorLength == 15)
    #expect(rules.suite == .aes256)
    #expect(rules.mode == .semiHonest)
    #expect(rules.minimumCohort == 6)
    #expect(rules.goalCount == 8)
    #expect(rules.overSelection == RoundConfiguration.Ratio(5, 4))
    #expect(rules.organisationCap == RoundConfiguration.Ratio(1, 2))
    #expect(rules.minimumOrganisations == 2)
    #expect(rules.minimumHonestSum == 2)
    #expect(rules.clip == 2.5)
    #expect(rules.maximumWeight == 200)
    #expect(rules.advertDeadline == 500)
    #expect(rules.inputDeadline == 300_000)
    #expect(rules.unmaskDeadline == 3_000)
    #expect(rules.learningRate == 0.2)
    #expect(rules.localEpochs == 3)
    #expect(rules.batchSize == 8)
    #expect(rules.momentum == 0.9)
    #expect(rules.weightDecay == 1e-4)
    #expect(rules.proximal == 0.01)
    #expect(rules.issuanceLog.bytes == SHA256.hash(membership.issuanceLogBytes))
    #expect(rules.revocationList.bytes == SHA256.hash(membership.revocationListBytes))
  }

  @Test("The rules of a run have canonical bytes that read back as the same rules")
  func rulesRoundTrip() throws {
    let membership = MembershipList(
      federation: "f", authorityKey: SigningPublicKey(unchecked: [UInt8](repeating: 7, count: 32)), members: [])
    let rules = try RunConfiguration.read(file(shortRun)).roundConfiguration(vectorLength: 9610, membership: membership)
    #expect(try RoundConfiguration(canonicalBytes: rules.canonicalBytes) == rules)
  }

  @Test("An evaluation-only round carries no update")
  func evaluationOnly() throws {
    let membership = MembershipList(
      federation: "f", authorityKey: SigningPublicKey(unchecked: [UInt8](repeating: 7, count: 32)), members: [])
    let rules = try RunConfiguration.read(file(shortRun))
      .roundConfiguration(vectorLength: 9610, membership: membership, evaluationOnly: true)
    #expect(rules.vectorLength == 0)
  }
}
