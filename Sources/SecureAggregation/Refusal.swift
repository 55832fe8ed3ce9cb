/// Why a message, a set or a value of protocol SA1 was refused.
///
/// The raw values are the names of the specification (Protocols/secure-aggregation.md, "Refusals") and of its vectors.
package enum Refusal: String, Error, Hashable, Sendable, CaseIterable {
  // Form of a message.
  case badLength
  case badBitmap
  case wrongDigest
  case badSignature

  // Configuration.
  case truncated
  case fieldOrder
  case unknownField
  case fieldType
  case fieldSize
  case fieldValue
  case missingField

  // Certificate.
  case certificateNotSigned
  case wrongRole
  case wrongName
  case badOrganisation
  case certificateNotValidNow

  // Offer and roster.
  case rosterOrder
  case duplicateWorker
  case duplicateKey
  case ownEntryChanged
  case advertOfAnotherOffer
  case secondRoster

  // Thresholds and graph.
  case rosterTooLarge
  case organisationAboveGamma
  case belowMinimumCohort
  case tooFewOrganisations
  case organisationAboveCap
  case noSafeSurvivorSet
  case noGraph

  // Keys and shares.
  case allZeroSharedSecret
  case shareNotAuthentic
  case shareCommitment
  case nonCanonicalLimb
  case nonCanonicalSecret
  case tooFewShares
  case duplicateShare

  // Dealers (U2), survivors (U3), quorum.
  case secondDealerSet
  case notInU2
  case tooFewDealers
  case tooFewNeighbours
  case dealerWithoutShare
  case secondSurvivorSet
  case survivorOutsideU2
  case notASurvivor
  case tooFewSurvivors
  case inputOfAnotherU2
  case duplicateSigner
  case signerOutsideU3
  case quorumTooSmall

  // Update.
  case notFinite
  case noExamples
}
