import ClusterConfiguration
import Federation
import ModelRegistry
import Testing
import Wire

@testable import ClusterRuntime

@Suite("Versions in an operator's hands")
struct ModelOperationsTests {
  private let federation: TestFederation
  private let repository = MemoryRepository()
  private let told = Recorder<StatePublisher.News>()
  private let champion: Alias

  /// A coordinator's folder with versions 0 to 3.
  init() throws {
    federation = try TestFederation()
    champion = try #require(Alias("champion"))
    for number in 0...3 as ClosedRange<UInt64> { try federation.store(ModelVersion(number)) }
  }

  private var versions: ModelOperations {
    ModelOperations(
      models: federation.models, repository: repository, announce: { [told] in told.add($0) },
      logger: TestFederation.logger)
  }

  @discardableResult
  private func move(_ target: String, expecting expected: ModelVersion? = nil) throws -> AliasMove {
    try versions.change(
      AliasOrder(model: "digits", alias: champion, change: .move(to: target), expected: expected), by: "operator")
  }

  private func rollBack() throws -> AliasMove {
    try versions.change(AliasOrder(model: "digits", alias: champion, change: .rollBack), by: "local")
  }

  private func code(_ body: () throws -> Void) -> Failure.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? Failure)?.code
    }
  }

  @Test("A moved alias is durable, told, and written down with its author")
  func moves() throws {
    #expect(try move("digits@2") == AliasMove(model: "digits", alias: champion, from: nil, to: 2))
    #expect(try federation.models.find(ModelReference(parsing: "digits@champion")).manifest.version == 2)
    #expect(told.all.count == 1)
    let event = try #require(try repository.aliasEvents(of: "digits").first)
    #expect(event.by == "operator" && event.change == .moved && event.move.to == 2)
    // Where it is already, nothing happens.
    try move("digits@2")
    #expect(told.all.count == 1)
  }

  @Test("An alias that is not where it is expected stays; so do the coordinator's own, whatever is asked")
  func refuses() throws {
    try move("digits@2")
    #expect(code { try move("digits@3", expecting: 1) } == .conflict)
    #expect(try move("digits@3", expecting: 2).to == 3)
    for alias in [Alias.latest, .best] {
      let order = AliasOrder(model: "digits", alias: alias, change: .move(to: "digits@1"))
      #expect(code { _ = try versions.change(order, by: "local") } == .invalid)
    }
    #expect(code { try move("digits@9") } == .notFound)
    #expect(code { try move("nonsense") } == .invalid)
    #expect(try federation.models.find(ModelReference(parsing: "digits@champion")).manifest.version == 3)
  }

  @Test("Rolling back goes one place back each time, and no further than is remembered")
  func rollsBack() throws {
    #expect(code { _ = try rollBack() } == .conflict)
    for target in ["digits@1", "digits@2", "digits@latest"] { try move(target) }
    #expect(try rollBack().to == 2)
    #expect(try rollBack().to == 1)
    #expect(code { _ = try rollBack() } == .conflict)
    try move("digits@3")
    #expect(try rollBack().to == 1)
  }

  @Test("An alias that was taken away comes back by rolling back; one that is not there cannot be taken away")
  func removes() throws {
    let removal = AliasOrder(model: "digits", alias: champion, change: .remove)
    #expect(code { _ = try versions.change(removal, by: "local") } == .notFound)
    try move("digits@1")
    #expect(try versions.change(removal, by: "local").to == nil)
    #expect(try federation.models.aliases(of: "digits").map(\.alias) == [.latest])
    #expect(try rollBack().to == 1)
  }

  @Test("A retired version loses its aliases, which are told before the retirement; it is not gone back to")
  func retires() throws {
    try move("digits@2")
    try move("digits@3")
    let reply = try versions.retire(3, of: "digits", reason: "poisoned", by: "operator")
    guard case .versionRetired(let gone, let moves) = reply else { return #expect(Bool(false), "\(reply)") }
    #expect(gone.version == 3 && gone.reason == "poisoned")
    #expect(moves.map(\.to) == [2, 2])
    let last = told.all.suffix(3).map { news in
      switch news {
      case .moved(_, _, let version): "moved \(version)"
      case .retired(let version): "retired \(version.version)"
      case .published, .removed: "other"
      }
    }
    #expect(last == ["moved 2", "moved 2", "retired 3"])
    _ = try versions.retire(2, of: "digits", reason: "too", by: "operator")
    #expect(try federation.models.find(ModelReference(parsing: "digits@champion")).manifest.version == 1)
    #expect(code { _ = try rollBack() } == .conflict)
    #expect(code { try move("digits@3") } == .conflict)
    #expect(code { _ = try versions.retire(9, of: "digits", reason: "x", by: "operator") } == .notFound)
  }

  @Test("What a process did not write down, or not finish, the next one does")
  func recovers() throws {
    try move("digits@1")
    try federation.models.move(champion, of: "digits", to: 2)
    versions.recover()
    let found = try #require(try repository.aliasEvents(of: "digits").last)
    #expect(found.change == .found && found.move.from == 1 && found.move.to == 2)
    versions.recover()
    #expect(try repository.aliasEvents(of: "digits").count == 2)
    #expect(try rollBack().to == 1)
    let digest = try federation.models.find(ModelReference(parsing: "digits@1")).digest
    try federation.models.markRetired(RetiredVersion(model: "digits", version: 1, digest: digest, reason: "bad"))
    versions.recover()
    #expect(try federation.models.find(ModelReference(parsing: "digits@champion")).manifest.version == 0)
    #expect(try repository.aliasEvents(of: "digits").last?.change == .retirement)
  }

  @Test("A list has the newest of every model or all of one; a version has its aliases, marks and events")
  func shows() throws {
    #expect(try versions.rows(of: nil).map(\.model.version) == [3])
    #expect(try versions.rows(of: "digits").map(\.model.version) == [3, 2, 1, 0])
    #expect(code { _ = try versions.rows(of: "letters") } == .notFound)
    try move("digits@2")
    try federation.models.takeBack(1, of: "digits", reason: "worse")
    _ = try versions.retire(0, of: "digits", reason: "old", by: "local")
    let detail = try versions.detail(of: "digits@champion")
    #expect(detail.row.model.aliases == [champion])
    #expect(detail.events.map(\.move.to) == [2])
    #expect(detail.attachments == nil)
    #expect(detail.lineage.map(\.model.version) == [2])
    #expect(try versions.rows(of: "digits").map(\.takenBack) == [nil, nil, "worse", nil])
    #expect(try versions.rows(of: "digits").map(\.retired?.reason) == [nil, nil, nil, "old"])
  }

  @Test("A version's metrics are those that the round behind it measured, and its lineage is the graph around it")
  func lineage() throws {
    let store = MemoryModelStore()
    var digests: [Digest?] = []
    // 0 ◀── 1 ◀── 2, and 3 from 1: 2 was taken back.
    for (number, parent) in [(0, nil), (1, 0), (2, 1), (3, 1)] as [(UInt64, Int?)] {
      let artifact = try federation.version(ModelVersion(number)).artifact
      var manifest = try Manifest(bytes: federation.version(ModelVersion(number)).signed.bytes)
      manifest.parent = parent.flatMap { digests[$0] }
      if number > 0 { manifest.parentMetrics = RoundMetrics(lossSum: Double(number), correct: 1, evaluated: 2) }
      let signed = try SignedManifest(signing: manifest, key: federation.coordinator.signingKey)
      try store.publish(signed, artifact: artifact)
      digests.append(signed.digest)
    }
    let table = try VersionTable(of: "digits", in: store)
    #expect(table.rows.map(\.evaluation?.loss) == [0.5, 1, nil, nil])
    func lineage(_ version: Int, _ countMax: Int = 256) throws -> [ModelVersion] {
      table.lineage(of: try #require(digests[version]), countMax: countMax).map(\.model.version)
    }
    #expect(try lineage(1) == [1, 0, 2, 3])
    #expect(try lineage(3) == [3, 1, 0])
    #expect(try lineage(0) == [0, 1, 2, 3])
    #expect(try lineage(0, 3) == [0, 1, 2])
  }
}
