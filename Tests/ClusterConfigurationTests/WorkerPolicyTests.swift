import ClusterConfiguration
import Federation
import Rounds
import SecureAggregation
import Testing

@Suite("Worker's policy file")
struct WorkerPolicyTests {
  static let everyKey = """
    minimum-cohort: 7
    maximum-roster: 900
    minimum-organisations: 6
    organisation-cap: 1/5
    minimum-honest-sum: 4
    allow-pair: true
    suites: [aes-256]
    modes: [semi-honest, malicious]
    allow-plain: true
    allow-groups: true
    maximum-attempts-per-model: 2
    clip-maximum: 2.5
    weight-maximum: 512
    auxiliary-fields: [weight, one, norm-histogram]
    privacy:
      mechanism: skellam
      minimum-noise-multiplier: 1.5
      maximum-rounds: 40
      maximum-delta: 1e-6
    """

  @Test("Every key of the file reaches the law that the worker's core applies")
  func everyKeyIsApplied() throws {
    let law = try WorkerPolicy.read(file(Self.everyKey)).law
    var expected = Rounds.WorkerPolicy()
    expected.cohort.minimumCohort = 7
    expected.cohort.maximumRoster = 900
    expected.cohort.minimumOrganisations = 6
    expected.cohort.organisationCap = .init(1, 5)
    expected.cohort.minimumHonestSum = 4
    expected.cohort.allowPair = true
    expected.suites = [.aes256]
    expected.modes = [.malicious, .semiHonest]
    expected.allowPlain = true
    expected.allowGroups = true
    expected.maximumAttemptsPerModel = 2
    expected.clipMaximum = 2.5
    expected.weightMaximum = 512
    expected.auxiliaryFields = [.weight, .one, .normHistogram]
    expected.privacy = PrivacyRequirement(
      mechanism: .skellam, minimumNoiseMultiplier: 1.5, maximumRounds: 40, maximumDelta: 1e-6)
    #expect(law == expected)
  }

  @Test("A policy with every key has a text that reads back as it")
  func roundTrip() throws {
    let policy = try WorkerPolicy.read(file(Self.everyKey))
    #expect(try WorkerPolicy.read(file(policy.text)) == policy)
  }

  @Test(
    "The standard law is the strict one: three organisations, the certificate, no pair, no plain, no groups, no sparse graph"
  )
  func standard() {
    let law = WorkerPolicy.standard.law
    var expected = Rounds.WorkerPolicy()
    expected.cohort.maximumRoster = 256
    #expect(law == expected)
  }

  @Test(
    "A policy with a mistake is refused with its line and key",
    arguments: [
      ("minimum-cohort: 7", "minimum-cohort: 1", "p.yaml:1: key 'minimum-cohort': found 1"),
      (
        "maximum-roster: 900", "maximum-roster: 6",
        "p.yaml:1: key 'minimum-cohort': found 7, expected at most maximum-roster, 6"
      ),
      ("minimum-organisations: 6", "minimum-organisations: none", "p.yaml:3: key 'minimum-organisations'"),
      ("organisation-cap: 1/5", "organisation-cap: 2", "p.yaml:4: key 'organisation-cap'"),
      ("minimum-honest-sum: 4", "minimum-honest-sum: 0", "p.yaml:5: key 'minimum-honest-sum'"),
      ("allow-pair: true", "allow-pair: yes", "p.yaml:6: key 'allow-pair': found \"yes\", expected true or false"),
      ("[aes-256]", "[aes-512]", "p.yaml:7: key 'suites[0]': found \"aes-512\""),
      (
        "[aes-256]", "[hybrid]",
        "p.yaml:7: key 'suites[0]': found \"hybrid\", expected 'aes-128' or 'aes-256': suite 3, the hybrid against quantum "
          + "computers, is reserved and not carried out by this version"
      ),
      ("[semi-honest, malicious]", "[honest]", "p.yaml:8: key 'modes[0]'"),
      ("allow-plain: true", "allow-plain: 1", "p.yaml:9: key 'allow-plain'"),
      ("allow-groups: true", "allow-groups: 5", "p.yaml:10: key 'allow-groups'"),
      ("model: 2", "model: 0", "p.yaml:11: key 'maximum-attempts-per-model'"),
      ("clip-maximum: 2.5", "clip-maximum: 0", "p.yaml:12: key 'clip-maximum'"),
      ("weight-maximum: 512", "weight-maximum: 0", "p.yaml:13: key 'weight-maximum'"),
      ("[weight, one, norm-histogram]", "[one]", "p.yaml:14: key 'auxiliary-fields': found a list without 'weight'"),
      ("[weight, one, norm-histogram]", "[weight, loss]", "p.yaml:14: key 'auxiliary-fields[1]': found \"loss\""),
      ("mechanism: skellam", "mechanism: gauss", "p.yaml:16: key 'privacy.mechanism': found \"gauss\""),
      ("multiplier: 1.5", "multiplier: 0", "p.yaml:17: key 'privacy.minimum-noise-multiplier'"),
      ("maximum-rounds: 40", "maximum-rounds: 0", "p.yaml:18: key 'privacy.maximum-rounds'"),
      ("maximum-delta: 1e-6", "maximum-delta: 1", "p.yaml:19: key 'privacy.maximum-delta'"),
      ("  maximum-delta: 1e-6", "", "p.yaml:16: key 'privacy.maximum-delta': found no such key"),
    ])
  func refuses(right: String, wrong: String, says: String) throws {
    let text = Self.everyKey.replacing(right, with: wrong)
    let error = try #require(throws: ConfigurationError.self) { try WorkerPolicy.read(file(text, named: "p.yaml")) }
    #expect(error.description.hasPrefix(says), "\(error)")
  }

  @Test("The law of a federation on one machine allows what its run asks for by name, and nothing else")
  func allowing() throws {
    let run = try RunConfiguration.read(
      file(shortRun + "\n  maximum: 700\n  allow-pair: true\naggregation: plain\nmode: semi-honest\n"))
    var expected = WorkerPolicy.standard
    expected.allowPlain = true
    expected.allowPair = true
    expected.maximumRoster = 700
    expected.modes = [.malicious, .semiHonest]
    #expect(WorkerPolicy.allowing(run) == expected)
    #expect(WorkerPolicy.allowing(try RunConfiguration.read(file(shortRun))) == .standard)
  }
}
