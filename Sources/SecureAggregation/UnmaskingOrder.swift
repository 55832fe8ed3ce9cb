import Cryptography
import Federation

/// What the coordinator subtracts from the sum of inputs: self masks of survivors, pair masks towards dropouts.
///
/// Holds reconstructed secrets: kept in memory only, dropped as soon as the sum is open.
package struct UnmaskingOrder: Sendable {
  package struct OwnedSecret: Sendable {
    package let owner: Int
    package let secret: SecretBytes

    package init(owner: Int, secret: SecretBytes) {
      self.owner = owner
      self.secret = secret
    }
  }

  /// Who put a mask on for a dropout: its index and its public mask key.
  package struct Peer: Sendable {
    package let index: Int
    package let key: AgreementPublicKey

    package init(index: Int, key: AgreementPublicKey) {
      self.index = index
      self.key = key
    }
  }

  /// The mask secret key of a dropout.
  package struct DropoutKey: Sendable {
    package let owner: Int
    package let secret: SecretBytes
    /// Survivors among its neighbours, ascending.
    package let peers: [Peer]

    package init(owner: Int, secret: SecretBytes, peers: [Peer]) {
      self.owner = owner
      self.secret = secret
      self.peers = peers
    }
  }

  package let transcript: Digest
  package let suite: RoundConfiguration.Suite
  package let vectors: [VectorSpecification]
  /// U3, ascending.
  package let survivors: [Int]
  /// b_o of every survivor.
  package let selfMaskSeeds: [OwnedSecret]
  /// Of every dropout in U2 ∖ U3 that a survivor masked for.
  package let dropoutMaskKeys: [DropoutKey]

  package init(
    transcript: Digest, suite: RoundConfiguration.Suite, vectors: [VectorSpecification], survivors: [Int],
    selfMaskSeeds: [OwnedSecret], dropoutMaskKeys: [DropoutKey]
  ) {
    self.transcript = transcript
    self.suite = suite
    self.vectors = vectors
    self.survivors = survivors
    self.selfMaskSeeds = selfMaskSeeds
    self.dropoutMaskKeys = dropoutMaskKeys
  }

  /// Masks between a dropout and a survivor: each is one key agreement.
  package var pairCount: Int { dropoutMaskKeys.reduce(0) { $0 + $1.peers.count } }
}

extension UnmaskingOrder {
  /// The terms that open the sum of one vector: every survivor's self mask off, and off each survivor's vector the mask
  /// it put on for each dropout.
  ///
  /// Masks between two dropouts never entered the sum. The threads of `runner` split the agreements; the terms and their
  /// order do not depend on it.
  /// - Returns: the terms of each of `vectors`.
  /// - Throws: `allZeroSharedSecret` for a mask key of small order.
  package func terms(
    _ vectors: [VectorSpecification], on runner: some PartRunner = SequentialRunner()
  ) throws(Refusal) -> [[MaskTerm]] {
    let selfCount = selfMaskSeeds.count
    let pairs = dropoutMaskKeys.indices.flatMap { dropout in
      dropoutMaskKeys[dropout].peers.indices.map { (dropout: dropout, peer: $0) }
    }
    let keyCount = selfCount + pairs.count
    // Term k of vector v stands at v · keyCount + k; each is written by one part.
    let terms = [MaskTerm?](unsafeUninitializedCapacity: vectors.count * keyCount) { out, filled in
      filled = out.count
      out.initialize(repeating: nil)
      nonisolated(unsafe) let out = out
      runner.forEachRange(of: 0..<keyCount, multiple: 1) { range in
        for k in range {
          let made =
            k < selfCount
            ? selfTerms(k, vectors) : pairTerms(pairs[k - selfCount].dropout, pairs[k - selfCount].peer, vectors)
          guard let made else { continue }
          for (v, term) in made.enumerated() { out[v * keyCount + k] = term }
        }
      }
    }
    let complete = terms.compactMap { $0 }
    guard complete.count == terms.count else { throw .allZeroSharedSecret }
    return vectors.indices.map { Array(complete[$0 * keyCount..<($0 + 1) * keyCount]) }
  }

  private func selfTerms(_ place: Int, _ vectors: [VectorSpecification]) -> [MaskTerm]? {
    let own = selfMaskSeeds[place]
    return vectors.map { vector in
      MaskTerm(
        key: MaskKeys.selfKey(
          transcript: transcript, worker: own.owner, vector: vector.id, ringBits: vector.ringBits, suite: suite,
          seed: own.secret),
        isAdded: false)
    }
  }

  /// Nil for a mask key of small order.
  private func pairTerms(_ dropout: Int, _ peer: Int, _ vectors: [VectorSpecification]) -> [MaskTerm]? {
    let dropout = dropoutMaskKeys[dropout]
    let peer = dropout.peers[peer]
    guard let shared = try? Agreement.sharedSecret(dropout.secret, peer.key) else { return nil }
    return vectors.map { vector in
      MaskKeys.pairTerm(
        transcript: transcript, worker: peer.index, peer: dropout.owner, vector: vector, suite: suite,
        sharedSecret: shared
      ).removed
    }
  }
}
