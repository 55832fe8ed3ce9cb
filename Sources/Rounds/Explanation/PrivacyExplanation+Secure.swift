import Federation
import SecureAggregation

/// Secure mode, sentence by sentence. Every number in it is one of `Facts`.
extension PrivacyExplanation {
  static func secure(_ role: Role, _ facts: Facts) -> [String] {
    guard let t = facts.thresholds else { return refused(role, facts) }
    switch role {
    case .networkObserver: return network()
    case .worker: return worker(facts, t)
    case .colludingWorkers: return colluding(facts, t)
    case .coordinator: return coordinator(facts, t)
    case .coordinatorWithWorkers: return withinBound(facts, t)
    case .coordinatorWithMoreWorkers: return beyondBound(facts, t)
    case .repeatedSums: return repeated(facts)
    case .authority: return authority(facts)
    case .consumer: return consumer()
    }
  }

  /// No sum is ever made of a cohort that is refused.
  private static func refused(_ role: Role, _ facts: Facts) -> [String] {
    switch role {
    case .networkObserver: network()
    case .authority: authority(facts)
    default: ["Nothing of any update: this cohort is refused before anyone masks (see below)."]
    }
  }

  static func network() -> [String] {
    [
      "Who talks to whom, when, and how many bytes; no content, because every link is encrypted and authenticated "
        + "(CurveZMQ).",
      "Recorded traffic is not safe against a future quantum computer: keys are agreed on Curve25519 alone.",
    ]
  }

  private static func worker(_ facts: Facts, _ t: ThresholdFacts) -> [String] {
    if facts.groups != nil {
      return [
        "Who is in the roster of its own group, who dropped out of it, the summed weight of all groups and the new model.",
        "From the model before and after it gets what the rule '\(facts.strategy)' made of the groups' averages, at most "
          + "one of these, and without its own part the sum of "
          + "\(count(t.smallestSurvivorSet - 1, "other update")) or more; of no single worker anything more.",
      ]
    }
    if facts.workers == 2 {
      return [
        "The other worker's update, exactly: it takes its own off the average of two. Both workers' laws allow this by "
          + "name (allow-pair)."
      ]
    }
    return [
      "Who is in the roster, who dropped out, the summed weight and the new model.",
      "From the model before and after it gets the average, and without its own part the sum of "
        + "\(count(t.smallestSurvivorSet - 1, "other update")) or more; of no single worker anything more.",
    ]
  }

  private static func colluding(_ facts: Facts, _ t: ThresholdFacts) -> [String] {
    let smallest = t.smallestSurvivorSet
    guard facts.workers > 2 else { return ["There is nobody else: see above."] }
    var out = [
      "c workers without the coordinator learn the sum of the others, \(smallest) - c updates or more."
    ]
    if smallest == 3 {
      out.append("With sums of three, any two workers learn the third's update exactly.")
    } else {
      out.append("All but one of a sum, \(smallest - 1) workers at least, learn the last one's update exactly.")
    }
    out.append(
      "No number of workers opens anything by their shares alone: masked updates go to the coordinator only.")
    return out
  }

  private static func coordinator(_ facts: Facts, _ t: ThresholdFacts) -> [String] {
    let size =
      t.smallestSurvivorSet == facts.workers ? "all \(facts.workers)" : "\(t.smallestSurvivorSet) to \(facts.workers)"
    var out =
      facts.groups.map { ofGroups($0, facts, t) } ?? [
        "Who took part and when, the sum of \(size) updates, and over the same "
          + "workers the sums of: \(facts.auxiliaryFields.joined(separator: ", ")). No single worker's update, example "
          + "count or metrics."
      ]
    if let lie = t.smallestSumOfALie {
      out.append(
        "Mode semi-honest: this holds for a coordinator that keeps to the protocol. Without the survivors' certificate "
          + "one that names different survivors to different workers can open a sum of \(lie) updates, against "
          + "\(t.smallestSurvivorSet) by the rules.")
    } else {
      out.append(
        "This holds for a coordinator that lies, too: \(t.quorum) of \(facts.summedWorkers) workers sign the same survivors "
          + "before any share is released (Q = \(t.quorum)), and a worker that was shown another model or other rules is "
          + "found out before anything masked leaves.")
    }
    return out
  }

