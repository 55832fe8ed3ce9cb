import Cryptography
import Federation
import GradientKernel
import Rounds
import SecureAggregation
import Synchronization

/// The keys that the workers of an attempt draw, as in a full simulation of the same seed, and the transcript that follows
/// from them: rotation and rounding are then the same bits. Nobody agrees on anything with these keys.
struct FastRoster {
  let transcript: Digest
  private let roundingSeeds: [WorkerID: SecretBytes]

  /// - Parameters:
  ///   - roster: sorted.
  ///   - lives: starts of each worker's process.
  ///   - pool: the result does not depend on it.
  init(
    _ roster: [WorkerID], offer: RoundOffer, parties: VirtualParties, seed: UInt64, lives: [WorkerID: Int],
    pool: ThreadPool
  ) {
    let roundID = Transcript.roundID(
      federation: parties.membership.federation, attemptID: offer.attempt, modelDigest: offer.modelDigest,
      configurationDigest: offer.configuration.digest)
    guard offer.task.aggregation == .secure else {
      (transcript, roundingSeeds) = (roundID, [:])
      return
    }
    let drawn = Mutex<[Int: (RosterEntry, SecretBytes)]>([:])
    let pieces = (roster.count + Self.pieceCount - 1) / Self.pieceCount
    pool.run(parts: pieces) { piece in
      let places = piece * Self.pieceCount..<min((piece + 1) * Self.pieceCount, roster.count)
      let entries = places.map { place in
        Self.entry(roster[place], life: lives[roster[place]] ?? 1, of: offer.attempt, in: parties, seed: seed)
      }
      drawn.withLock { for (place, entry) in zip(places, entries) { $0[place] = entry } }
    }
    let all = drawn.withLock { drawn in roster.indices.compactMap { drawn[$0] } }
    transcript = Transcript.transcript(
      roundID: roundID, rosterDigest: Transcript.rosterDigest(roundID: roundID, entries: all.map(\.0)))
    roundingSeeds = Dictionary(uniqueKeysWithValues: zip(roster, all.map(\.1)))
  }

  private static let pieceCount = 64

  /// What a worker's `SecureAggregationWorker` draws first, in its order.
  private static func entry(
    _ worker: WorkerID, life: Int, of attempt: AttemptID, in parties: VirtualParties, seed: UInt64
  ) -> (RosterEntry, SecretBytes) {
    guard let certificate = parties.membership[worker]?.certificate else {
      preconditionFailure("\(worker) is not of this federation")
    }
    let secrets = VirtualParties.secrets(seed, owner: worker.text, purpose: "rounds/\(life)").source(for: "\(attempt)")
    let encryptionKey = secrets.secret(32), maskKey = secrets.secret(32), roundingSeed = secrets.secret(32)
    let entry = RosterEntry(
      worker: worker, certificateFingerprint: certificate.fingerprint,
      encryptionKey: Agreement.publicKey(of: encryptionKey), maskKey: Agreement.publicKey(of: maskKey))
    return (entry, roundingSeed)
  }

  /// ρ; nothing that matters in plain mode.
  func roundingSeed(of worker: WorkerID) -> SecretBytes {
    roundingSeeds[worker] ?? SecretBytes(copying: Array(repeating: 0, count: 32))
  }
}
