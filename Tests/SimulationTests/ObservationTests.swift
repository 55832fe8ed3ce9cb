import ClusterConfiguration
import Federation
import Rounds
import Testing

@testable import Simulation

@Suite("What is recorded of a simulation")
struct ObservationTests {
  private static let faults = """
    [{worker: worker-2, round: 2, at: training, kind: crash, for: 3s},
     {worker: worker-5, round: 2, at: masked-input, kind: partition}]
    """

  private static func recorded(_ scenario: SimulationScenario) throws -> (SimulationResult, SimulationRecorder) {
    var observers = SimulationObservers()
    let recorder = SimulationRecorder(scenario)
    observers.recorder = recorder
    return (try SimulationRun(scenario).run(observers: observers), recorder)
  }

  @Test("A simulation goes the same way whoever looks on")
  func changesNothing() throws {
    let scenario = try smallScenario(faults: Self.faults)
    var observers = SimulationObservers()
    observers.recorder = SimulationRecorder(scenario)
    observers.trace = RoundTrace(2, of: scenario)
    observers.progress = ProgressMeter { _ in }
    let watched = try SimulationRun(scenario).run(observers: observers)
    #expect(try watched == SimulationRun(scenario).run())
  }

  @Test("Bytes of all attempts are the bytes of the simulation", arguments: ["secure", "plain"])
  func bytes(aggregation: String) throws {
    let (result, recorder) = try Self.recorded(smallScenario(run: "aggregation: \(aggregation)"))
    #expect(recorder.attempts.count == 4)
    #expect(recorder.attempts.reduce(0) { $0 + $1.bytesUp + $1.bytesDown } == result.bytes)
    #expect(recorder.attempts.allSatisfy { $0.bytesUp > 0 && $0.bytesDown > 0 })
  }

  @Test("Phases follow one another from the end of one attempt to the end of the next", arguments: ["secure", "plain"])
  func phases(aggregation: String) throws {
    let (result, recorder) = try Self.recorded(smallScenario(run: "aggregation: \(aggregation)"))
    var last = 0.0
    for (attempt, round) in zip(recorder.attempts, result.rounds) {
      let end = try #require(attempt.end)
      #expect(abs(attempt.phases.reduce(0, +) - (end - last)) < 1e-9)
      #expect(attempt.report == round.report)
      // The offer leaves when the coordinator's work on it is done.
      #expect((0..<0.001).contains(attempt.start - round.startedAt))
      #expect(attempt.phases.allSatisfy { $0 >= 0 })
      #expect(attempt.phases[SimulationRecorder.Phase.reporting.rawValue] > 0)
      #expect((attempt.phases[SimulationRecorder.Phase.setup.rawValue] > 0) == (aggregation == "secure"))
      last = end
    }
  }

  @Test("Who was asked and who reported is counted for each organisation")
  func participation() throws {
    let (result, recorder) = try Self.recorded(smallScenario(faults: Self.faults))
    #expect(recorder.organisations.count == 6)
    for (attempt, round) in zip(recorder.attempts, result.rounds) {
      #expect(attempt.cohort == round.report.cohort)
      #expect(attempt.reported.values.reduce(0, +) == round.report.reported)
    }
    let second = try #require(recorder.attempts.first { $0.id.round == 2 })
    #expect(second.selected[4] == 1)
    #expect(second.reported[4] == nil)
  }

  @Test("Outages are kept with their party, kind and time, those without an end too")
  func outages() throws {
    let (_, recorder) = try Self.recorded(smallScenario(faults: Self.faults))
    let crash = try #require(recorder.outages.first { $0.party == "worker-2" })
    #expect(crash.kind == .crash)
    #expect(try abs(#require(crash.end) - crash.start - 3) < 1e-9)
    let partition = try #require(recorder.outages.first { $0.party == "worker-5" })
    #expect(partition.kind == .partition)
    #expect(partition.end == nil)
    #expect(recorder.outages.count == 2)
  }

