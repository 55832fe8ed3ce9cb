import Federation
import SecureAggregation

extension PrivacyExplanation {
  /// What this configuration would meet: the coordinator's own checks, then a worker's on the offer, then on the roster.
  static func objections(to question: Question) -> [Objection] {
    let configuration = question.configuration
    var out: [Objection] = []
    if question.aggregation == .secure {
      if let refusal = refusal(of: question, under: question.coordinatorPolicy) {
        out.append(
          Objection(
            by: .coordinator, reason: refusal.rawValue,
            text: "no round begins: " + question.ofGroup + sentence(refusal, question, question.coordinatorPolicy)))
      } else if let forecast = try? RunForecast(
        configuration, organisations: question.summedTogether, examples: question.examples,
        policy: question.coordinatorPolicy), !forecast.isPreciseEnough
      {
        out.append(
          Objection(
            by: .coordinator, reason: "precision",
            text:
              "the run is refused: rounding would cost more than 1 % of the clip bound; a maximum-weight of at most "
              + "\(forecast.preciseMaximumWeight) would do"))
      }
    }
    if let objection = question.law.objection(to: configuration, aggregation: question.aggregation) {
      out.append(Objection(by: .worker, reason: "policy", text: "the offer is declined: \(objection)"))
    } else if question.aggregation == .secure {
      let policy = question.law.strictest(with: configuration)
      if let refusal = refusal(of: question, under: policy) {
        out.append(
          Objection(
            by: .worker, reason: refusal.rawValue,
            text: "the roster is refused: " + question.ofGroup + sentence(refusal, question, policy)
          ))
      }
    }
    return out
  }

  private static func refusal(of question: Question, under policy: CohortPolicy) -> Refusal? {
    do throws(Refusal) {
      _ = try Thresholds.compute(
        organisations: question.summedTogether, mode: question.configuration.mode, policy: policy)
      return nil
    } catch {
      return error
    }
  }

  private static func sentence(_ refusal: Refusal, _ question: Question, _ policy: CohortPolicy) -> String {
    let summed = question.summedTogether
    let n = summed.count
    let organisations = Set(summed).count
    let bound = Thresholds.corruptionBound(summed)
    let mode = question.configuration.mode
    switch refusal {
    case .rosterTooLarge: return "\(n) workers are more than the \(policy.maximumRoster) allowed in one roster"
    case .belowMinimumCohort: return "\(n) workers are fewer than the minimum cohort of \(policy.minimumCohort)"
    case .tooFewOrganisations:
      return "\(organisations) organisations are fewer than the \(policy.minimumOrganisations) required"
    case .organisationAboveCap:
      let cap = policy.organisationCap
      return "one organisation has more than \(cap.numerator)/\(cap.denominator) of the \(n) workers"
    case .organisationAboveGamma:
      return
        "one organisation has more than \(policy.gamma.numerator)/\(policy.gamma.denominator) of the \(n) workers, "
        + "which a sparse graph does not bear"
    case .noSafeSurvivorSet:
      let t = Thresholds.threshold(rosterCount: n, corruptionBound: bound, mode: mode)
      return "a sum would need max(t = \(t), minimum cohort \(policy.minimumCohort), n_C + minimum honest sum = "
        + "\(bound) + \(policy.minimumHonestSum)) updates, more than the \(n) workers there are"
    default: return refusal.rawValue
    }
  }
}

extension PrivacyExplanation.Question {
  /// Whom a refusal is about, where it is not about the whole cohort.
  fileprivate var ofGroup: String { groups.map { "of \($0) groups, in one " } ?? "" }
}
