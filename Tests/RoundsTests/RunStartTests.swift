import Aggregation
import Cryptography
import Federation
import ModelRegistry
import Rounds
import SecureAggregation
import Tensors
import Testing

/// Where a run goes on after a restart, read from the versions that are stored.
struct RunStartTests {
  private let store = MemoryModelStore()
  private let members: RoundsMembers

  init() throws { members = try RoundsMembers(count: 3) }

  /// Publishes the next version of run `run`.
  ///
  /// - Parameter loss: of the parent, as the version's manifest says it.
  @discardableResult
  private func publish(
    _ number: UInt64, parent: UInt64?, run: RunID = "run", round: UInt64 = 0, loss: Double? = nil
  ) throws -> StoredVersion {
    let model: ModelName = "model"
    let artifact = try ModelArtifact(
      tensors: [NamedTensor](ParameterSet(layout: ParameterLayout([("w", [2])]), values: [Float(number), 1]).tensors),
      model: model, version: ModelVersion(number))
    func version(_ number: UInt64) throws -> StoredVersion {
      try store.find(ModelReference(model: model, selector: .version(ModelVersion(number))))
    }
    let manifest = Manifest(
      federation: "fed", model: model, version: ModelVersion(number), parent: try parent.map(version)?.digest,
      run: run, round: RoundNumber(round), attempt: 0, aggregation: .plain,
      configurationDigest: parent == nil ? nil : .sha256(of: [1]), cohortSize: parent == nil ? 0 : 3,
      parentMetrics: loss.map { RoundMetrics(lossSum: $0, correct: 0, evaluated: 1) }, architecture: "softmax 1-2",
      dataScale: 1, modelDigest: artifact.modelDigest, tensors: artifact.manifestTensors,
      file: artifact.manifestFile, createdAt: 1, signer: "coordinator")
    try store.publish(SignedManifest(signing: manifest, key: members.coordinatorKey), artifact: artifact)
    return try version(number)
  }

  private func start(_ run: RunID = "run") throws -> RunStart { try RunStart(of: run, model: "model", in: store) }

  @Test("A new run begins with round 1 on the version that is there, and cannot go back behind it")
  func begins() throws {
    try publish(0, parent: nil, run: "other")
    try publish(1, parent: 0, run: "other", round: 1, loss: 2)
    let start = try start()
    #expect((start.base.version, start.newest, start.round) == (1, 1, 1))
    #expect(start.ancestors.isEmpty && start.history.isEmpty)
  }

  @Test("A run goes on behind its last version, with four versions to go back to and all metrics")
  func goesOn() throws {
    try publish(0, parent: nil)
    for number in 1...6 as ClosedRange<UInt64> {
      try publish(number, parent: number - 1, round: number, loss: Double(10 - number))
    }
    let start = try start()
    #expect((start.base.version, start.newest, start.round) == (6, 6, 7))
    #expect(start.ancestors.map(\.version) == [2, 3, 4, 5])
    #expect(start.history.map(\.version) == [0, 1, 2, 3, 4, 5])
    #expect(start.history.map(\.loss) == [9, 8, 7, 6, 5, 4])
  }

  @Test("A version that was taken back is neither the base nor an ancestor; its number and its round stay used")
  func leavesOut() throws {
    try publish(0, parent: nil)
    try publish(1, parent: 0, round: 1, loss: 3)
    try publish(2, parent: 1, round: 2, loss: 2)
    try store.takeBack(2, of: "model", reason: "a test")
    #expect(store.takenBack(of: "model").map(\.version) == [2])
    let before = try start()
    #expect((before.base.version, before.newest, before.round) == (1, 2, 3))
    #expect(before.ancestors.map(\.version) == [0])
    try publish(3, parent: 1, round: 3, loss: 2)
    let after = try start()
    #expect((after.base.version, after.newest, after.round) == (3, 3, 4))
    #expect(after.ancestors.map(\.version) == [0, 1])
  }

  @Test("A run that takes a model over goes back to the version that it took over, not further")
  func takesOver() throws {
    try publish(0, parent: nil, run: "other")
    try publish(1, parent: 0, run: "other", round: 1, loss: 3)
    try publish(2, parent: 1, run: "run", round: 1, loss: 2)
    let start = try start()
    #expect(start.ancestors.map(\.version) == [1])
    #expect(start.history.map(\.version) == [1])
    #expect(start.round == 2)
  }

  @Test("Without a version there is nothing to begin with")
  func needsVersion() throws {
    #expect(throws: RegistryError.unknownModel("model")) { try start() }
  }

  @Test("A run that had reached its target before the restart only evaluates")
  func remembersTarget() throws {
    try publish(0, parent: nil)
    try publish(1, parent: 0, round: 1, loss: 0.4)
    var plan = members.plan(rounds: 9)
    plan.watch.targetLoss = 0.5
    let machine = RunStateMachine(
      plan: plan, membership: members.membership, certificate: members.coordinator,
      signingKey: members.coordinatorKey, start: try start(), attempt: 0)
    #expect(machine.endReason == "version 0 has loss 0.4, the target is 0.5")
  }
}
