import Aggregation
import Federation
import SecureAggregation

extension PrivacyExplanation {
  /// The numbers behind the sentences. Those of a cohort that is refused, and of plain mode, are nil.
  package struct Facts: Hashable, Sendable, Encodable {
    package let workers: Int
    package let organisations: Int
    package let largestOrganisation: Int
    package let aggregation: String
    package let mode: String
    package let suite: UInt64
    /// `complete`, `sparse` or `none`.
    package let graph: String
    /// Of the cohort, or of the weakest of its groups.
    package let thresholds: ThresholdFacts?
    /// Nil if the cohort is not divided.
    package let groups: GroupFacts?
    package let sparse: SparseFacts?
    /// Attempts on one model that a worker's law allows.
    package let attemptsPerModel: UInt32
    package let auxiliaryFields: [String]
    package let ringBits: UInt64
    package let isRotated: Bool
    /// The rounding error of the average over the clip bound.
    package let relativeError: Double?
    /// As the signed rules have it.
    package let strategy: String
    /// Whether every single update stays on the coordinator's disk until the round ends.
    package let keepsUpdates: Bool
    /// Noise is added by no version so far.
    package let differentialPrivacy: Bool
    package let postQuantum: Bool

    /// Fewest workers that would be in one sum if nobody dropped out.
    var summedWorkers: Int { groups?.smallest ?? workers }

    init(_ question: Question) {
      let configuration = question.configuration
      let n = question.organisations.count
      let sizes = question.organisations.reduce(into: [OrganisationID: Int]()) { $0[$1, default: 0] += 1 }.values
      let isSecure = question.aggregation == .secure
      let policy = question.law.strictest(with: configuration)
      let summed = question.summedTogether
      groups = question.groups.map { GroupFacts(count: $0, workers: n) }
      workers = n
      organisations = sizes.count
      largestOrganisation = sizes.max() ?? 0
      aggregation = question.aggregation.rawValue
      mode = configuration.mode == .malicious ? "malicious" : "semi-honest"
      suite = configuration.suite.rawValue
      graph = !isSecure ? "none" : summed.count <= Thresholds.completeGraphLimit ? "complete" : "sparse"
      let found =
        isSecure
        ? try? Thresholds.compute(
          organisations: summed, mode: configuration.mode, policy: policy) : nil
      thresholds = found.map { ThresholdFacts($0, mode: configuration.mode) }
      sparse = found.flatMap { $0.degree > 0 ? SparseFacts($0, policy: policy) : nil }
      attemptsPerModel = question.law.maximumAttemptsPerModel
      auxiliaryFields = configuration.auxiliaryLayout.map(\.name)
      ringBits = configuration.ringBits
      isRotated = configuration.rotation
      relativeError =
        isSecure
        ? try? RunForecast(
          configuration, organisations: summed, examples: question.examples, policy: policy
        ).relativeError : nil
      strategy = configuration.strategy
      keepsUpdates = !isSecure && Strategy(parsing: configuration.strategy)?.robustRule != nil
      differentialPrivacy = false
      postQuantum = false
    }
  }

  /// A cohort that is divided.
  package struct GroupFacts: Hashable, Sendable, Encodable {
    package let count: Int
    /// Workers in the smallest and in the largest group.
    package let smallest: Int
    package let largest: Int

    init(count: Int, workers: Int) {
      self.count = count
      smallest = workers / count
      largest = (workers + count - 1) / count
    }
  }

  /// `Thresholds` of the cohort, and what follows from them.
  package struct ThresholdFacts: Hashable, Sendable, Encodable {
    /// n_C.
    package let corruptionBound: Int
    /// t.
    package let threshold: Int
    /// Q.
    package let quorum: Int
    package let smallestSurvivorSet: Int
    package let toleratedDropouts: Int
    package let safeForAnyDropouts: Int
    /// Of workers who follow the protocol, in every sum, while at most n_C do not.
    package let honestInputsInSum: Int
    /// With so many workers a coordinator can open single updates; nil where only the tables of the sparse graph say.
    package let breakingCoalition: Int?
    /// Semi-honest mode: the fewest updates that a lying coordinator can open together; nil in malicious mode.
    package let smallestSumOfALie: Int?

    init(_ thresholds: Thresholds, mode: RoundConfiguration.Mode) {
      let n = thresholds.rosterCount
      let t = thresholds.threshold
      let smallest = thresholds.smallestSurvivorSet
      corruptionBound = thresholds.corruptionBound
      threshold = t
      quorum = thresholds.quorum
      smallestSurvivorSet = smallest
      toleratedDropouts = thresholds.toleratedDropouts
      safeForAnyDropouts = thresholds.safeForAnyDropouts
      honestInputsInSum = max(0, smallest - thresholds.corruptionBound)
      // c workers give both kinds of shares, the n − c others one kind each: c + a ≥ t and c + b ≥ t with a + b = n − c.
      breakingCoalition = thresholds.degree > 0 ? nil : max(1, 2 * t - n)
      // To open g updates it needs t shares of every other's mask key, and no worker gives more than n − smallest.
      smallestSumOfALie = mode == .semiHonest && thresholds.degree == 0 ? max(1, n - n * (n - smallest) / t) : nil
    }
  }

  /// What the tables of the sparse graph promise.
  package struct SparseFacts: Hashable, Sendable, Encodable {
    /// k_g.
    package let degree: Int
    /// Of γ.
    package let corruptWorkersMax: Int
    /// Fewest honest inputs in a sum that a coordinator could cut off, except with probability 2^−40 and 2^−128.
    package let honestInputs40: Int
    package let honestInputs128: Int

    /// Most neighbours of one worker, out of k_g, that act against it while a tenth of all workers does, except with
    /// probability 2^−40 and 2^−128 over all workers: hypergeometric tails, by the roster of the table's row.
    static let corruptNeighbours: [Int: (rare: Int, negligible: Int)] = [
      500: (38, 50), 1_000: (48, 72), 2_000: (51, 79), 5_000: (60, 93), 10_000: (61, 95),
    ]

    init?(_ thresholds: Thresholds, policy: CohortPolicy) {
      let n = thresholds.rosterCount
      guard let row = SparseGraph.Row.smallest(for: n), let corrupt = Self.corruptNeighbours[row.rosterCount] else {
        return nil
      }
      // A component whose every worker keeps t neighbours, c of them corrupt: n·(t − c − Λ)/(k_g − Λ) workers at least.
      func honest(_ corrupt: Int) -> Int {
        let share = (Double(row.threshold - corrupt) - row.lambdaBound) / (Double(row.degree) - row.lambdaBound)
        return max(1, Int(share * Double(n)))
      }
      degree = row.degree
      corruptWorkersMax = n * Int(policy.gamma.numerator) / Int(max(1, policy.gamma.denominator))
      honestInputs40 = honest(corrupt.rare)
      honestInputs128 = honest(corrupt.negligible)
    }
  }
}

extension PrivacyExplanation.Question {
  /// G; nil if the cohort is not divided.
  var groups: Int? { aggregation == .secure ? Strategy(parsing: configuration.strategy)?.groups : nil }

  /// Whose updates are in one sum: the whole cohort's, or those of the weakest of its groups.
  var summedTogether: [OrganisationID] {
    groups.map { CohortGroups.weakest(of: organisations, into: $0) } ?? organisations
  }
}
