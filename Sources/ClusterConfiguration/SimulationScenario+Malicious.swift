import Federation
import SecureAggregation

/// Who breaks the protocol, and how: the catalogue of malicious parties.
extension SimulationScenario {
  /// What a malicious coordinator does to every worker, in each attempt of its rounds, and what an honest worker says.
  package enum CoordinatorMalice: String, CaseIterable, Sendable {
    // The offer (M0).

    /// Its signature is not the coordinator's.
    case unsignedOffer = "unsigned-offer"
    /// It asks for other work than the configuration that is signed for.
    case alteredTask = "altered-task"
    /// Its blobs are another model than the one that is signed for.
    case tamperedModel = "tampered-model"
    /// An offer of an earlier attempt comes again, with everything that was signed then.
    case replayedOffer = "replayed-offer"
    /// The rules ask for two workers, and so few are on the roster.
    case loweredMinimum = "lowered-minimum"

    // The roster (M2).

    /// One worker's mask key is the coordinator's own.
    case substitutedKey = "substituted-key"
    /// A worker that nobody admitted is on it.
    case inventedWorker = "invented-worker"
    /// A second one follows, without one worker.
    case secondRoster = "second-roster"
    /// That of an earlier attempt comes instead.
    case replayedRoster = "replayed-roster"

    // Survivors, certificate and result (M6 to M10).

    /// Half of the workers see a set of survivors without one of them; each half gets the agreements of its own.
    case splitSurvivors = "split-survivors"
    /// Every worker sees both sets, one after the other.
    case secondSurvivors = "second-survivors"
    /// When the self-mask shares of all survivors are out, one of them is called a dropout: its mask-key shares would
    /// open its single update.
    case bothShares = "both-shares"
    /// An agreement in the certificate is another worker's.
    case forgedQuorum = "forged-quorum"
    /// The result names more examples than were signed for.
    case forgedResult = "forged-result"

    // The sum.

    /// One bit of each input is another in the sum. No worker can see it; the simulator can, which adds them up aside.
    case alteredInput = "altered-input"

    /// Who finds it out.
    package enum Finder: Hashable, Sendable {
      /// Workers refuse, with these words.
      case workers([String])
      /// The simulator, beside the protocol.
      case checker
    }

    package var finder: Finder {
      switch self {
      case .unsignedOffer: .workers(["the offer is not signed by the coordinator"])
      case .alteredTask: .workers(["the configuration names another task"])
      case .tamperedModel: .workers([Refusal.wrongDigest.rawValue])
      case .replayedOffer: .workers(["is not newer than what was seen"])
      case .loweredMinimum: .workers([Refusal.belowMinimumCohort.rawValue])
      case .substitutedKey: .workers([Refusal.advertOfAnotherOffer.rawValue, Refusal.ownEntryChanged.rawValue])
      case .inventedWorker: .workers([Refusal.certificateNotSigned.rawValue])
      case .secondRoster: .workers([Refusal.secondRoster.rawValue])
      case .replayedRoster: .workers([Refusal.advertOfAnotherOffer.rawValue, Refusal.ownEntryChanged.rawValue])
      case .splitSurvivors: .workers([Refusal.quorumTooSmall.rawValue])
      case .secondSurvivors, .bothShares: .workers([Refusal.secondSurvivorSet.rawValue])
      case .forgedQuorum, .forgedResult: .workers([Refusal.badSignature.rawValue])
      case .alteredInput: .checker
      }
    }

    /// Whether nothing may be published of an attempt in which it is done: the workers refuse before they release.
    package var preventsVersions: Bool {
      switch self {
      // What comes too late is refused, and changes nothing of the sum that was agreed to.
      case .replayedOffer, .bothShares, .forgedResult, .alteredInput: false
      case .unsignedOffer, .alteredTask, .tamperedModel, .loweredMinimum, .substitutedKey, .inventedWorker,
        .secondRoster, .replayedRoster, .splitSurvivors, .secondSurvivors, .forgedQuorum:
        true
      }
    }

    /// Whether a run without secure aggregation has what it attacks.
    package var isOfPlainRunsToo: Bool {
      switch self {
      case .unsignedOffer, .alteredTask, .tamperedModel, .replayedOffer: true
      // A sum of rounded numbers is close to what it should be, and not the same.
      case .alteredInput, .loweredMinimum, .substitutedKey, .inventedWorker, .secondRoster, .replayedRoster,
        .splitSurvivors,
        .secondSurvivors, .bothShares, .forgedQuorum, .forgedResult:
        false
      }
    }
  }

  /// What a malicious worker does in each attempt of its rounds, and what the coordinator says.
  package enum WorkerMalice: String, CaseIterable, Sendable {
    /// The shares that it deals cannot be opened.
    case wrongShares = "wrong-shares"
    /// It signs its shares with another key.
    case wrongSignature = "wrong-signature"
    /// It deals twice, and not the same.
    case equivocation
    /// It complains about everyone's shares, which are in order.
    case falseComplaint = "false-complaint"
    /// Its trailer names another digest than its chunks have.
    case wrongDigest = "wrong-digest"
    /// Its chunks are changed behind its signature.
    case alteredChunks = "altered-chunks"
    /// It releases shares that nobody dealt it.
    case wrongReleasedShares = "wrong-released-shares"
    /// Its update holds what is no number. Without secure aggregation: masked, nobody can look.
    case nonFinite = "non-finite"
    /// Its update is longer than the clip bound, likewise.
    case overNorm = "over-norm"
    /// Its update leads away from where its data lead, ten times as far, and is clipped as it should be. It keeps every
    /// rule: no party can tell.
    case signFlip = "sign-flip"

    /// What the coordinator blames it for, a part of the words; nil if nobody can tell.
    package var fault: String? {
      switch self {
      case .wrongShares, .falseComplaint: "complainedAbout"
      case .wrongSignature: Refusal.badSignature.rawValue
      case .equivocation: Refusal.duplicateWorker.rawValue
      case .wrongDigest, .alteredChunks: Refusal.wrongDigest.rawValue
      case .wrongReleasedShares: "returnedWrongShare"
      case .nonFinite: "not a finite number"
      case .overNorm: "norm"
      case .signFlip: nil
      }
    }

    /// Nil: whichever the run has.
    package var aggregation: AggregationMode? {
      switch self {
      case .wrongShares, .wrongSignature, .equivocation, .falseComplaint, .wrongReleasedShares, .wrongDigest,
        .alteredChunks:
        .secure
      case .nonFinite, .overNorm: .plain
      case .signFlip: nil
      }
    }
  }

