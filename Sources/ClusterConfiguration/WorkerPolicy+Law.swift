import Federation
import Rounds
import SecureAggregation

extension WorkerPolicy {
  /// The policy file as the worker's state machine applies it.
  package var law: Rounds.WorkerPolicy {
    var cohort = CohortPolicy()
    cohort.minimumCohort = Int(clamping: minimumCohort)
    cohort.maximumRoster = Int(clamping: maximumRoster)
    cohort.minimumOrganisations = Int(clamping: minimumOrganisations)
    cohort.organisationCap = organisationCap
    cohort.minimumHonestSum = Int(clamping: minimumHonestSum)
    cohort.allowPair = allowPair
    var law = Rounds.WorkerPolicy(cohort: cohort)
    law.suites = Set(suites)
    law.modes = Set(modes)
    law.allowPlain = allowPlain
    law.allowGroups = allowGroups
    law.maximumAttemptsPerModel = maximumAttemptsPerModel
    law.clipMaximum = clipMaximum
    law.weightMaximum = weightMaximum
    law.auxiliaryFields = Set(auxiliaryFields)
    law.privacy = privacy
    return law
  }
}
