import Federation
import Hosting
import Inference
import Serving
import Synchronization
import Testing

@Suite("Requests that share a pass over the weights")
struct PredictionLaneTests {
  private let host = TestModels.host()
  private let thread = TestThread()

  /// What a model without a batch says to rows.
  private func alone(_ model: ServedModel, _ rows: [[Float]]) -> [Float] {
    rows.flatMap { model.predict($0, rows: 1) }
  }

  private func floats(_ result: Result<InferenceResponse, InferenceError>?) throws -> [Float] {
    guard case .floats(let values)? = try result?.get().outputs.first?.content else { return [] }
    return values
  }

  @Test("Each gets the predictions of its own rows, with the bits that it would get alone")
  func unbatching() throws {
    try TestModels.serve(1, on: host)
    let model = try host.find("m", version: "1")
    var batches: [Int] = []
    let lane = PredictionLane(limits: BatchLimits(batchRowsMax: 8, queuedRowsMax: 64), thread: thread) {
      batches.append($0.rows)
    }
    let requests: [[[Float]]] = (0..<9).map { index in
      (0...index % 3).map { row in [Float(index), Float(row), Float(index * row) / 3] }
    }
    var answers: [Int: Result<InferenceResponse, InferenceError>] = [:]
    for (index, rows) in requests.enumerated() {
      lane.submit(TestModels.request(rows, id: "\(index)"), to: model, timeout: .seconds(1)) { answers[index] = $0 }
    }
    #expect(answers.isEmpty, "nothing is computed while requests are still being read")
    thread.run()
    for (index, rows) in requests.enumerated() {
      #expect(try floats(answers[index]) == alone(model, rows))
      #expect(try answers[index]?.get().id == "\(index)")
    }
    #expect(batches == [7, 8, 3], "whole requests of 1, 2 and 3 rows, as many as fit into 8")
    #expect(model.statistics.figures.inferences == 18)
    #expect(model.statistics.figures.executions == 3)
    #expect(model.statistics.figures.success.count == 9)
  }

  @Test("A request of more rows than a batch and a session is answered whole")
  func large() throws {
    try TestModels.serve(1, on: host)
    let model = try host.find("m", version: "1")
    let lane = PredictionLane(limits: BatchLimits(batchRowsMax: 8, queuedRowsMax: 64), thread: thread)
    let rows: [[Float]] = (0..<300).map { [Float($0), 1, -Float($0)] }
    var answer: Result<InferenceResponse, InferenceError>?
    lane.submit(TestModels.request(rows), to: model, timeout: .seconds(1)) { answer = $0 }
    thread.run()
    #expect(try floats(answer) == alone(model, rows))
  }

  @Test("A full queue refuses with the time to come again, and answers what it has")
  func full() throws {
    try TestModels.serve(1, on: host)
    let model = try host.find("m", version: "1")
    let lane = PredictionLane(limits: BatchLimits(batchRowsMax: 2, queuedRowsMax: 3), thread: thread)
    var answers: [Result<InferenceResponse, InferenceError>] = []
    for _ in 0..<5 {
      lane.submit(TestModels.request([[1, 2, 3]]), to: model, timeout: .seconds(1)) { answers.append($0) }
    }
    #expect(answers.count == 2)
    for case .success in answers { Issue.record("a request beyond the queue was taken") }
    thread.run()
    #expect(answers.count == 5)
    #expect(model.statistics.figures.failure.count == 2)
  }

  @Test("Who waited too long for company hears so, and is not computed")
  func late() throws {
    try TestModels.serve(1, on: host)
    let model = try host.find("m", version: "1")
    let limits = BatchLimits(batchRowsMax: 8, queuedRowsMax: 64, delay: .milliseconds(10))
    let lane = PredictionLane(limits: limits, thread: thread)
    var early: Result<InferenceResponse, InferenceError>?, late: Result<InferenceResponse, InferenceError>?
    lane.submit(TestModels.request([[1, 2, 3]]), to: model, timeout: .milliseconds(5)) { late = $0 }
    lane.submit(TestModels.request([[1, 2, 3]]), to: model, timeout: .milliseconds(50)) { early = $0 }
    thread.run()
    #expect(early == nil && late == nil, "both wait for the delay")
    thread.advance(by: .milliseconds(10))
    #expect(
      late == .failure(InferenceError(.deadlineExceeded, "the request's time had passed before 'm@1' could answer")))
    #expect(try early?.get().outputs.first?.shape == [1, 2])
  }

  @Test("A version ends when the last request that holds it is answered, and not before")
  func draining() throws {
    let ended = Flag()
    let name = try TestModels.serve(1, on: host) { ended.raise() }
    let lane = PredictionLane(limits: BatchLimits(), thread: thread)
    var answer: Result<InferenceResponse, InferenceError>?
    lane.submit(TestModels.request([[1, 2, 3]]), to: try host.find("m", version: "1"), timeout: .seconds(1)) {
      answer = $0
    }
    host.remove(name)
    #expect(throws: InferenceError.self) { try host.find("m", version: "1") }
    #expect(!ended.isRaised)
    thread.run()
    #expect(try answer?.get().modelVersion == "1")
    #expect(ended.isRaised)
  }
}

/// Something that has happened.
final class Flag: Sendable {
  private let state = Mutex(false)
  func raise() { state.withLock { $0 = true } }
  var isRaised: Bool { state.withLock { $0 } }
}