  @Test("The coordinator's deaths and returns are kept, and end the attempt in hand")
  func coordinatorOutage() throws {
    let scenario = try SimulationScenario.load(path: "\(repository)/Simulations/hostile-network.yaml")
    let simulation = try SimulationRun(scenario)
    for seed in UInt64(1)...40 {
      let recorder = SimulationRecorder(scenario)
      var observers = SimulationObservers()
      observers.recorder = recorder
      let result = try simulation.seeded(seed).run(observers: observers)
      #expect(UInt64(recorder.outages.count) == result.outages)
      let deaths = recorder.outages.filter { $0.party == "coordinator" }
      guard deaths.contains(where: { death in recorder.attempts.contains { $0.end == death.start } }) else { continue }
      #expect(deaths.allSatisfy { $0.end != nil })
      #expect(recorder.attempts.contains { $0.report == nil && $0.end != nil })
      return
    }
    Issue.record("no seed in which the coordinator dies in an attempt")
  }

  @Test("A trace has the messages of its round and no other, in the order in which they began")
  func trace() throws {
    let scenario = try smallScenario(faults: Self.faults)
    let trace = RoundTrace(2, of: scenario)
    var observers = SimulationObservers()
    observers.trace = trace
    let result = try SimulationRun(scenario).run(observers: observers)
    let second = try #require(result.rounds.first { $0.report.attempt.round == 2 })
    let bursts = trace.lines.compactMap { if case .messages(let burst) = $0 { burst } else { nil } }
    #expect(bursts.allSatisfy { $0.start >= second.startedAt && $0.end >= $0.start && $0.messages > 0 })
    #expect(bursts.map(\.start) == bursts.map(\.start).sorted())
    let offer = try #require(bursts.first { $0.kind.contains("offer") })
    #expect(offer.sender == "coordinator" && offer.receiver == "all 6 workers" && offer.messages == 6)
    let remarks = trace.lines.compactMap { if case .remark(_, let text) = $0 { text } else { nil } }
    #expect(remarks.first == "attempt 0 of round 2, a cohort of 6")
    #expect(remarks.contains("worker-2 dies") && remarks.contains("worker-5 cannot be reached"))
    #expect(remarks.contains("version 2 is published: 4 of 6 reported"))
    #expect(trace.lines.count < 120)
  }

  @Test("A trace of a round that never was is empty")
  func emptyTrace() throws {
    let scenario = try smallScenario(rounds: 1)
    let trace = RoundTrace(9, of: scenario)
    var observers = SimulationObservers()
    observers.trace = trace
    _ = try SimulationRun(scenario).run(observers: observers)
    #expect(trace.isEmpty && trace.lines.isEmpty)
  }

  @Test("A simulation that is cut short says what it reached, and judges nothing that could still have come")
  func cutShort() throws {
    let simulation = try SimulationRun(smallScenario(accuracy: 1))
    let whole = try simulation.run()
    #expect(whole.failedExpectations.count == 1)
    let half = whole.rounds[1].startedAt + whole.rounds[1].seconds + 0.001
    let cut = try simulation.run(until: .nanoseconds(Int64(half * 1e9)))
    #expect(cut.isCutShort && cut.outcome == nil)
    #expect(cut.roundsCommitted == 2)
    #expect(cut.violations.isEmpty && cut.failedExpectations.isEmpty)
    #expect(cut.unjudged.contains("rounds: found 2 committed, expected 3"))
    #expect(cut.rounds == Array(whole.rounds.prefix(2)))
    #expect(abs(cut.seconds - half) < 1e-6)
  }

  @Test("A moment that lies behind the end of a simulation changes nothing")
  func notCutShort() throws {
    let simulation = try SimulationRun(smallScenario(rounds: 1))
    #expect(try simulation.run(until: .seconds(3600)) == simulation.run())
  }
}
