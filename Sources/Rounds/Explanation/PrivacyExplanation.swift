import Federation
import SecureAggregation

/// Who can learn what from a run, and under which collusion, computed from the rules that the parties themselves apply.
///
/// It speaks of one attempt with a given cohort under one worker's law, and of what several attempts add to it.
package struct PrivacyExplanation: Hashable, Sendable {
  /// What is explained.
  package struct Question: Hashable, Sendable {
    package var configuration: RoundConfiguration
    package var aggregation: AggregationMode
    /// Of each worker in the cohort.
    package var organisations: [OrganisationID]
    /// By which the coordinator judges cohorts.
    package var coordinatorPolicy: CohortPolicy
    /// A worker's own law.
    package var law: WorkerPolicy
    /// That a worker trains on, on average; nil if nobody knows.
    package var examples: Double?

    package init(
      configuration: RoundConfiguration, aggregation: AggregationMode, organisations: [OrganisationID],
      coordinatorPolicy: CohortPolicy, law: WorkerPolicy, examples: Double?
    ) {
      self.configuration = configuration
      self.aggregation = aggregation
      self.organisations = organisations
      self.coordinatorPolicy = coordinatorPolicy
      self.law = law
      self.examples = examples
    }
  }

  /// From whose side a part of the explanation is told.
  package enum Role: String, Sendable, CaseIterable, Encodable {
    case networkObserver = "network-observer"
    case worker
    case colludingWorkers = "colluding-workers"
    case coordinator
    case coordinatorWithWorkers = "coordinator-with-workers"
    case coordinatorWithMoreWorkers = "coordinator-with-more-workers"
    case repeatedSums = "repeated-sums"
    case authority
    case consumer

    package var title: String {
      switch self {
      case .networkObserver: "Whoever watches the network"
      case .worker: "Another worker"
      case .colludingWorkers: "Workers who pool what they know"
      case .coordinator: "The coordinator alone"
      case .coordinatorWithWorkers: "The coordinator and workers within the bound"
      case .coordinatorWithMoreWorkers: "The coordinator and more workers than that"
      case .repeatedSums: "Whoever compares several sums"
      case .authority: "Whoever holds the authority's key"
      case .consumer: "A serving node, and whoever gets the model"
      }
    }
  }

  package struct Part: Hashable, Sendable, Encodable {
    package let role: Role
    package let statements: [String]
  }

  /// A refusal that this configuration would meet.
  package struct Objection: Hashable, Sendable, Encodable {
    package enum Party: String, Sendable, Encodable { case worker, coordinator }
    package let by: Party
    /// The name of a `Refusal`, or `policy` for an offer that a worker's law forbids, or `precision`.
    package let reason: String
    package let text: String
  }

  package let facts: Facts
  package let parts: [Part]
  /// In the order in which they would be met; empty if the run can go on.
  package let objections: [Objection]

  package init(_ question: Question) {
    let objections = Self.objections(to: question)
    let facts = Facts(question)
    self.objections = objections
    self.facts = facts
    parts = Role.allCases.map { role in
      let statements =
        switch question.aggregation {
        case .plain: Self.plain(role, facts)
        case .secure: Self.secure(role, facts)
        }
      return Part(role: role, statements: statements)
    }
  }
}
