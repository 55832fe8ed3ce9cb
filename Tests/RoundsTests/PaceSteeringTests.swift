import Federation
import Rounds
import Testing

/// Who is sent away for a while, and for how long.
struct PaceSteeringTests {
  private let workers = (100..<200).map { WorkerID(unchecked: "w\($0)") }
  private let steering = PaceSteering(
    rules: .init(surplus: 4, floor: 20, shortest: .seconds(10), longest: .seconds(100)))

  private func rests(
    present: Int = 100, idle: Int = 90, wanted: Int = 10, period: Duration = .seconds(3), seed: UInt64 = 1
  ) -> [(worker: WorkerID, rest: Duration)] {
    var generator = SeededGenerator(seed: seed)
    return steering.dismissals(
      present: present, idle: Array(workers.prefix(idle)), wanted: wanted, period: period, using: &generator)
  }

  @Test("Four times the cohort stays, whoever is busy included; the others rest about as long as they wait to be drawn")
  func sendsAway() {
    let rests = rests()
    #expect(rests.count == 60)
    #expect(Set(rests.map(\.worker)).count == 60)
    // Ten of a hundred every 3 s: every worker is drawn once in 30 s.
    #expect(rests.allSatisfy { (.seconds(15) ... .seconds(45)).contains($0.rest) })
    #expect(Set(rests.map(\.rest)).count > 50)
    #expect(rests.contains { $0.rest < .seconds(20) } && rests.contains { $0.rest > .seconds(40) })
  }

  @Test("Nobody is sent away who is needed, or has something in hand")
  func keepsEnough() {
    #expect(rests(present: 40, idle: 30).isEmpty)
    #expect(rests(present: 41, idle: 31).count == 1)
    #expect(rests(present: 100, idle: 7).count == 7)
    #expect(rests(wanted: 25).isEmpty)
    #expect(rests(wanted: 1).count == 80)
  }

  @Test("A rest is neither too short to be worth it nor longer than the rules allow")
  func isBounded() {
    #expect(rests(period: .milliseconds(10)).allSatisfy { $0.rest == .seconds(10) })
    #expect(rests(period: .seconds(3600)).allSatisfy { $0.rest == .seconds(100) })
  }

  @Test("The same seed sends the same workers away, another seed others")
  func isReproducible() {
    #expect(rests().map(\.worker) == rests().map(\.worker))
    #expect(rests().map(\.worker) != rests(seed: 2).map(\.worker))
  }
}
