import ClusterConfiguration
import Federation
import Rounds
import SecureAggregation

/// How long work takes in virtual time, from the scenario's table; never from the clock of the machine.
struct WorkCosts {
  let table: SimulationScenario.Costs

  /// At a worker: reading a message, and all that its answer takes.
  func receiving(_ message: CoordinatorMessage) -> Duration {
    switch message {
    case .offer: return advert
    case .roster(_, let roster):
      // A certificate, an advert and an offer each; when all are here, a key with, and two shares for, every neighbour.
      let verification = seconds(3 * Double(roster.adverts.count) * table.verification)
      guard let n = Self.rosterCount(at: roster) else { return verification }
      return verification + sharing(rosterCount: n)
    case .peerShares(let shares):
      return seconds(Double(shares.entries.count) * (table.keyAgreement + 2 * table.share) + table.signature)
    case .dealers(let dealers):
      let neighbours = min(dealers.dealers.memberCount, Self.neighbours(rosterCount: dealers.dealers.count))
      return seconds(table.verification + Double(neighbours) * table.keyAgreement)
    case .survivors: return seconds(table.verification + table.signature)
    case .quorum(let quorum): return seconds(Double(quorum.signers.count) * table.verification)
    case .result: return seconds(table.verification)
    case .ended: return .zero
    case .aborts(let statements): return seconds(Double(statements.statements.count) * table.verification)
    }
  }

  /// A worker's keys, behind the offer.
  var advert: Duration { seconds(2 * table.keyAgreement + table.verification + table.signature) }

  /// A worker's shares for its neighbours, once it has the whole roster.
  private func sharing(rosterCount n: Int) -> Duration {
    let neighbours = Double(Self.neighbours(rosterCount: n))
    return seconds(neighbours * table.keyAgreement + 2 * neighbours * table.share + table.signature)
  }

  /// All that one worker does between the roster and its input: the roster's certificates, adverts and offers, the shares
  /// it deals and those it opens, and the agreements behind its masks.
  func dealing(rosterCount n: Int) -> Duration {
    let neighbours = Double(Self.neighbours(rosterCount: n))
    return sharing(rosterCount: n)
      + seconds(
        (3 * Double(n) + 1) * table.verification + 2 * neighbours * (table.keyAgreement + table.share)
          + table.signature)
  }

  /// At the coordinator.
  func receiving(_ message: WorkerMessage) -> Duration {
    switch message {
    case .advert: seconds(2 * table.verification)
    case .bundle, .shareCheck, .agree, .abort: seconds(table.verification)
    case .unmask(let shares):
      seconds(Double(shares.selfMaskShares.count + shares.maskKeyShares.count) * table.share)
    case .accept, .decline, .progress: .zero
    }
  }

  /// A header or a trailer of an upload.
  var signature: Duration { seconds(table.signature) }
  var verification: Duration { seconds(table.verification) }

  /// Evaluation on the hold-out, then training.
  ///
  /// - Parameter passes: examples of all steps together; one counts as often as it is taken.
  func training(passes: Double, heldOut: Int) -> Duration {
    seconds(Double(heldOut) * table.evaluationPerExample + passes * table.trainingPerExample)
  }

  /// Making `terms` masks over some elements, and adding them.
  func masking(elements: Int, terms: Int) -> Duration {
    seconds(Double(elements) * Double(terms) * table.maskingPerElement)
  }

  /// The size of a roster when its last part is read; nil before.
  private static func rosterCount(at roster: RosterMessage) -> Int? {
    guard let part = roster.part else { return roster.adverts.count }
    return part.index == part.count - 1 ? part.index * RosterMessage.advertsMax + roster.adverts.count : nil
  }

  /// Whom a worker shares with: everyone, itself counted, on the complete graph.
  private static func neighbours(rosterCount n: Int) -> Int {
    let degree = Thresholds.degree(rosterCount: n)
    return degree > 0 ? degree : n
  }

  /// Reconstructing the secrets and taking all masks off the sum.
  func unmasking(_ order: UnmaskingOrder, rosterCount: Int) -> Duration {
    unmasking(
      elements: order.vectors.reduce(0) { $0 + Int($1.count) }, survivors: order.survivors.count,
      dropouts: order.dropoutMaskKeys.count, pairs: order.pairCount, rosterCount: rosterCount)
  }

  /// The same without an order: each dropout had its pairs with as many survivors as a worker has neighbours at most.
  func unmasking(elements: Int, survivors: Int, dropouts: Int, rosterCount: Int) -> Duration {
    unmasking(
      elements: elements, survivors: survivors, dropouts: dropouts,
      pairs: dropouts * min(survivors, Self.neighbours(rosterCount: rosterCount)), rosterCount: rosterCount)
  }

  private func unmasking(elements: Int, survivors: Int, dropouts: Int, pairs: Int, rosterCount: Int) -> Duration {
    masking(elements: elements, terms: survivors + pairs)
      + seconds(
        Double(pairs) * table.keyAgreement
          + Double((survivors + dropouts) * min(survivors, Self.neighbours(rosterCount: rosterCount))) * table.share)
  }

  private func seconds(_ value: Double) -> Duration { .nanoseconds(Int64((value * 1e9).rounded())) }
}
