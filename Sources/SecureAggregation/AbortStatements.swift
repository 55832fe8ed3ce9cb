import Federation

/// Who stands behind a transcript: enough to judge statements about it after the attempt is over.
package struct TranscriptMembers: Hashable, Sendable {
  package let transcript: Digest
  /// In roster order.
  package let signingKeys: [SigningPublicKey]
  package let thresholds: Thresholds
  /// Whether everyone holds a share of everyone: only then do these statements add up (ruling A8).
  package let isComplete: Bool

  package init(transcript: Digest, signingKeys: [SigningPublicKey], thresholds: Thresholds, isComplete: Bool) {
    self.transcript = transcript
    self.signingKeys = signingKeys
    self.thresholds = thresholds
    self.isComplete = isComplete
  }

  /// n + n_C − t + 1: with so many promises, n_C of them lies, fewer than t workers are left that could release a share.
  package var promisesNeeded: Int {
    thresholds.rosterCount + thresholds.corruptionBound - thresholds.threshold + 1
  }

  /// Whether the statements show that nothing of this transcript can ever be opened (ruling A8): enough different
  /// workers of its roster have signed that they have released no share and never will.
  package func isSealed(by statements: [WorkerAbort]) -> Bool {
    guard isComplete, statements.count <= signingKeys.count else { return false }
    var promised: Set<Int> = []
    for statement in statements where !statement.hasReleased && statement.transcript == transcript {
      guard signingKeys.indices.contains(statement.worker), !promised.contains(statement.worker),
        statement.isSigned(by: signingKeys[statement.worker])
      else { continue }
      promised.insert(statement.worker)
    }
    return promised.count >= promisesNeeded
  }
}

extension WorkerAbort {
  package func isSigned(by key: SigningPublicKey) -> Bool {
    signature.isValid(
      over: SignedString.abort(transcript: transcript, worker: worker, released: hasReleased, code: code), by: key)
  }
}
