import Cryptography
import Federation

/// What the coordinator subtracts from the sum of inputs: self masks of survivors, pair masks towards dropouts.
///
/// Holds reconstructed secrets: kept in memory only, dropped as soon as the sum is open.
package struct UnmaskingOrder: Sendable {
  package struct OwnedSecret: Sendable {
    package let owner: Int
    package let secret: SecretBytes
  }

  /// The mask secret key of a dropout, and who put a mask on for it.
  package struct DropoutKey: Sendable {
    package let owner: Int
    package let secret: SecretBytes
    /// Survivors among its neighbours, ascending, with their public mask keys.
    package let peers: [(index: Int, key: AgreementPublicKey)]
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
}

extension UnmaskingOrder {
  /// The terms that open the sum of one vector: every survivor's self mask off, and off each survivor's vector the mask
  /// it put on for each dropout.
  ///
  /// Masks between two dropouts never entered the sum.
  /// - Throws: `allZeroSharedSecret` for a mask key of small order.
  package func terms(_ vectors: [VectorSpecification]) throws(Refusal) -> [[MaskTerm]] {
    var terms = vectors.map { vector in
      selfMaskSeeds.map { own in
        MaskTerm(
          key: MaskKeys.selfKey(
            transcript: transcript, worker: own.owner, vector: vector.id, ringBits: vector.ringBits, suite: suite,
            seed: own.secret),
          isAdded: false)
      }
    }
    for dropout in dropoutMaskKeys {
      for (survivor, publicKey) in dropout.peers {
        let shared = try Agreement.sharedSecret(dropout.secret, publicKey)
        for (place, vector) in vectors.enumerated() {
          terms[place].append(
            MaskKeys.pairTerm(
              transcript: transcript, worker: survivor, peer: dropout.owner, vector: vector, suite: suite,
              sharedSecret: shared
            ).removed)
        }
      }
    }
    return terms
  }
}
