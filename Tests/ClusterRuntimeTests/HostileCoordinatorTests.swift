import ClusterConfiguration
import Cryptography
import Federation
import Foundation
import Rounds
import SecureAggregation
import Testing
import Wire

extension HostileTests {
  /// The coordinator's keys in the wrong hands, and one worker that must keep its law and its life.
  @Suite struct Coordinators {
    @Test("A worker refuses what its coordinator must not ask, lives on, and takes part when an honest one is back")
    func hostileCoordinator() async throws {
      let federation = try ProcessFederation(workers: 5, rounds: 3)
      let home = try federation.home("coordinator", .coordinator)
      var fake: FakeCoordinator? = try FakeCoordinator(with: home, writing: federation.endpointsPath)
      var worker = try federation.startWorker(1)
      try await malformedFrames(from: try #require(fake), to: worker)
      try await badOffers(from: try #require(fake), to: worker, in: federation)
      try await twoOffers(from: try #require(fake), to: worker, in: federation)

      // Its ledger outlives it: what it has seen is stale for its next life too.
      worker.end()
      worker = try federation.startWorker(1)
      let greetings = await fake?.hellos ?? 0
      #expect(try await fake?.isGreeted(after: greetings) == true)
      let maker = try OfferMaker(of: federation)
      try await fake?.say(.round(.offer(maker.offer(round: 5))))
      #expect(try await fake?.hears { $0.declines(.stale) } == true)

      fake = nil
      let coordinator = try await federation.restartCoordinator(submitting: true)
      let workers = [worker] + (try federation.startWorkers(2...5))
      #expect(await coordinator.completesRun())
      #expect(coordinator.committedRounds.allSatisfy { $0.reported == 5 })
      #expect(workers.allSatisfy { $0.isRunning })
      try federation.checkVersions()
      try federation.checkLogs(without: [HostileFrames.marker])
    }

    private func malformedFrames(from fake: FakeCoordinator, to worker: PartyProcess) async throws {
      #expect(try await fake.isGreeted(after: 0))
      let malformed = try HostileFrames.malformedFromCoordinator()
      for frames in malformed { try await fake.say(frames) }
      #expect(
        try await fake.waits { worker.count("unreadable frame", "socket=control") == malformed.count })
      try await fake.say(Array(repeating: [0x08, 1], count: 17))
      #expect(try await fake.waits { worker.count("message refused", "tooManyFrames(17)") == 1 })
      // Messages of rounds that it is not in mean nothing.
      for message in HostileFrames.fromCoordinator {
        if case .round = message { try await fake.say(message) }
      }
      // Longer than any frame of this socket: the worker hangs up, comes back, and is greeted anew.
      let greetings = await fake.hellos
      try await fake.say([HostileFrames.oversizeControl])
      try #require(await fake.isGreeted(after: greetings))
      #expect(worker.isRunning)
    }

    /// The advert by which the worker takes part in `offer`.
    private func advert(answering offer: RoundOffer, from fake: FakeCoordinator) async throws -> KeyAdvert {
      var advert: KeyAdvert?
      try await fake.say(.round(.offer(offer)))
      #expect(
        try await fake.hears {
          if case .advert(offer.attempt, let own) = $0 { advert = own }
          return advert != nil
        })
      return try #require(advert)
    }

    /// Worker 1 is shown one set of rules, worker 2 another: the roster tells, before anything is masked (ruling A6).
    private func twoOffers(
      from fake: FakeCoordinator, to worker: PartyProcess, in federation: ProcessFederation
    ) async throws {
      let maker = try OfferMaker(of: federation)
      let shown = maker.offer(round: 60)
      let other = maker.offer(round: 60) { rules, _ in rules.clip = 9 }
      let advert = try await advert(answering: shown, from: fake)
      let foreign = try maker.advert(of: federation.home("worker-2", .worker), answering: other)
      try await fake.say(maker.roster(of: [advert, foreign], in: shown))
      #expect(
        try await fake.waits { worker.count("attempt ended", "attempt=fake/60.0", "advertOfAnotherOffer") == 1 })
      #expect(worker.count("evidence kept", "kind=two-offers") == 1)

      let folder = federation.path + "/worker-1/evidence"
      let files = try FileManager.default.contentsOfDirectory(atPath: folder)
      let file = try #require(files.first)
      #expect(files.count == 1)
      let read = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: "\(folder)/\(file)")))
      let evidence = try #require((read as? [String: Any])?["evidence"] as? [String: Any])
      #expect(evidence["accused"] as? String == "coordinator")
      // Anyone who knows the coordinator's key can check that it signed both.
      var signed: Set<String> = []
      for name in ["statement-1", "statement-2"] {
        let statement = try #require(evidence[name] as? [String: String])
        let string = try #require(statement["signed"]), signature = try #require(statement["signature"])
        #expect(
          try #require(Signature(hex: signature)).isValid(
            over: try #require([UInt8](hex: string)), by: maker.home.certificate.certificate.signingKey))
        signed.insert(string)
      }
      #expect(signed == Set([shown, other].map { SignedString.offer(roundID: maker.roundID(of: $0)).hex }))
    }

    private func badOffers(
      from fake: FakeCoordinator, to worker: PartyProcess, in federation: ProcessFederation
    ) async throws {
      let maker = try OfferMaker(of: federation)
      func declines(
        _ reason: DeclineReason, _ offer: RoundOffer, _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation
      ) async throws {
        try await fake.say(.round(.offer(offer)))
        let hasDeclined = try await fake.hears { $0.declines(reason, offer.attempt) }
        try #require(hasDeclined, what, sourceLocation: sourceLocation)
        #expect(worker.isRunning, what, sourceLocation: sourceLocation)
      }
      // Refused before anything is fetched.
      let stranger = try SigningKey(seed: SystemSecretSource().secret(SigningKey.seedByteCount))
      try await declines(.badOffer, maker.offer(round: 1, signedBy: stranger), "another key's signature")
      try await declines(
        .policy, maker.offer(round: 1) { rules, _ in rules.issuanceLog = HostileFrames.digest(9) }, "another list")
      try await declines(
        .policy, maker.offer(round: 1) { rules, _ in rules.revocationList = HostileFrames.digest(9) }, "revocations")
      try await declines(.policy, maker.offer(round: 1) { _, task in task.aggregation = .plain }, "plain aggregation")
      try await declines(.policy, maker.offer(round: 1) { rules, _ in rules.mode = .semiHonest }, "semi-honest mode")
      try await declines(.badOffer, maker.offer(round: 1) { rules, _ in rules.vectorLength = 0 }, "no update")

      // Bytes that are not the model's.
      await fake.serve([:])
      try await declines(.modelUnavailable, maker.offer(round: 1), "no model")
      await fake.serve(maker.blobs) { $0.map { $0 ^ 1 } }
      try await declines(.modelUnavailable, maker.offer(round: 2), "another model's bytes")
      await fake.serve(maker.blobs) { Array($0.dropLast()) }
      try await fake.say(.round(.offer(maker.offer(round: 3))))
      #expect(try await fake.waits { worker.count("unreadable frame", "socket=bulk") > 0 })
      await fake.serve(maker.blobs)
      let unreadable = worker.count("unreadable frame", "socket=bulk")
      let malformed = try HostileFrames.malformedBulkFromCoordinator()
      for frames in malformed { try await fake.sayOnBulk(frames) }
      #expect(
        try await fake.waits { worker.count("unreadable frame", "socket=bulk") == unreadable + malformed.count })
      // Its bulk connection ends with this; the honest coordinator will need another.
      try await fake.sayOnBulk([HostileFrames.oversizeBulk])
      #expect(try await fake.waits { worker.count("connecting anew", "socket=bulk") == 1 })

      // Numbers that nobody can train with: refused by name, and nothing is allocated for them.
      let absurd: [(Comment, (inout RoundConfiguration, inout TrainingTask) -> Void)] = [
        ("a scale that is zero as Float", { _, task in task.dataScale = 1e-300 }),
        ("a scale that is infinite as Float", { _, task in task.dataScale = 1e300 }),
        ("a negative scale", { _, task in task.dataScale = -1 }),
        ("everything held out", { _, task in task.holdOutFraction = 1 }),
        ("less than nothing held out", { _, task in task.holdOutFraction = -1 }),
        ("a model of 2^28 parameters", { _, task in task.architecture = "mlp 64-65536-4000-10" }),
        ("another model", { _, task in task.architecture = "mlp 64-8-10" }),
        ("no model at all", { _, task in task.architecture = "oracle 7" }),
        ("no examples in a batch", { rules, _ in rules.batchSize = 0 }),
        ("batches without end", { rules, _ in rules.batchSize = .max }),
        ("epochs without end", { rules, _ in rules.localEpochs = .max }),
        ("no learning rate", { rules, _ in rules.learningRate = 0 }),
        ("an infinite momentum", { rules, _ in rules.momentum = 1e300 }),
        ("a vector without end", { rules, _ in rules.vectorLength = 1 << 36 }),
      ]
      for (number, (what, change)) in absurd.enumerated() {
        try await declines(
          .trainingFailed, maker.offer(round: RoundNumber(UInt64(10 + number)), changing: change), what)
      }
      #expect(worker.residentBytes < 200 << 20)

      // A roster below the worker's own minimum, whatever the rules of the offer say.
      let lone = maker.offer(round: 50) { rules, _ in
        rules.minimumCohort = 1
        rules.minimumOrganisations = 1
        rules.minimumHonestSum = 1
      }
      let advert = try await advert(answering: lone, from: fake)
      try await fake.say(maker.roster(of: [advert], in: lone))
      #expect(try await fake.waits { worker.count("attempt ended", "attempt=fake/50.0", "belowMinimumCohort") == 1 })
      // Nothing is offered twice, and nothing older than what was seen.
      try await declines(.stale, lone, "an attempt that has ended")
      try await declines(.stale, maker.offer(round: 4), "an older attempt")
    }
  }
}

extension WorkerMessage {
  func declines(_ reason: DeclineReason, _ attempt: AttemptID? = nil) -> Bool {
    if case .decline(let declined, reason, _) = self { attempt == nil || declined == attempt } else { false }
  }
}
