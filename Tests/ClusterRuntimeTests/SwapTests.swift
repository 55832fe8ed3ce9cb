import Federation
import GradientKernel
import HTTPProbe
import ModelRegistry
import Serving
import Synchronization
import Tensors
import Testing

@testable import ClusterRuntime

@Suite("Versions are swapped under load", .timeLimit(.minutes(5)))
struct SwapTests {
  private static let swaps: UInt64 = 100
  private static let clients = 4

  /// What clients have seen.
  private final class Tally: Sendable {
    private let state = Mutex<(answers: Int, wrong: [String], versions: Set<String>)>((0, [], []))
    private let ended = Mutex(false)

    var isEnded: Bool { ended.withLock { $0 } }
    func end() { ended.withLock { $0 = true } }
    func right(_ version: String) {
      state.withLock {
        $0.answers += 1
        $0.versions.insert(version)
      }
    }
    func wrong(_ what: String) { state.withLock { if $0.wrong.count < 10 { $0.wrong.append(what) } } }
    var result: (answers: Int, wrong: [String], versions: Set<String>) { state.withLock { $0 } }
  }

  /// A version whose every prediction is its own number.
  private func version(_ number: UInt64, in federation: TestFederation) throws -> StoredVersion {
    let layout = federation.architecture.layout
    var set = ParameterSet(zeros: layout)
    let bias = try #require(layout.entries.first { $0.name.contains("bias") })
    for index in bias.range { set.values[index] = Float(number) }
    return try federation.store(ModelVersion(number), parameters: set)
  }

  @Test("A hundred swaps fail no request, and every answer is computed wholly by the version that it names")
  func hundredSwaps() async throws {
    let federation = try TestFederation(architecture: "features 4 > dense 3 : mean-squared-error")
    let publisher = try await TestPublisher(federation, epoch: 1)
    try await publisher.publish(version(0, in: federation))
    let node = try await TestNode(federation, following: publisher.endpoints)
    await node.offered(0)
    let url = try #require(node.url)
    let tally = Tally()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for client in 0..<Self.clients {
        group.addTask { try await onOwnThread { try Self.load(url, rows: 1 + client, into: tally) } }
      }
      for number in 1...Self.swaps {
        try await publisher.publish(version(number, in: federation))
        await node.offered(ModelVersion(number))
      }
      tally.end()
      try await group.waitForAll()
    }
    let result = tally.result
    #expect(result.wrong == [])
    #expect(result.answers > Int(Self.swaps))
    #expect(result.versions.count > Self.clients, "swaps happened between answers: \(result)")
    // The last is there, the one before it is kept for a way back, and all others have been let go.
    let unloaded = ServingAction.unload(VersionName("digits", ModelVersion(Self.swaps - 2)))
    await node.did { $0 == unloaded }
    #expect(node.hasDone { $0 == unloaded })
  }

  /// Asks on one connection until the swaps are over.
  private static func load(_ url: String, rows: Int, into tally: Tally) throws {
    let probe = try HTTPProbe(url: url)
    let numbers = (0..<4 * rows).map { "\($0)" }.joined(separator: ",")
    let input = "{\"name\":\"features\",\"shape\":[\(rows),4],\"datatype\":\"FP32\",\"data\":[\(numbers)]}"
    let body = Array("{\"inputs\":[\(input)]}".utf8)
    while !tally.isEnded {
      let answer = try probe.ask("POST", "/v2/models/digits/infer", body: body)
      guard answer.status == 200, let version = field("model_version", of: answer.text, until: "\"") else {
        tally.wrong("\(answer.status) \(answer.text.prefix(200))")
        continue
      }
      let data = answer.text.split(separator: "\"data\":[").last?.prefix { $0 != "]" } ?? ""
      let values = data.split(separator: ",").map { Double($0) }
      if values.count == 3 * rows, values.allSatisfy({ $0 == Double(version) }) {
        tally.right(version)
      } else {
        tally.wrong("version \(version) said \(data)")
      }
    }
  }

  private static func field(_ name: String, of text: String, until end: Character) -> String? {
    text.split(separator: "\"\(name)\":\"").dropFirst().first.map { String($0.prefix { $0 != end }) }
  }
}
