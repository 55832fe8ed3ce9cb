import Cryptography
import Federation
import SecureAggregation
import Testing

/// What is kept when somebody signs two things that cannot both be honest (rulings A6, A9).
struct EvidenceTests {
  private static func evidence(of actions: [SecureAggregationWorker.Action]) -> [Evidence] {
    actions.compactMap { if case .keepEvidence(let evidence) = $0 { evidence } else { nil } }
  }

  private static func evidence(of actions: [SecureAggregationCoordinator.Action]) -> [Evidence] {
    actions.compactMap { if case .keepEvidence(let evidence) = $0 { evidence } else { nil } }
  }

  /// A second, different, signed message of the coordinator after the honest one, and what worker 0 calls it.
  enum Second: CaseIterable {
    case roster, dealers, survivors, survivorsAfterRelease, result

    var expected: (Evidence.Kind, Refusal) {
      switch self {
      case .roster: (.twoRosters, .secondRoster)
      case .dealers: (.twoDealerSets, .secondDealerSet)
      case .survivors, .survivorsAfterRelease: (.twoSurvivorSets, .secondSurvivorSet)
      case .result: (.otherResult, .secondSurvivorSet)
      }
    }
  }

  @Test(
    "A coordinator that signs two different sets of one kind leaves both signatures behind", arguments: Second.allCases)
  func keepsBothOfTheCoordinator(_ second: Second) throws {
    let federation = try ProtocolFederation(count: 8)
    let round = try ProtocolRound(federation)
    let forgery = ProtocolForgery(federation: federation, context: round.context)
    var seen: SurvivorSet?
    round.onWayToWorker = { name, event in
      guard name == round.names[0] else { return [event] }
      switch (second, event) {
      case (.roster, .rosterReceived(let roster)):
        return [event, .rosterReceived(forgery.roster(Array(roster.adverts.dropLast())))]
      case (.dealers, .dealersReceived(let set)):
        return [event, .dealersReceived(forgery.dealers(Array(0..<7), count: 8, like: set))]
      case (.survivors, .survivorsReceived(let set)):
        return [event, .survivorsReceived(forgery.survivors(Array(0..<7), count: 8, like: set))]
      case (.survivorsAfterRelease, .survivorsReceived(let set)), (.result, .survivorsReceived(let set)):
        seen = set
        return [event]
      case (.survivorsAfterRelease, .quorumReceived):
        return [event] + (seen.map { [.survivorsReceived(forgery.survivors(Array(0..<7), count: 8, like: $0))] } ?? [])
      case (.result, .resultReceived(let result)):
        return [.resultReceived(forgery.result(Array(0..<7), like: result))]
      default: return [event]
      }
    }
    try round.run()
    let found = Self.evidence(of: round.workerActions[round.names[0]] ?? [])
    #expect(found.map(\.kind) == [second.expected.0])
    #expect(found.allSatisfy { $0.statements.count == 2 && $0.statements.allSatisfy { $0.isAuthentic } })
    #expect(Set(found.flatMap(\.statements).map(\.string)).count == 2)
    #expect(round.outcome(of: round.names[0]) == .refused(second.expected.1))
  }

  @Test("A second set that nobody signed is noise: no evidence, no refusal")
  func ignoresUnsignedSets() throws {
    let federation = try ProtocolFederation(count: 5)
    let round = try ProtocolRound(federation)
    round.onWayToWorker = { name, event in
      guard name == round.names[0], case .dealersReceived(let set) = event else { return [event] }
      let other = DealerSet(
        transcript: set.transcript, dealers: Bitmap(members: 0..<4, count: 5), signature: set.signature)
      return [event, .dealersReceived(other)]
    }
    try round.run()
    #expect(Self.evidence(of: round.workerActions[round.names[0]] ?? []).isEmpty)
    #expect(round.sums == round.plainSum(of: round.names))
  }

  @Test("A worker that signs two adverts, bundles or share checks leaves both behind", arguments: 0..<3)
  func keepsBothOfAWorker(_ kind: Int) throws {
    let federation = try ProtocolFederation(count: 8)
    let round = try ProtocolRound(federation)
    let forgery = ProtocolForgery(federation: federation, context: round.context)
    round.onWayToCoordinator = { _, event in
      switch (kind, event) {
      case (0, .advertReceived(let advert, let name)) where name == round.names[2]:
        let other = forgery.advert(
          advert, maskKey: Agreement.publicKey(of: SecretBytes(copying: [UInt8](repeating: 9, count: 32))),
          signedBy: forgery.key(2))
        return [event, .advertReceived(other, from: name)]
      case (1, .bundleReceived(let bundle, let name)) where bundle.dealer == 2:
        return [event, .bundleReceived(forgery.spoiled(bundle, for: [5]), from: name)]
      case (2, .shareCheckReceived(let check, let name)) where check.helper == 2:
        return [event, .shareCheckReceived(forgery.shareCheck(check, complaints: [5]), from: name)]
      default: return [event]
      }
    }
    try round.run()
    let found = Self.evidence(of: round.coordinatorActions)
    #expect(found.map(\.kind) == [[Evidence.Kind.twoAdverts, .twoBundles, .twoShareChecks][kind]])
    #expect(found.map(\.accused) == [round.names[2]])
    #expect(found.allSatisfy { $0.statements.count == 2 && $0.statements.allSatisfy { $0.isAuthentic } })
  }

