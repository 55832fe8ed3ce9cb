import ClusterConfiguration
import Federation
import Rounds
import Simulation
import Testing

@Suite("Determinism")
struct DeterminismTests {
  private static let rough = """
    {latency: {minimum: 1ms, maximum: 90ms}, bandwidth: 1 MB/s, loss: 0.002, duplication: 0.05, reordering: 0.05}
    """
  private static let faults = """
    [{worker: worker-2, round: 1, at: masked-input, kind: crash, for: 4s},
     {worker: worker-3, round: 2, at: share-keys, kind: partition, for: 3s}]
    """

  @Test("Two runs with one seed give the same event log, byte for byte, and the same result")
  func repeats() throws {
    let scenario = try smallScenario(network: Self.rough, faults: Self.faults, run: "maximum-attempts: 20")
    let first = try Transcript(scenario), second = try Transcript(scenario)
    #expect(first.lines == second.lines)
    #expect(first.result == second.result)
    #expect(first.lines.count > 500)
  }

  @Test("Another seed gives another log and another model")
  func differs() throws {
    let scenario = try smallScenario()
    let first = try Transcript(scenario), second = try Transcript(scenario, seed: 8)
    #expect(first.result.logDigest != second.result.logDigest)
    #expect(first.result.modelDigest != second.result.modelDigest)
    #expect(second.result.seed == 8)
    #expect(second.result.replayCommand(scenario: "a.yaml") == "murmur simulate a.yaml --seed 8")
  }

  @Test("Sums are exact: while nobody drops out, the model does not depend on the network")
  func modelIsIndependentOfTheNetwork() throws {
    let near = try smallScenario(network: "{latency: {minimum: 0ms, maximum: 1ms}, bandwidth: 1 GB/s}")
    let far = try smallScenario(network: "{latency: {minimum: 1ms, maximum: 400ms}, bandwidth: 100 kB/s}")
    let first = try Transcript(near).result, second = try Transcript(far).result
    #expect(first.modelDigest == second.modelDigest)
    #expect(first.logDigest != second.logDigest)
    #expect(first.seconds < second.seconds)
  }

  @Test("No weight, share or key is in the event log, and every line is JSON of names, numbers and digests")
  func logHoldsNoSecrets() throws {
    let transcript = try Transcript(try smallScenario(rounds: 1))
    for line in transcript.lines {
      #expect(line.utf8.count < 400)
      #expect(line.hasPrefix("{\"t\":") && line.hasSuffix("}"))
    }
  }
}
