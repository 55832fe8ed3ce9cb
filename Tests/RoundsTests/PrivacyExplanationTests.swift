import Federation
import Rounds
import SecureAggregation
import Testing

struct PrivacyExplanationTests {
  private static func explain(
    _ sizes: [Int], aggregation: AggregationMode = .secure, law: WorkerPolicy = WorkerPolicy(),
    _ change: (inout RoundConfiguration) -> Void = { _ in }
  ) -> PrivacyExplanation {
    var rules = RoundConfiguration(
      vectorLength: 9_610, issuanceLog: .sha256(of: []), revocationList: .sha256(of: []))
    change(&rules)
    let organisations = sizes.enumerated().flatMap { index, size in
      Array(repeating: OrganisationID(unchecked: "o\(index)"), count: size)
    }
    return PrivacyExplanation(
      .init(
        configuration: rules, aggregation: aggregation, organisations: organisations,
        coordinatorPolicy: CohortPolicy(rules), law: law, examples: 100))
  }

  private static func statements(_ explanation: PrivacyExplanation, _ role: PrivacyExplanation.Role) -> String {
    explanation.parts.filter { $0.role == role }.flatMap(\.statements).joined(separator: " ")
  }

  @Test(
    "Every role is told of once, in one order, whatever is configured", arguments: [[8], [3], [1, 1, 1, 1, 1], []])
  func coversRoles(repeated sizes: [Int]) {
    for mode in AggregationMode.allCases {
      let explanation = Self.explain(sizes, aggregation: mode)
      #expect(explanation.parts.map(\.role) == PrivacyExplanation.Role.allCases)
      #expect(explanation.parts.allSatisfy { !$0.statements.isEmpty })
    }
  }

  @Test("Three silos are refused by default: one may collude, and three honest updates would be needed")
  func refusesThree() {
    let explanation = Self.explain([1, 1, 1])
    #expect(explanation.objections.map(\.reason) == ["noSafeSurvivorSet", "noSafeSurvivorSet"])
    #expect(explanation.objections.map(\.by) == [.coordinator, .worker])
    #expect(explanation.facts.thresholds == nil)
    #expect(Self.statements(explanation, .worker).contains("refused"))
  }

