/// A run as it went: all that its pictures and tables are made from, and what `history.json` holds.
package struct RunHistory: Codable, Hashable, Sendable {
  package static let format = "murmuration-history"
  package static let version = 1

  /// The file that holds one.
  package static let fileName = "history.json"

  /// Loss, and accuracy if the model answers with classes.
  package struct Evaluation: Codable, Hashable, Sendable {
    package var loss: Double
    package var accuracy: Double?

    package init(loss: Double, accuracy: Double?) {
      self.loss = loss
      self.accuracy = accuracy
    }
  }

  /// Something that the scenario claims.
  package struct Expectation: Codable, Hashable, Sendable {
    package var claim: String
    package var found: String
    /// Nil if the simulation was ended before it could be judged.
    package var isMet: Bool?

    package init(claim: String, found: String, isMet: Bool?) {
      self.claim = claim
      self.found = found
      self.isMet = isMet
    }
  }

  /// Seconds of an attempt, phase by phase.
  package struct Phases: Codable, Hashable, Sendable {
    /// From the end of the attempt before it to the offer; the rest after an abandoned attempt is in it.
    package var selecting: Double
    /// Keys and shares; 0 in plain mode.
    package var setup: Double
    /// Training, and the uploads.
    package var reporting: Double
    package var unmasking: Double
    package var closing: Double

    package init(selecting: Double, setup: Double, reporting: Double, unmasking: Double, closing: Double) {
      self.selecting = selecting
      self.setup = setup
      self.reporting = reporting
      self.unmasking = unmasking
      self.closing = closing
    }
  }

  /// Workers of one organisation in one attempt.
  package struct Participation: Codable, Hashable, Sendable {
    /// Its place among the organisations of the history.
    package var organisation: Int
    package var selected: Int
    package var reported: Int

    package init(organisation: Int, selected: Int, reported: Int) {
      self.organisation = organisation
      self.selected = selected
      self.reported = reported
    }
  }

  package struct Attempt: Codable, Hashable, Sendable {
    package enum Outcome: String, Codable, Sendable {
      case committed
      /// The round at the end, which measures the last version and makes none.
      case evaluated
      case abandoned
      /// The run, or the simulation, ended in the middle of it.
      case unfinished
    }

    package var round: Int
    package var attempt: Int
    package var outcome: Outcome
    package var reason: String?
    /// Seconds from the beginning to the offer, and to the end.
    package var start: Double
    package var end: Double
    package var phases: Phases?
    package var cohort: Int
    package var reported: Int
    package var bytesUp: Double
    package var bytesDown: Double?
    /// The version that it trained on, whose metrics these are.
    package var baseVersion: Int
    package var evaluation: Evaluation?
    /// Of the version that it made, on the coordinator's own data.
    package var central: Evaluation?
    /// That it made.
    package var version: Int?
    package var participation: [Participation]

    package var dropped: Int { cohort - reported }

    package init(
      round: Int, attempt: Int, outcome: Outcome, reason: String?, start: Double, end: Double, phases: Phases?,
      cohort: Int, reported: Int, bytesUp: Double, bytesDown: Double?, baseVersion: Int, evaluation: Evaluation?,
      central: Evaluation?, version: Int?, participation: [Participation] = []
    ) {
      self.round = round
      self.attempt = attempt
      self.outcome = outcome
      self.reason = reason
      self.start = start
      self.end = end
      self.phases = phases
      self.cohort = cohort
      self.reported = reported
      self.bytesUp = bytesUp
      self.bytesDown = bytesDown
      self.baseVersion = baseVersion
      self.evaluation = evaluation
      self.central = central
      self.version = version
      self.participation = participation
    }
  }

  /// A time in which a party was gone, or could not be reached.
  package struct Outage: Codable, Hashable, Sendable {
    package enum Kind: String, Codable, Sendable {
      case crash
      case partition
      case diskFull = "disk-full"
      case slowDisk = "slow-disk"
      case clockSkew = "clock-skew"
    }

    package var party: String
    package var kind: Kind
    package var from: Double
    /// Nil if it lasted to the end.
    package var to: Double?

    package init(party: String, kind: Kind, from: Double, to: Double?) {
      self.party = party
      self.kind = kind
      self.from = from
      self.to = to
    }
  }

  /// What `outages` calls the coordinator.
  package static let coordinator = "coordinator"

  package var format = Self.format
  package var version = Self.version
  package var isSimulation: Bool
  package var name: String
  /// One sentence.
  package var purpose: String?
  package var seed: UInt64?
  package var program: String
  /// The one command that does it again.
  package var replay: String?
  package var outcome: String
  package var expectations: [Expectation] = []
  /// Broken claims, in words.
  package var violations: [String] = []
  package var roundsPlanned: Int?
  package var modelVersion: Int
  package var modelDigest: String?
  /// Of the last version, on the data that no worker has.
  package var heldOut: Evaluation?
  package var seconds: Double
  package var messages: UInt64?
  package var bytes: Double
  package var events: UInt64?
  package var organisations: [String] = []
  package var attempts: [Attempt]
  package var outages: [Outage] = []

  package init(
    isSimulation: Bool, name: String, program: String, outcome: String, modelVersion: Int, seconds: Double,
    bytes: Double, attempts: [Attempt]
  ) {
    self.isSimulation = isSimulation
    self.name = name
    self.program = program
    self.outcome = outcome
    self.modelVersion = modelVersion
    self.seconds = seconds
    self.bytes = bytes
    self.attempts = attempts
  }
}

/// The first lines of any history: what says whether the rest can be read.
package struct RunHistoryHeader: Codable, Hashable, Sendable {
  package let format: String
  package let version: Int
}
