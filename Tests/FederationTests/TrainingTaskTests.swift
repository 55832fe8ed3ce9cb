import Federation
import Testing

@Suite("Tasks")
struct TrainingTaskTests {
  @Test("A control variate follows the task's other bytes, which are as without it")
  func control() {
    var task = TrainingTask(
      kind: .train, aggregation: .secure, architecture: "mlp 2-3", dataScale: 1, holdOutFraction: 0.2, seed: 1)
    let plain = task.canonicalBytes
    task.control = TrainingTask.Control(digest: Digest(unchecked: [UInt8](repeating: 9, count: 32)), since: 258)
    #expect(task.canonicalBytes == plain + [UInt8](repeating: 9, count: 32) + [2, 1, 0, 0, 0, 0, 0, 0])
  }
}