  /// What the coordinator learns of a divided cohort: a sum of each group, where it would be one of all.
  private static func ofGroups(_ groups: GroupFacts, _ facts: Facts, _ t: ThresholdFacts) -> [String] {
    func range(_ a: Int, _ b: Int) -> String { a == b ? "\(a)" : "\(a) to \(b)" }
    return [
      "Who took part and when. The cohort is divided into \(groups.count) groups of "
        + "\(range(groups.smallest, groups.largest)) workers, anew for every attempt, and of each group by itself it "
        + "learns the sum of \(range(t.smallestSurvivorSet, groups.largest)) updates, and over the same workers the "
        + "sums of: \(facts.auxiliaryFields.joined(separator: ", ")). No single worker's update, example count or "
        + "metrics.",
      "Without groups it would learn one sum of \(facts.workers) workers. A worker takes part only if its own law says "
        + "allow-groups, and the numbers of that law are for each group.",
    ]
  }

  private static func withinBound(_ facts: Facts, _ t: ThresholdFacts) -> [String] {
    let bound = t.corruptionBound
    guard facts.workers > 2 else { return ["With one of the two workers: the other's update."] }
    if let sparse = facts.sparse {
      return [
        "Not everyone masks with everyone among \(facts.workers) workers: each has \(sparse.degree) neighbours, and "
          + "\(t.threshold) shares open a secret (t = \(t.threshold)).",
        "With \(sparse.corruptWorkersMax) workers (gamma) it can cut off no sum of fewer than \(sparse.honestInputs40) "
          + "honest updates, except with probability 2^-40 over the graph; \(sparse.honestInputs128) except with 2^-128.",
      ]
    }
    var out = [
      "With up to \(count(bound, "worker")) (n_C = \(bound), all workers of one organisation together): the sum of at "
        + "least \(t.smallestSurvivorSet) - \(bound) = \(count(t.honestInputsInSum, "honest update"))"
        + (t.smallestSumOfALie == nil ? ", never fewer." : ", while the coordinator keeps to the protocol.")
    ]
    if facts.groups != nil {
      out.append(
        "The bound counts in every group by itself. The coordinator draws the groups, and can put all who act with it "
          + "into the group of one worker that it is after.")
    }
    if let breaking = t.breakingCoalition, breaking <= bound {
      out.append(
        "Mode semi-honest: with \(count(breaking, "worker")) a coordinator that lies about the survivors opens single "
          + "updates.")
    }
    return out
  }

  private static func beyondBound(_ facts: Facts, _ t: ThresholdFacts) -> [String] {
    guard facts.workers > 2 else { return ["There are no more."] }
    guard let breaking = t.breakingCoalition else {
      return ["Nothing is promised: the tables of the sparse graph hold for the share of workers above."]
    }
    let beyond = t.corruptionBound + 1
    var out: [String] = []
    for corrupt in beyond..<max(breaking, beyond) {
      out.append(
        "With \(count(corrupt, "worker")): the sum of at least "
          + "\(count(max(0, t.smallestSurvivorSet - corrupt), "honest update")).")
    }
    if facts.mode == "malicious" {
      out.append(
        "From \(count(max(breaking, beyond), "worker")) on, it can have two sets of survivors certified and open every "
          + "single update.")
    } else {
      out.append(
        "Workers that keep to the protocol and hand over their shares open every single update from "
          + "\(t.threshold) on (t = \(t.threshold)); with a coordinator that lies, \(breaking) are enough.")
    }
    return out
  }

  static func repeated(_ facts: Facts) -> [String] {
    var out = [
      "Two sums that differ by one worker differ by about that worker's update. Consecutive rounds with different "
        + "cohorts are such sums, and so are a failed attempt and its repetition."
    ]
    if facts.groups != nil {
      out.append(
        "With groups there are more such sums, of fewer workers each: groups are drawn anew for every attempt, so that a "
          + "few rounds in which a worker's update changes little tell more about it than the same rounds without groups."
      )
    }
    let attempts = facts.attemptsPerModel
    out.append(
      attempts == 1
        ? "A worker gives its update for one model once, so a failed attempt is never repeated with it."
        : "A worker gives its update for one model at most \(attempts) times, trained and rounded afresh each time.")
    out.append(
      "Differential privacy is off: nothing bounds what sums and models say about a single example or worker.")
    return out
  }

  static func authority(_ facts: Facts) -> [String] {
    [
      "It makes workers. Together with the coordinator it can fill a cohort with workers of its own, and then "
        + (facts.aggregation == "secure" ? "every promise above is void." : "choose whose updates are summed."),
      "All workers sign the digest of one list of members, so all see what was issued. The key belongs neither in the "
        + "hands of the coordinator's operator nor on a machine of the federation.",
    ]
  }

  static func consumer() -> [String] {
    [
      "Every published version with its loss, accuracy and number of workers; the difference of two versions is the "
        + "average update of a round.",
      "A model can be asked whether an example was in its training data, and differential privacy is off.",
    ]
  }

  static func count(_ number: Int, _ thing: String) -> String { "\(number) \(thing)\(number == 1 ? "" : "s")" }
}
