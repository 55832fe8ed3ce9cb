import Federation
import Inference
import Serving

/// The thread that a lane lives on, as its driver gives it.
package protocol LaneThread: AnyObject {
  var now: MonotonicTime { get }
  /// Milliseconds since 1970-01-01 UTC.
  var unixMilliseconds: Int { get }
  /// Runs `body` on the lane's thread, after what is in hand there.
  func soon(_ body: @escaping () -> Void)
  /// Runs `body` on the lane's thread at a time.
  func later(at time: MonotonicTime, _ body: @escaping () -> Void)
  /// Runs `work` on another thread, then `body` with what it gave on the lane's; false if there is no room for more work.
  func aside(_ work: @escaping @Sendable () -> [Float], then body: @escaping ([Float]) -> Void) -> Bool
}

/// Requests that come in on one thread, computed together by version.
///
/// Cheap batches are computed on the lane's own thread when what is in hand there has been read: no thread is woken, and
/// requests that came together share one pass over the weights. Batches above `asideFlopsMin` go to another thread, one at
/// a time for each version, and what comes meanwhile is the next batch. Deliberately not `Sendable`.
package final class PredictionLane {
  package typealias Completion = (Result<InferenceResponse, InferenceError>) -> Void

  /// Operations above which a batch would hold up everybody else on the lane's thread: about a millisecond.
  package static let asideFlopsMin = 20_000_000

  /// What a driver measures of each batch.
  package struct BatchFigures: Sendable {
    package let model: ServedModel
    package let rows: Int
    /// Of each request, in the queue.
    package let waiting: [Duration]
    package let computing: Duration
  }

  private struct Waiting {
    let request: InferenceRequest
    let features: [Float]
    let rows: Int
    let arrived: MonotonicTime
    let completion: Completion
  }

  private struct Line {
    let model: ServedModel
    var queue: BatchQueue<Waiting>
    /// A batch is on another thread.
    var isAside = false
    var isAwaited = false
  }

  private let limits: BatchLimits
  private let thread: any LaneThread
  private let observe: (BatchFigures) -> Void
  private var lines: [ObjectIdentifier: Line] = [:]
  private var isFlushing = false

  /// - Parameters:
  ///   - thread: holds the lane; not held by it.
  ///   - observe: told of each batch.
  package init(
    limits: BatchLimits, thread: any LaneThread, observe: @escaping (BatchFigures) -> Void = { _ in }
  ) {
    self.limits = limits
    self.thread = thread
    self.observe = observe
  }

  /// Requests that wait, over all versions.
  package var queuedRows: Int { lines.values.reduce(0) { $0 + $1.queue.rows } }

  /// Takes a request in; `completion` is called once, on the lane's thread.
  ///
  /// - Parameter timeout: after it nobody waits for the answer.
  package func submit(
    _ request: InferenceRequest, to model: ServedModel, timeout: Duration, completion: @escaping Completion
  ) {
    let now = thread.now
    let features: (values: [Float], rows: Int)
    do throws(InferenceError) {
      features = try model.features(of: request)
    } catch {
      model.statistics.failed(in: .zero)
      return completion(.failure(error))
    }
    let id = ObjectIdentifier(model)
    let waiting = Waiting(
      request: request, features: features.values, rows: features.rows, arrived: now, completion: completion)
    var line = lines.removeValue(forKey: id) ?? Line(model: model, queue: BatchQueue(limits: limits))
    let isIn = line.queue.admit(waiting, rows: features.rows, deadline: now + timeout, at: now)
    lines[id] = line
    guard isIn else {
      model.statistics.failed(in: .zero)
      return completion(
        .failure(
          InferenceError(
            .overloaded(retryAfter: .seconds(1)), "\(line.queue.rows) rows wait for '\(model.name)' already")))
    }
    flushSoon()
  }

  private func flushSoon() {
    guard !isFlushing else { return }
    isFlushing = true
    thread.soon { [weak self] in
      self?.isFlushing = false
      self?.flush()
    }
  }

  /// Computes every batch that is due.
  private func flush() {
    for id in Array(lines.keys) {
      while let line = lines[id], !line.isAside {
        guard !line.queue.isEmpty else {
          // Nothing is left that would hold the version.
          lines[id] = nil
          break
        }
        guard line.queue.isDue(at: thread.now) else {
          lookAgain(at: id)
          break
        }
        compute(id)
      }
    }
  }

  private func lookAgain(at id: ObjectIdentifier) {
    guard let due = lines[id]?.queue.dueAt, lines[id]?.isAwaited == false else { return }
    lines[id]?.isAwaited = true
    thread.later(at: due) { [weak self] in
      self?.lines[id]?.isAwaited = false
      self?.flush()
    }
  }

  private func compute(_ id: ObjectIdentifier) {
    guard var line = lines.removeValue(forKey: id) else { return }
    let started = thread.now
    let batch = line.queue.take(at: started)
    let model = line.model
    lines[id] = line
    for late in batch.expired { expire(late, model, at: started) }
    guard !batch.elements.isEmpty else { return }
    let features = batch.elements.count == 1 ? batch.elements[0].features : batch.elements.flatMap(\.features)
    let rows = batch.rows
    guard rows * model.flops > Self.asideFlopsMin else {
      return finish(batch.elements, model, predictions: model.predict(features, rows: rows), from: started)
    }
    lines[id]?.isAside = true
    let isTaken = thread.aside({ model.predict(features, rows: rows) }) { [weak self] predictions in
      guard let self else { return }
      self.lines[id]?.isAside = false
      self.finish(batch.elements, model, predictions: predictions, from: started)
      self.flush()
    }
    guard !isTaken else { return }
    lines[id]?.isAside = false
    for element in batch.elements {
      model.statistics.failed(in: started.since(element.arrived))
      element.completion(
        .failure(InferenceError(.overloaded(retryAfter: .seconds(1)), "too much is being computed already")))
    }
  }

  private func expire(_ element: Waiting, _ model: ServedModel, at now: MonotonicTime) {
    model.statistics.failed(in: now.since(element.arrived))
    element.completion(
      .failure(InferenceError(.deadlineExceeded, "the request's time had passed before '\(model.name)' could answer")))
  }

  private func finish(_ elements: [Waiting], _ model: ServedModel, predictions: [Float], from started: MonotonicTime) {
    let now = thread.now
    let rows = elements.reduce(0) { $0 + $1.rows }
    model.statistics.computed(rows: rows, in: now.since(started))
    observe(
      BatchFigures(
        model: model, rows: rows, waiting: elements.map { started.since($0.arrived) }, computing: now.since(started)))
    let unixMilliseconds = thread.unixMilliseconds
    var start = 0
    for element in elements {
      let own = start..<start + element.rows
      start = own.upperBound
      model.statistics.answered(
        in: now.since(element.arrived), waiting: started.since(element.arrived), unixMilliseconds: unixMilliseconds)
      element.completion(.success(model.response(to: element.request, predictions: predictions, rows: own)))
    }
  }
}
