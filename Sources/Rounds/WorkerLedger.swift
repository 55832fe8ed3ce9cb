import Federation

/// What a worker must remember across restarts (ruling A9): which attempts it has seen, what it has contributed to,
/// which survivor sets it has signed, what it has released or promised never to release.
///
/// Nothing here is secret; nothing of a round's secrets is here.
package struct WorkerLedger: Hashable, Sendable {
  /// One durable fact. Recorded before the message that depends on it leaves.
  package enum Entry: Hashable, Sendable {
    case attemptBegun(AttemptID)
    case contributed(AttemptID, modelDigest: Digest)
    /// Nothing of that contribution can ever be opened: it does not count (ruling A8).
    case excused(AttemptID, modelDigest: Digest, transcript: Digest)
    case survivorsSigned(transcript: Digest, survivorsDigest: Digest)
    case released(transcript: Digest)
    case promised(transcript: Digest)
    /// A contribution under noise, retries too.
    case charged(AttemptID, PrivacyCharge)
  }

  package struct Contribution: Hashable, Sendable {
    package let run: RunID
    package let modelDigest: Digest
  }

  /// The highest attempt seen of each run.
  package private(set) var highWater: [RunID: AttemptID] = [:]
  package private(set) var contributions: [Contribution: UInt32] = [:]
  /// Transcripts whose contributions do not count.
  package private(set) var excused: [Contribution: Set<Digest>] = [:]
  package private(set) var survivorSets: [Digest: Digest] = [:]
  package private(set) var releases: Set<Digest> = []
  package private(set) var promises: Set<Digest> = []
  package private(set) var privacy = PrivacyLedger()

  package init() {}

  /// Folds one fact in; facts may be folded in again without effect, except contributions and
  /// charges, which count.
  package mutating func apply(_ entry: Entry) {
    switch entry {
    case .attemptBegun(let attempt):
      if let seen = highWater[attempt.run], seen >= attempt { return }
      highWater[attempt.run] = attempt
    case .contributed(let attempt, let modelDigest):
      contributions[Contribution(run: attempt.run, modelDigest: modelDigest), default: 0] += 1
    case .excused(let attempt, let modelDigest, let transcript):
      excused[Contribution(run: attempt.run, modelDigest: modelDigest), default: []].insert(transcript)
    case .survivorsSigned(let transcript, let digest):
      if survivorSets[transcript] == nil { survivorSets[transcript] = digest }
    case .released(let transcript): releases.insert(transcript)
    case .promised(let transcript): promises.insert(transcript)
    case .charged(_, let charge): privacy.apply(charge)
    }
  }

  /// Whether an attempt is newer than everything seen of its run.
  package func isNew(_ attempt: AttemptID) -> Bool { highWater[attempt.run].map { attempt > $0 } ?? true }

  /// How often this model of this run was contributed to, without contributions that can never be opened.
  package func contributionCount(run: RunID, modelDigest: Digest) -> UInt32 {
    let key = Contribution(run: run, modelDigest: modelDigest)
    let count = contributions[key] ?? 0
    return count - min(count, UInt32(clamping: excused[key]?.count ?? 0))
  }
}