  @Test("An advert that answers no offer at all is kept, and accuses nobody for certain")
  func keepsABadAdvert() throws {
    let federation = try ProtocolFederation(count: 6)
    let round = try ProtocolRound(federation)
    let forgery = ProtocolForgery(federation: federation, context: round.context)
    round.onWayToWorker = { name, event in
      guard name == round.names[0], case .rosterReceived(let roster) = event else { return [event] }
      // Relayed with the mask key exchanged (a man in the middle), under the signature of somebody else.
      var adverts = roster.adverts
      adverts[3] = forgery.advert(
        adverts[3], maskKey: Agreement.publicKey(of: SecretBytes(copying: [UInt8](repeating: 9, count: 32))),
        signedBy: forgery.key(4))
      return [.rosterReceived(forgery.roster(adverts))]
    }
    try round.run()
    let found = Self.evidence(of: round.workerActions[round.names[0]] ?? [])
    #expect(found.map(\.kind) == [.badAdvert])
    #expect(found.map(\.accused) == [nil])
    #expect(found.first?.statements.map(\.signer) == [round.names[3]])
    #expect(found.first?.statements.allSatisfy { !$0.isAuthentic } == true)
    #expect(round.outcome(of: round.names[0]) == .refused(.advertOfAnotherOffer))
  }
}

/// When an attempt is sealed: enough promises, so that nothing of it can ever be opened (ruling A8).
struct AbortStatementTests {
  private static let n = 10  // n_C = 3, t = 7: 10 + 3 − 7 + 1 = 7 promises.

  private struct Past {
    let members: TranscriptMembers
    let statements: [WorkerAbort]
  }

  private static func past(
    _ workers: Range<Int>, released: Set<Int> = [], signedBy signer: (Int) -> Int = { $0 }
  ) throws -> Past {
    let federation = try ProtocolFederation(count: n)
    let transcript = Digest.sha256(of: [7])
    func key(_ index: Int) throws -> SigningKey { try #require(federation.keys[federation.workers[index]]) }
    let members = try TranscriptMembers(
      transcript: transcript, signingKeys: (0..<n).map { try key($0).signingPublicKey },
      thresholds: Thresholds.compute(
        organisations: (0..<n).map { OrganisationID(unchecked: "o\($0)") }, mode: .malicious, policy: CohortPolicy()),
      isComplete: true)
    let statements = try workers.map { index in
      let signed = SignedString.abort(
        transcript: transcript, worker: index, released: released.contains(index), code: .attemptEnded)
      return WorkerAbort(
        transcript: transcript, worker: index, hasReleased: released.contains(index), code: .attemptEnded,
        signature: try key(signer(index)).signature(over: signed))
    }
    return Past(members: members, statements: statements)
  }

  @Test(
    "n + n_C − t + 1 promises seal an attempt, one fewer do not",
    arguments: [(7, true), (10, true), (6, false), (0, false)])
  func seals(_ given: (promises: Int, isSealed: Bool)) throws {
    let past = try Self.past(0..<given.promises)
    #expect(past.members.promisesNeeded == 7)
    #expect(past.members.isSealed(by: past.statements) == given.isSealed)
  }

  @Test("A statement that something was released is no promise")
  func countsPromisesOnly() throws {
    let past = try Self.past(0..<8, released: [0, 1])
    #expect(!past.members.isSealed(by: past.statements))
  }

  @Test("One promise counts once, and a forged one not at all")
  func countsSignersOnce() throws {
    let six = try Self.past(0..<6)
    #expect(!six.members.isSealed(by: six.statements + six.statements.prefix(4)))
    let forged = try Self.past(0..<7, signedBy: { $0 == 6 ? 5 : $0 })
    #expect(!forged.members.isSealed(by: forged.statements))
  }

  @Test("Promises of another transcript, or on the sparse graph, seal nothing")
  func sealsItsOwnTranscript() throws {
    let past = try Self.past(0..<10)
    let other = TranscriptMembers(
      transcript: .sha256(of: [8]), signingKeys: past.members.signingKeys, thresholds: past.members.thresholds,
      isComplete: true)
    let sparse = TranscriptMembers(
      transcript: past.members.transcript, signingKeys: past.members.signingKeys,
      thresholds: past.members.thresholds, isComplete: false)
    #expect(!other.isSealed(by: past.statements) && !sparse.isSealed(by: past.statements))
  }
}
