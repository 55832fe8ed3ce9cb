import Federation

/// One worker of a roster: who it is and the two fresh keys of this attempt.
package struct RosterEntry: Hashable, Sendable {
  package let worker: WorkerID
  package let certificateFingerprint: Digest
  /// Seals shares.
  package let encryptionKey: AgreementPublicKey
  /// Agrees on pairwise masks.
  package let maskKey: AgreementPublicKey

  package init(
    worker: WorkerID, certificateFingerprint: Digest, encryptionKey: AgreementPublicKey, maskKey: AgreementPublicKey
  ) {
    self.worker = worker
    self.certificateFingerprint = certificateFingerprint
    self.encryptionKey = encryptionKey
    self.maskKey = maskKey
  }

  func append(to out: inout CanonicalBytes) {
    out.append(prefixed: worker.text)
    out.append(certificateFingerprint)
    out.append(encryptionKey)
    out.append(maskKey)
  }
}

/// The three digests that name a run of the protocol; every key of it is salted with the last.
package enum Transcript {
  /// `rid`: what an offer is for.
  package static func roundID(
    federation: FederationID, attemptID: AttemptID, modelDigest: Digest, configurationDigest: Digest
  ) -> Digest {
    var out = CanonicalBytes(label: "round")
    out.append(prefixed: federation.text)
    out.append(prefixed: attemptID.run.text)
    out.append(attemptID.round.value)
    out.append(attemptID.attempt.value)
    out.append(modelDigest)
    out.append(configurationDigest)
    return .sha256(of: out.bytes)
  }

  /// `hRoster`: who takes part with which keys, in roster order.
  package static func rosterDigest(roundID: Digest, entries: [RosterEntry]) -> Digest {
    var out = CanonicalBytes(label: "roster")
    out.append(roundID)
    out.append(UInt32(entries.count))
    for entry in entries { entry.append(to: &out) }
    return .sha256(of: out.bytes)
  }

  /// `T`.
  package static func transcript(roundID: Digest, rosterDigest: Digest) -> Digest {
    var out = CanonicalBytes(label: "transcript")
    out.append(roundID)
    out.append(rosterDigest)
    return .sha256(of: out.bytes)
  }
}
