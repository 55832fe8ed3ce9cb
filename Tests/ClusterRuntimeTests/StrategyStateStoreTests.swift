import Aggregation
import Federation
import Foundation
import ModelRegistry
import Testing

@testable import ClusterRuntime

@Suite("What server optimizers remember on disk")
struct StrategyStateStoreTests {
  private let path = NSTemporaryDirectory() + "murmur-strategy-\(UUID().uuidString)"
  private let adam = Strategy(.fedAdam)!
  private var store: StrategyStateStore { StrategyStateStore(stateDirectory: path) }
  private var files: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: path + "/strategy/r").sorted() }
  }

  private func state(_ steps: UInt64) -> ServerState {
    ServerState(steps: steps, vectors: ["first-moment": [Float(steps), -1], "second-moment": [0.5, 0.25]])
  }

  private func manifest(_ version: UInt64, run: RunID = "r", round: UInt64? = nil) -> Manifest {
    let digest = Digest(unchecked: [UInt8](repeating: 0, count: 32))
    return Manifest(
      federation: "f", model: "m", version: ModelVersion(version), parent: nil, run: run,
      round: RoundNumber(round ?? version), attempt: 0, aggregation: .secure, configurationDigest: nil, cohortSize: 0,
      parentMetrics: nil, architecture: "mlp 1-2", dataScale: 1, modelDigest: digest, tensors: [],
      file: Manifest.File(digest: digest, byteCount: 0), createdAt: 0, signer: "c")
  }

  private func read(_ version: UInt64, run: RunID = "r", round: UInt64? = nil, count: Int = 2) throws -> ServerState {
    try store.state(with: manifest(version, run: run, round: round), of: "r", strategy: adam, count: count)
  }

  @Test("What was written for a version is read with it; the last four versions are kept")
  func keeps() throws {
    for version in 1...6 as ClosedRange<UInt64> {
      try store.write(state(version), run: "r", version: ModelVersion(version))
      try store.removeOutdated(run: "r", version: ModelVersion(version))
    }
    #expect(try files.map { $0.prefix(2) } == ["3-", "4-", "5-", "6-"])
    #expect(try read(6) == state(6))
    #expect(try read(4) == state(4))
  }

  @Test("A crashed attempt's state is replaced by that of the next attempt at the same version")
  func replaces() throws {
    try store.write(state(1), run: "r", version: 3)
    try store.write(state(2), run: "r", version: 3)
    #expect(try files.count == 1)
    #expect(try read(3) == state(2))
  }

  @Test("SCAFFOLD's control variate is there with its version after a restart")
  func control() throws {
    let scaffold = Strategy(.scaffold, [.population: 4])!
    let state = ServerState(steps: 2, vectors: ["control-variate": [0.5, -3]])
    try store.write(state, run: "r", version: 2)
    let found = try store.state(with: manifest(2), of: "r", strategy: scaffold, count: 2)
    #expect(found == state && found.control == [0.5, -3])
    #expect(throws: StrategyStateError.self) {
      try store.state(with: manifest(3), of: "r", strategy: scaffold, count: 2)
    }
  }

  @Test("Version 0 and another run's model come without memory")
  func begins() throws {
    #expect(try read(0) == adam.initialState(count: 2))
    #expect(try read(7, run: "other") == adam.initialState(count: 2))
    #expect(
      try store.state(with: manifest(7), of: "r", strategy: .published, count: 2) == ServerState())
  }

  @Test("A state that is missing, changed, of another model or of another optimizer is refused, never reset")
  func refuses() throws {
    #expect(throws: StrategyStateError.self) { try read(2) }
    try store.write(state(2), run: "r", version: 2)
    #expect(throws: StrategyStateError.self) { try read(2, count: 3) }
    let file = try "\(path)/strategy/r/" + #require(files.first)
    var bytes = [UInt8](try Data(contentsOf: URL(filePath: file)))
    bytes[bytes.count - 1] ^= 1
    try Data(bytes).write(to: URL(filePath: file))
    #expect(throws: StrategyStateError.self) { try read(2) }
    try FileManager.default.removeItem(atPath: file)
    do {
      _ = try read(2)
      Issue.record("a missing state was read")
    } catch { #expect("\(error)".contains("Submit a run under another name")) }
  }
}
