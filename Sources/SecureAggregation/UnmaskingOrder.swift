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

  package let transcript: Digest
  package let suite: RoundConfiguration.Suite
  package let vectors: [VectorSpecification]
  /// U3, ascending.
  package let survivors: [Int]
  /// Public mask keys of `survivors`, in that order.
  package let survivorMaskKeys: [AgreementPublicKey]
  /// b_o of every survivor.
  package let selfMaskSeeds: [OwnedSecret]
  /// The mask secret key of every dropout in U2 ∖ U3.
  package let dropoutMaskKeys: [OwnedSecret]
}
