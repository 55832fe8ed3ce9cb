import Federation
import Rounds
import SecureAggregation
import Testing

@testable import ClusterRuntime

@Suite("Deadlines of runs")
struct RunDeadlinesTests {
  private static func deadline(
    _ kind: RunStateMachine.DeadlineID.Kind, _ round: UInt64 = 1
  ) -> RunStateMachine.DeadlineID {
    .init(kind: kind, attempt: AttemptID(run: "run", round: RoundNumber(round), attempt: 0))
  }

  @Test("A thousand rounds leave no deadline behind but that of the wait for workers")
  func flat() {
    var deadlines = RunDeadlines<UInt64>()
    deadlines.add(Self.deadline(.patience), of: "run") { $0 }
    var most = 0
    for round in 1...1000 as ClosedRange<UInt64> {
      for stage in SecureAggregationStage.allCases {
        deadlines.add(Self.deadline(.stage(stage), round), of: "run") { $0 }
        deadlines.add(Self.deadline(.groupStage(2, stage), round), of: "run") { $0 }
      }
      most = max(most, deadlines.count)
      #expect(deadlines.ended(Self.deadline(.gather, round).attempt, of: "run").count == 12)
    }
    #expect(most == 13 && deadlines.count == 1)
    #expect(deadlines.ended("run") == [1] && deadlines.count == 0)
  }

  @Test("Only what the ended attempt waited for is taken back; what has passed is forgotten")
  func others() {
    var deadlines = RunDeadlines<String>()
    deadlines.add(Self.deadline(.plainReport), of: "run") { _ in "report" }
    deadlines.add(Self.deadline(.update("a")), of: "run") { _ in "update" }
    deadlines.add(Self.deadline(.plainReport, 2), of: "run") { _ in "next" }
    deadlines.add(Self.deadline(.plainReport), of: "other") { _ in "other" }
    #expect(deadlines.ended(Self.deadline(.gather).attempt, of: "run") == ["report"])
    deadlines.passed(2, of: "run")
    #expect(deadlines.count == 2)
    #expect(deadlines.ended("run") == ["next"])
  }
}
