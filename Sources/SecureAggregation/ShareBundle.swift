import Cryptography
import Federation

/// M3: all that one dealer deals, sealed, with its commitments.
package struct ShareBundle: Hashable, Sendable {
  /// What one helper gets.
  package struct Entry: Hashable, Sendable {
    /// Bytes in a body: index, nonce, ciphertext, two commitments.
    package static let byteCount = 4 + 12 + ShareSealing.ciphertextByteCount + 64

    package let helper: Int
    package let nonce: [UInt8]
    package let ciphertext: [UInt8]
    /// hB.
    package let selfMaskCommitment: Digest
    /// hS.
    package let maskKeyCommitment: Digest

    package init(
      helper: Int, nonce: [UInt8], ciphertext: [UInt8], selfMaskCommitment: Digest, maskKeyCommitment: Digest
    ) {
      self.helper = helper
      self.nonce = nonce
      self.ciphertext = ciphertext
      self.selfMaskCommitment = selfMaskCommitment
      self.maskKeyCommitment = maskKeyCommitment
    }
  }

  /// cB.
  package let seedCommitment: Digest
  /// hB of the dealer's share for itself, which it reveals in M9.
  package let ownShareCommitment: Digest
  /// In ascending order of the helper.
  package let entries: [Entry]

  package init(seedCommitment: Digest, ownShareCommitment: Digest, entries: [Entry]) {
    self.seedCommitment = seedCommitment
    self.ownShareCommitment = ownShareCommitment
    self.entries = entries.sorted { $0.helper < $1.helper }
  }

  package var bodyBytes: [UInt8] {
    var out = CanonicalBytes()
    out.append(seedCommitment)
    out.append(ownShareCommitment)
    out.append(UInt32(entries.count))
    for entry in entries {
      out.append(UInt32(entry.helper))
      out.append(raw: entry.nonce)
      out.append(raw: entry.ciphertext)
      out.append(entry.selfMaskCommitment)
      out.append(entry.maskKeyCommitment)
    }
    return out.bytes
  }

  package var bodyDigest: Digest { .sha256(of: bodyBytes) }

  /// The entry for a helper; nil if the dealer dealt it nothing.
  package func entry(for helper: Int) -> Entry? {
    var low = 0, high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].helper < helper { low = middle + 1 } else { high = middle }
    }
    return low < entries.count && entries[low].helper == helper ? entries[low] : nil
  }

  /// Reads a body.
  ///
  /// - Throws: `badLength` unless it is exactly as long as its count says; `rosterOrder` unless helpers ascend.
  package init(bodyBytes: [UInt8]) throws(Refusal) {
    var reader = CanonicalReader(bodyBytes)
    guard let seed = reader.read(32), let own = reader.read(32), let count: UInt32 = reader.readInteger(),
      reader.remaining == Int(count) * Entry.byteCount
    else { throw .badLength }
    var entries: [Entry] = []
    entries.reserveCapacity(Int(count))
    while let helper: UInt32 = reader.readInteger(), let nonce = reader.read(12),
      let ciphertext = reader.read(ShareSealing.ciphertextByteCount), let hB = reader.read(32),
      let hS = reader.read(32)
    {
      if let last = entries.last, Int(helper) <= last.helper { throw .rosterOrder }
      entries.append(
        Entry(
          helper: Int(helper), nonce: nonce, ciphertext: ciphertext, selfMaskCommitment: Digest(unchecked: hB),
          maskKeyCommitment: Digest(unchecked: hS)))
    }
    self.init(
      seedCommitment: Digest(unchecked: seed), ownShareCommitment: Digest(unchecked: own), entries: entries)
  }

  /// Deals a seed and a mask key to `helpers` and seals each pair.
  ///
  /// - Parameters:
  ///   - helpers: every neighbour with what its encryption key and the dealer's agree on, in any order, without the
  ///     dealer.
  ///   - secrets: gives coefficients and nonces.
  /// - Returns: the bundle and the dealer's share of its own seed, which it keeps for M9.
  package static func deal(
    transcript: Digest, dealer: Int, threshold: Int, seed: SecretBytes, maskSecret: SecretBytes,
    helpers: [(index: Int, agreed: SecretBytes)], secrets: any SecretSource
  ) -> (bundle: ShareBundle, ownShare: Shamir.Share) {
    let indices = helpers.map(\.index)
    let seedShares = Shamir.split(seed, threshold: threshold, helpers: indices + [dealer], coefficients: secrets)
    let keyShares = Shamir.split(maskSecret, threshold: threshold, helpers: indices, coefficients: secrets)
    var entries: [Entry] = []
    for (position, helper) in helpers.enumerated() {
      let key = ShareSealing.key(
        transcript: transcript, agreed: helper.agreed, dealer: dealer, helper: helper.index)
      entries.append(
        ShareSealing.seal(
          SharePair(selfMask: seedShares[position], maskKey: keyShares[position]), key: key,
          nonce: secrets.bytes(ChaCha20Poly1305.nonceByteCount), transcript: transcript, dealer: dealer,
          helper: helper.index))
    }
    let own = seedShares[helpers.count]
    let bundle = ShareBundle(
      seedCommitment: ShareSealing.seedCommitment(transcript: transcript, dealer: dealer, seed: seed),
      ownShareCommitment: ShareSealing.shareCommitment(
        .selfMask, transcript: transcript, dealer: dealer, helper: dealer, share: own),
      entries: entries)
    return (bundle, own)
  }
}
