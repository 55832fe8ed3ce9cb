import ClusterConfiguration
import Cryptography
import Federation
import Rounds
import SecureAggregation
import Testing
import Wire

@testable import ClusterRuntime

extension HostileTests {
  @Suite struct Statements {
    @Test("What a worker promised while no session was there is said as soon as there is one")
    func saidInTheNextSession() async throws {
      let federation = try ProcessFederation(workers: 5, rounds: 1)
      let fake = try FakeCoordinator(
        with: federation.home("coordinator", .coordinator), writing: federation.endpointsPath)
      let worker = try federation.startWorker(1)
      try #require(await fake.isGreeted(after: 0))
      let maker = try OfferMaker(of: federation)
      await fake.serve(maker.blobs)
      // The worker gives this attempt its 5 s beyond the deadlines, and little more.
      let offer = maker.offer(round: 1) { rules, _ in
        rules.shareDeadline = 100
        rules.inputDeadline = 100
      }
      try await fake.say(.round(.offer(offer)))
      var advert: KeyAdvert?
      #expect(
        try await fake.hears {
          if case .advert(offer.attempt, let own) = $0 { advert = own }
          return advert != nil
        })
      let adverts = try (2...5).map { number in
        maker.advert(of: try federation.home("worker-\(number)", .worker), answering: offer)
      }
      try await fake.say(maker.roster(of: [try #require(advert)] + adverts, in: offer))
      #expect(try await fake.hears { if case .bundle = $0 { true } else { false } })

      // Nobody answers its greetings until it has given up and promised to release nothing.
      try await fake.say(.goodbye)
      try #require(await worker.logs("attempt ended", "attempt=\(offer.attempt)", "deadline"))
      let store = try WorkerLedgerStore(path: federation.path + "/worker-1/state/ledger.sqlite")
      let promise = try #require(store.load().promises.first)
      var abort: WorkerAbort?
      #expect(
        try await fake.hears {
          if case .abort(let said) = $0 { abort = said }
          return abort != nil
        })
      let said = try #require(abort)
      #expect(said.transcript == promise && !said.hasReleased)
      #expect(said.isSigned(by: try federation.home("worker-1", .worker).signingKey.signingPublicKey))
      #expect(worker.isRunning)
    }
  }
}