  @Test("With sums of three, a pair learns the third's update, and the explanation says so")
  func pairOfThree() {
    var law = WorkerPolicy()
    law.cohort.minimumHonestSum = 2
    let explanation = Self.explain([1, 1, 1], law: law) { $0.minimumHonestSum = 2 }
    #expect(explanation.objections.isEmpty)
    #expect(explanation.facts.thresholds?.smallestSurvivorSet == 3)
    #expect(
      Self.statements(explanation, .colludingWorkers).contains("any two workers learn the third's update exactly"))
  }

  @Test("The numbers are those of the thresholds that workers compute", arguments: [5, 8, 10, 50, 100, 256])
  func numbers(workers: Int) throws {
    let explanation = Self.explain(Array(repeating: 1, count: workers))
    let found = try #require(explanation.facts.thresholds)
    let organisations = (0..<workers).map { OrganisationID(unchecked: "o\($0)") }
    let expected = try Thresholds.compute(organisations: organisations, mode: .malicious, policy: CohortPolicy())
    #expect(found.corruptionBound == expected.corruptionBound)
    #expect(found.threshold == expected.threshold)
    #expect(found.quorum == expected.quorum)
    #expect(found.smallestSurvivorSet == expected.smallestSurvivorSet)
    #expect(found.toleratedDropouts == expected.toleratedDropouts)
    #expect(found.honestInputsInSum >= 3)
    #expect(found.smallestSumOfALie == nil)
  }

  @Test("Rules that compare single updates say that these stay on the coordinator's disk")
  func keptUpdates() {
    func coordinator(_ strategy: String) -> String {
      Self.statements(Self.explain([1, 1, 1, 1, 1], aggregation: .plain) { $0.strategy = strategy }, .coordinator)
    }
    #expect(coordinator("median").contains("'median' compares single updates: each stays on its disk"))
    #expect(!coordinator("fedavg").contains("stays on its disk"))
  }

  @Test("Of a divided cohort it says what the sums of the groups reveal, with the numbers of the weakest group")
  func groups() throws {
    func explain(_ workers: Int, _ law: WorkerPolicy) -> PrivacyExplanation {
      Self.explain(Array(repeating: 1, count: workers), law: law) {
        $0.strategy = "median, groups 5"
        $0.maximumWeight = 1
      }
    }
    var law = WorkerPolicy()
    law.allowGroups = true
    let explanation = explain(22, law)
    #expect(explanation.objections.isEmpty)
    #expect(explanation.facts.groups?.count == 5 && explanation.facts.groups?.smallest == 4)
    #expect(explanation.facts.groups?.largest == 5)
    #expect(explanation.facts.thresholds?.smallestSurvivorSet == 4)
    #expect(explanation.facts.graph == "complete" && !explanation.facts.keepsUpdates)
    let coordinator = Self.statements(explanation, .coordinator)
    #expect(coordinator.contains("divided into 5 groups of 4 to 5 workers, anew for every attempt"))
    #expect(coordinator.contains("of each group by itself it learns the sum of 4 to 5 updates"))
    #expect(coordinator.contains("Without groups it would learn one sum of 22 workers"))
    #expect(coordinator.contains("3 of 4 workers sign the same survivors"))
    #expect(Self.statements(explanation, .worker).contains("the rule 'median, groups 5' made of the groups' averages"))
    #expect(
      Self.statements(explanation, .coordinatorWithWorkers).contains("can put all who act with it into the group"))
    #expect(Self.statements(explanation, .repeatedSums).contains("groups are drawn anew for every attempt"))

    let refused = explain(22, WorkerPolicy())
    #expect(refused.objections.map(\.reason) == ["policy"])
    #expect(refused.objections[0].text.contains("the policy allows no sums of groups"))
    let small = explain(14, law)
    #expect(small.objections.map(\.reason) == ["belowMinimumCohort", "belowMinimumCohort"])
    #expect(small.objections[0].text.contains("of 5 groups, in one 2 workers are fewer than the minimum cohort of 3"))
    #expect(Self.explain([1, 1, 1, 1]).facts.groups == nil)
  }

  /// Whether c workers beside the coordinator can have one worker counted in front of some and not of the others, with Q
  /// signatures and t shares on either side: by trying every split of the honest.
  private static func canSplit(n: Int, t: Int, quorum: Int, corrupt c: Int) -> Bool {
    (0...(n - c)).contains { a in
      let b = n - c - a
      return c + a >= max(t, quorum) && c + b >= max(t, quorum)
    }
  }

  @Test("The breaking coalition is the smallest that splits the honest, and above the bound", arguments: 4...120)
  func breakingCoalition(workers n: Int) throws {
    let malicious = try #require(Self.explain(Array(repeating: 1, count: n)).facts.thresholds)
    let breaking = try #require(malicious.breakingCoalition)
    #expect(breaking > malicious.corruptionBound)
    #expect(Self.canSplit(n: n, t: malicious.threshold, quorum: malicious.quorum, corrupt: breaking))
    #expect(!Self.canSplit(n: n, t: malicious.threshold, quorum: malicious.quorum, corrupt: breaking - 1))
    var law = WorkerPolicy()
    law.modes.insert(.semiHonest)
    let semiHonest = try #require(
      Self.explain(Array(repeating: 1, count: n), law: law) { $0.mode = .semiHonest }.facts.thresholds)
    let fewer = try #require(semiHonest.breakingCoalition)
    #expect(Self.canSplit(n: n, t: semiHonest.threshold, quorum: 0, corrupt: fewer))
    #expect(!Self.canSplit(n: n, t: semiHonest.threshold, quorum: 0, corrupt: fewer - 1))
  }

  @Test("Semi-honest mode is said to cost the certificate, and standard laws decline it")
  func semiHonest() throws {
    let declined = Self.explain([1, 1, 1, 1, 1, 1, 1, 1]) { $0.mode = .semiHonest }
    #expect(declined.objections.map(\.reason) == ["policy"])
    #expect(Self.statements(declined, .coordinator).contains("keeps to the protocol"))
    let lie = try #require(declined.facts.thresholds?.smallestSumOfALie)
    #expect(lie <= 5 && lie >= 1)
  }

  @Test("Plain mode is said to show everything, and standard laws decline it")
  func plain() {
    let explanation = Self.explain([1, 1, 1, 1, 1], aggregation: .plain)
    #expect(Self.statements(explanation, .coordinator).contains("sees every update in clear"))
    #expect(explanation.objections.map(\.reason) == ["policy"])
    #expect(explanation.facts.thresholds == nil)
    #expect(explanation.facts.graph == "none")
  }

  @Test(
    "A sparse graph's bounds are those of the table",
    arguments: [
      (500, 128, 174, 117), (1_000, 160, 340, 159), (10_000, 200, 2_727, 519),
    ])
  func sparse(workers: Int, degree: Int, rare: Int, negligible: Int) throws {
    var law = WorkerPolicy()
    law.cohort.maximumRoster = 10_000
    let explanation = Self.explain(Array(repeating: 1, count: workers), law: law) { $0.maximumRoster = 10_000 }
    let found = try #require(explanation.facts.sparse)
    #expect(found.degree == degree)
    #expect(found.corruptWorkersMax == workers / 10)
    #expect(found.honestInputs40 == rare)
    #expect(found.honestInputs128 == negligible)
    #expect(explanation.facts.thresholds?.breakingCoalition == nil)
  }
}
