import Federation

/// Signed statements that show a party's misconduct: the driver keeps them on disk, for people to judge (rulings A6, A9).
///
/// Whoever holds the signers' public keys can verify each statement alone; nothing in one is secret.
package struct Evidence: Hashable, Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    /// The coordinator offered different models or rules in one attempt.
    case twoOffers
    /// A relayed advert answers no offer that the reader can rebuild: its worker or the coordinator made it up.
    case badAdvert
    case twoRosters
    case twoDealerSets
    case twoSurvivorSets
    /// A signed result over other survivors than those that were agreed to.
    case otherResult
    case twoAdverts
    case twoBundles
    case twoShareChecks
  }

  package struct Statement: Hashable, Sendable {
    package let signer: WorkerID
    package let key: SigningPublicKey
    /// What was signed, as Protocols/secure-aggregation.md lays it out.
    package let string: [UInt8]
    package let signature: Signature

    package init(signer: WorkerID, key: SigningPublicKey, string: [UInt8], signature: Signature) {
      self.signer = signer
      self.key = key
      self.string = string
      self.signature = signature
    }

    package var isAuthentic: Bool { signature.isValid(over: string, by: key) }
  }

  package let kind: Kind
  package let attempt: AttemptID
  /// Who signed what cannot both be honest; nil if that is open.
  package let accused: WorkerID?
  package let statements: [Statement]

  package init(kind: Kind, attempt: AttemptID, accused: WorkerID?, statements: [Statement]) {
    self.kind = kind
    self.attempt = attempt
    self.accused = accused
    self.statements = statements
  }

  /// One sentence for people.
  package var explanation: String {
    switch kind {
    case .twoOffers: "The coordinator signed two different offers for one attempt: other models or other rules."
    case .badAdvert:
      "An advert on the roster does not verify for this attempt: its worker or the coordinator is at fault."
    case .twoRosters: "The coordinator signed two different rosters for one attempt."
    case .twoDealerSets: "The coordinator signed two different sets of dealers (U2) for one transcript."
    case .twoSurvivorSets: "The coordinator signed two different sets of survivors (U3) for one transcript."
    case .otherResult: "The coordinator signed a result over other survivors than it had proposed."
    case .twoAdverts: "A worker signed two different key adverts for one attempt."
    case .twoBundles: "A worker signed two different share bundles for one transcript."
    case .twoShareChecks: "A worker signed two different answers to its shares for one transcript."
    }
  }
}
