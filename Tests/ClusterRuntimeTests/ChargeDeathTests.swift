import ClusterConfiguration
import Cryptography
import Federation
import Foundation
import Membership
import Rounds
import SecureAggregation
import Testing
import Training
import ZeroMQ

@testable import ClusterRuntime

/// Signal 9 after the one record that no process of this version makes: it adds no noise, and takes no offer that asks
/// for some. Here the driver runs in a process of its own, under a law that takes the noise for available.
@Suite("Death after a charge")
struct ChargeDeathTests {
  static let point = "worker:after-record:charged"

  private static let attempt = AttemptID(run: "run", round: 1, attempt: 0)
  private static let charge = PrivacyCharge(mechanism: 2, noiseMultiplier: 1, delta: 1e-6)

  @Test("A charge is durable before anything leaves, and stands when its worker dies of recording it")
  func chargeStands() async throws {
    let federation = try TestFederation()
    await #expect(processExitsWith: .signal(SIGKILL)) { [root = federation.root as String] in
      setenv(KillPoint.variable, ChargeDeathTests.point, 1)
      try await ChargeDeathTests.contribute(root)
    }
    let store = try WorkerLedgerStore(path: federation.root + "/ledger.sqlite")
    #expect(try store.entries() == [.attemptBegun(Self.attempt), .charged(Self.attempt, Self.charge)])
    let ledger = try store.load()
    #expect(ledger.contributions.isEmpty)
    // The owner's budget has paid for what never left.
    let requirement = PrivacyRequirement(
      mechanism: .skellam, minimumNoiseMultiplier: 1, maximumRounds: 1, maximumDelta: 1e-5)
    #expect(requirement.objection(to: Self.charge, after: ledger.privacy) != nil)
  }

  /// A worker that is offered a plain attempt under noise, holds the model and has trained on it.
  private static func contribute(_ root: String) async throws {
    let home = try PartyHome.load(directory: root + "/f/worker-1", expecting: .worker, now: unixTime())
    let coordinator = try PartyHome.load(directory: root + "/f/coordinator", expecting: .coordinator, now: unixTime())
    var law = Rounds.WorkerPolicy()
    law.allowPlain = true
    law.availableMechanisms = [.skellam]
    let machine = WorkerStateMachine(
      certificate: home.certificate.certificate, membership: home.membership,
      coordinatorKey: coordinator.certificate.certificate.signingKey, policy: law, signingKey: home.signingKey,
      secrets: SystemSecretSource(), ledger: WorkerLedger())
    let context = try Context()
    let backlog = Backlog(limit: 8)
    let control = ControlClient(
      loop: try IOLoop(name: "control"), socket: try Socket(.control(.connecting), in: context),
      endpoint: "tcp://127.0.0.1:1", federation: home.membership.federation,
      hello: Hello(version: .current, session: SessionID(1), software: "test", threads: 1), backlog: backlog,
      logger: TestFederation.logger)
    let driver = WorkerDriver(
      thread: try ComputeThread(name: "core"), machine: machine, control: control,
      ledger: try WorkerLedgerStore(path: root + "/ledger.sqlite"),
      evidence: EvidenceStore(directory: root + "/evidence"), watch: TrainingWatch(), backlog: backlog,
      controls: ControlVariateStore(stateDirectory: root),
      ends: AsyncStream.makeStream(of: ProcessEnd.self).continuation, logger: TestFederation.logger)
    let offer = offer(from: coordinator)
    let update = ClientUpdate(
      difference: [0], exampleCount: 1, metrics: RoundMetrics(lossSum: 0, correct: 0, evaluated: 0))
    await driver.receive(ControlClient.Delivery.message(.offer(offer)))
    await driver.receive(WorkerDesk.Delivery.modelHeld(attempt, modelDigest: offer.modelDigest, HeldModel()))
    await driver.receive(Trainer.Delivery.trained(attempt, LocalResult(update: update), .now - .now))
  }

  private static func offer(from coordinator: PartyHome) -> RoundOffer {
    let task = TrainingTask(
      kind: .train, aggregation: .plain, architecture: "softmax 3-2", dataScale: 1, holdOutFraction: 0.2, seed: 1)
    var rules = RoundConfiguration(
      vectorLength: 1, issuanceLog: .sha256(of: coordinator.membership.issuanceLogBytes),
      revocationList: .sha256(of: coordinator.membership.revocationListBytes))
    rules.localEpochs = 1
    rules.trainer = .sha256(of: task.canonicalBytes)
    rules.privacy = .init(
      mechanism: charge.mechanism, noiseMultiplier: charge.noiseMultiplier, roundingBeta: 0.5, delta: charge.delta,
      rounds: 1, noiseCorruptionRule: 1)
    let context = AttemptContext(
      attempt: attempt, modelDigest: .sha256(of: [1]), configuration: rules, membership: coordinator.membership,
      coordinatorKey: coordinator.certificate.certificate.signingKey, now: unixTime())
    return RoundOffer(
      attempt: attempt, modelName: "digits", baseVersion: 0, modelDigest: context.modelDigest, tensors: [],
      configuration: rules, task: task,
      signature: coordinator.signingKey.signature(over: SignedString.offer(roundID: context.roundID)))
  }
}