  /// A kind and when.
  package struct Conduct<Kind: Hashable & Sendable>: Hashable, Sendable {
    package var kind: Kind
    /// Nil for every round.
    package var round: RoundNumber?

    package func isDone(in round: RoundNumber) -> Bool { self.round.map { $0 == round } ?? true }
  }

  /// The malicious parties of a scenario; all others are honest.
  package struct Malice: Hashable, Sendable {
    package var coordinator: Conduct<CoordinatorMalice>?
    /// By their place among the workers.
    package var workers: [Int: Conduct<WorkerMalice>] = [:]

    /// A party and its kind, as the scenario file has them; nil if everyone is honest.
    var first: (party: String, kind: String)? {
      if let coordinator { return ("coordinator", coordinator.kind.rawValue) }
      return workers.min { $0.key < $1.key }.map { ("worker-\($0.key + 1)", $0.value.kind.rawValue) }
    }
  }

  /// Workers of a scenario with a malicious party: as many as mask with each other without a sparse graph.
  static let maliceWorkersMax = 256

  static func malice(
    in top: ConfigurationSection, population: Population, run: RunConfiguration, isNoticed: Bool
  ) throws(ConfigurationError) -> Malice {
    guard top.has("malicious") else { return Malice() }
    guard population.workers <= maliceWorkersMax else {
      throw top.error(
        at: "malicious", found: "it beside \(population.workers) workers", expected: "at most \(maliceWorkersMax)")
    }
    let section = try top.section("malicious", keys: ["coordinator"] + population.workerNames.map(\.name.text))
    var malice = Malice()
    for party in section.present {
      switch Misfortune.Party(party, of: population) {
      case .coordinator?:
        malice.coordinator = try conduct(
          of: party, in: section, run, CoordinatorMalice.allCases.map { ($0.rawValue, $0) })
      case .worker(let place)?:
        malice.workers[place] = try conduct(
          of: party, in: section, run, WorkerMalice.allCases.map { ($0.rawValue, $0) })
      case nil: break  // No such key is let through.
      }
    }
    try check(malice, in: section, run)
    guard isNoticed else { return malice }
    for (place, conduct) in malice.workers.sorted(by: { $0.key < $1.key }) where conduct.kind.fault == nil {
      throw section.error(
        at: "worker-\(place + 1)", found: "'\(conduct.kind.rawValue)' beside 'expectations: {malicious: noticed}'",
        expected: "a claim of accuracy instead: no party can tell")
    }
    return malice
  }

  /// `KIND`, or `KIND: {round: N}`.
  private static func conduct<Kind>(
    of party: String, in section: ConfigurationSection, _ run: RunConfiguration, _ kinds: [(name: String, kind: Kind)]
  ) throws(ConfigurationError) -> Conduct<Kind> {
    let alternative = try section.alternative(party, of: kinds.map(\.name))
    guard let kind = kinds.first(where: { $0.name == alternative.word })?.kind else {
      throw alternative.error(found: alternative.word, expected: ConfigurationFile.list(kinds.map(\.name)))
    }
    guard !alternative.isAlone else { return Conduct(kind: kind) }
    let settings = try alternative.settings(keys: ["round"])
    return Conduct(kind: kind, round: RoundNumber(try settings.integer("round", in: 1...run.rounds)))
  }

  private static func check(
    _ malice: Malice, in section: ConfigurationSection, _ run: RunConfiguration
  ) throws(ConfigurationError) {
    if let kind = malice.coordinator?.kind, run.aggregation == .plain, !kind.isOfPlainRunsToo {
      throw section.error(
        at: "coordinator", found: "'\(kind.rawValue)' in a run with 'aggregation: plain'",
        expected: "a run with 'aggregation: secure', which has what it attacks")
    }
    if let kind = malice.coordinator?.kind, let groups = run.strategy.groups {
      throw section.error(
        at: "coordinator", found: "'\(kind.rawValue)' in a run with \(groups) groups",
        expected: "a run without 'strategy.groups': each group meets it as a cohort does")
    }
    for (place, conduct) in malice.workers.sorted(by: { $0.key < $1.key }) {
      guard let needed = conduct.kind.aggregation, needed != run.aggregation else { continue }
      throw section.error(
        at: "worker-\(place + 1)", found: "'\(conduct.kind.rawValue)' in a run with 'aggregation: \(run.aggregation)'",
        expected: "a run with 'aggregation: \(needed)'")
    }
  }

  /// `malicious: noticed` among the expectations.
  static func isMaliceNoticed(
    in expectations: ConfigurationSection, of top: ConfigurationSection
  ) throws(ConfigurationError) -> Bool {
    guard expectations.has("malicious") else { return false }
    let isNoticed = try expectations.choice("malicious", of: ["noticed": true])
    guard top.has("malicious") else {
      throw expectations.error(
        at: "malicious", found: "it in a scenario of honest parties", expected: "the key 'malicious' at the top, too")
    }
    return isNoticed
  }
}
