import Federation
import Foundation
import Rounds
import SecureAggregation
import Testing

@testable import ClusterRuntime

@Suite struct WorkerLedgerStoreTests {
  private static let attempt = AttemptID(run: "run", round: 3, attempt: 1)
  private static let transcript = Digest.sha256(of: [1])
  private static let charge = PrivacyCharge(mechanism: 1, noiseMultiplier: 0.1 + 0.2, delta: 1e-300)

  private static let entries: [WorkerLedger.Entry] = [
    .attemptBegun(attempt), .contributed(attempt, modelDigest: .sha256(of: [2])),
    .survivorsSigned(transcript: transcript, survivorsDigest: .sha256(of: [3])), .released(transcript: transcript),
    .promised(transcript: .sha256(of: [4])), .charged(attempt, charge), .charged(attempt, charge),
  ]

  @Test("What a worker has recorded reads back as it was, after the process is gone too")
  func readsBack() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "ledger-\(UUID().uuidString).sqlite").path
    defer { for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + end) } }
    var expected = WorkerLedger()
    do {
      let store = try WorkerLedgerStore(path: path)
      for entry in Self.entries {
        try store.record(entry)
        expected.apply(entry)
      }
    }
    let found = try WorkerLedgerStore(path: path).load()
    #expect(found == expected)
    #expect(found.privacy.charges == [Self.charge: 2])
  }
}
