import Federation
import SecureAggregation

/// What honest workers let out, over all attempts, whether or not it arrived, and the claim on it: of no honest worker
/// do both secrets reach the threshold, with all shares of the dishonest worker counted in.
struct FuzzedReleases {
  private struct Owner: Hashable {
    let transcript: Digest
    let owner: Int
  }

  private var rosters: [Digest: [WorkerID]] = [:]
  private var selfMasks: [Owner: Set<Int>] = [:]
  private var maskKeys: [Owner: Set<Int>] = [:]

  /// Names the workers of a transcript in roster order.
  mutating func note(roster names: [WorkerID], of transcript: Digest) { rosters[transcript] = names }

  func roster(of transcript: Digest) -> [WorkerID] { rosters[transcript] ?? [] }

  mutating func note(_ shares: UnmaskShares, from worker: WorkerID) throws(Finding) {
    guard worker != FuzzedMembers.dishonest else { return }  // All that it holds counts as known anyway.
    let names = roster(of: shares.transcript)
    try Finding.unless(
      names.indices.contains(shares.helper) && names[shares.helper] == worker, "\(worker) released as another helper")
    for entry in shares.selfMaskShares { note(entry, shares, in: \.selfMasks) }
    for entry in shares.maskKeyShares { note(entry, shares, in: \.maskKeys) }
    try check(shares.transcript)
  }

  private mutating func note(
    _ entry: UnmaskShares.Entry, _ shares: UnmaskShares, in kind: WritableKeyPath<Self, [Owner: Set<Int>]>
  ) {
    let owner = Owner(transcript: shares.transcript, owner: entry.owner)
    self[keyPath: kind][owner, default: []].insert(shares.helper)
  }

  private func check(_ transcript: Digest) throws(Finding) {
    let names = roster(of: transcript)
    let known = names.contains(FuzzedMembers.dishonest) ? 1 : 0
    // Every worker is an organisation of its own.
    let threshold = Thresholds.threshold(
      rosterCount: names.count, corruptionBound: max((names.count + 2) / 3 - 1, 1), mode: .malicious)
    for (index, name) in names.enumerated() where name != FuzzedMembers.dishonest {
      let owner = Owner(transcript: transcript, owner: index)
      let exposed = [selfMasks, maskKeys].allSatisfy { ($0[owner]?.count ?? 0) + known >= threshold }
      try Finding.unless(!exposed, "both secrets of \(name) reached the threshold of \(threshold)")
    }
  }
}
