/// Checks that a canary build leaves out, one at a time, to prove that the tests would notice (`.ci/canaries`).
///
/// `MURMURATION_CANARY=quorum swift build …` defines `CANARY_quorum` for this module. Nothing at run time can switch a
/// check off.
enum Canary {
  /// What this build leaves out; nil in every build that is used.
  private static var name: String? {
    #if CANARY_quorum
      "quorum"
    #elseif CANARY_survivors
      "survivors"
    #elseif CANARY_offers
      "offers"
    #elseif CANARY_shares
      "shares"
    #elseif CANARY_relays
      "relays"
    #else
      nil
    #endif
  }

  /// A certificate has at least Q signers.
  static var checksQuorum: Bool { name != "quorum" }
  /// One U3 per transcript.
  static var checksSecondSurvivors: Bool { name != "survivors" }
  /// Every advert answers the reader's own offer.
  static var checksOffers: Bool { name != "offers" }
  /// An opened share fits its dealer's commitments.
  static var checksShares: Bool { name != "shares" }
  /// Neighbours' inputs were masked under the reader's own U2.
  static var checksRelays: Bool { name != "relays" }
}
