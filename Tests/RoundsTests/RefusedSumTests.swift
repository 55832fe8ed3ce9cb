import Federation
import Rounds
import Testing

@Suite("Sums that give no model")
struct RefusedSumTests {
  @Test("The attempt is abandoned with the reason, and the next one goes on")
  func retries() throws {
    let cluster = try RoundsCluster(RoundsMembers(count: 4, aggregation: .plain))
    var hasRefused = false
    cluster.beforeOpening = {
      defer { hasRefused = true }
      return hasRefused ? [] : [.sumRefused(reason: "krum: found 2 updates")]
    }
    cluster.start().finish()
    let reasons = cluster.reports.compactMap { if case .abandoned(let reason) = $0.outcome { reason } else { nil } }
    #expect(reasons == ["krum: found 2 updates"])
    #expect(cluster.run.outcome != nil && cluster.commits.first?.attempt.attempt == 1)
  }

  @Test("Before the sum is due nobody can refuse it")
  func tooEarly() throws {
    let cluster = try RoundsCluster(RoundsMembers(count: 4, aggregation: .plain))
    cluster.startTraining()
    #expect(cluster.run.phase == "reporting")
    cluster.feed(.sumRefused(reason: "too early"))
    #expect(cluster.run.phase == "reporting" && cluster.reports.isEmpty)
  }
}
