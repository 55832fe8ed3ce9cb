import Federation

/// Bounds of a batch and of what waits for one.
package struct BatchLimits: Hashable, Sendable {
  /// Rows that are computed together.
  package var batchRowsMax: Int
  /// Rows that wait; what would be more is refused.
  package var queuedRowsMax: Int
  /// The longest that a request waits for company.
  package var delay: Duration

  package init(batchRowsMax: Int = 64, queuedRowsMax: Int = 4_096, delay: Duration = .zero) {
    precondition(batchRowsMax >= 1 && queuedRowsMax >= batchRowsMax, "a queue holds at least a batch")
    self.batchRowsMax = batchRowsMax
    self.queuedRowsMax = queuedRowsMax
    self.delay = delay
  }
}

/// Requests for one version of a model that wait to be computed together.
///
/// A batch is due when it is full, or when its oldest request has waited for the delay: with a delay of zero a batch is
/// what is there when the one before it is done, and nobody ever waits for company. Requests are whole: one with more
/// rows than a batch is a batch of its own.
package struct BatchQueue<Element> {
  /// What leaves the queue.
  package struct Batch {
    /// To be computed, in the order in which they came.
    package var elements: [Element] = []
    package var rows = 0
    /// Requests whose deadline passed while they waited.
    package var expired: [Element] = []
  }

  private struct Waiting {
    let element: Element
    let rows: Int
    let arrived: MonotonicTime
    let deadline: MonotonicTime
  }

  package let limits: BatchLimits
  /// In the order of arrival; the first `gone` have left.
  private var waiting: [Waiting] = []
  private var gone = 0
  package private(set) var rows = 0

  package init(limits: BatchLimits) { self.limits = limits }

  package var isEmpty: Bool { gone == waiting.count }

  /// When the next batch is due at the latest; nil for an empty queue.
  package var dueAt: MonotonicTime? { isEmpty ? nil : waiting[gone].arrived + limits.delay }

  /// Whether a batch is due now.
  package func isDue(at now: MonotonicTime) -> Bool {
    rows >= limits.batchRowsMax || dueAt.map { $0 <= now } ?? false
  }

  /// Takes a request in.
  ///
  /// - Parameters:
  ///   - rows: at least 1.
  ///   - deadline: when nobody waits for the answer any more.
  /// - Returns: false if the queue is full; it is then unchanged. One request is taken into an empty queue whatever its size.
  package mutating func admit(_ element: Element, rows: Int, deadline: MonotonicTime, at now: MonotonicTime) -> Bool {
    precondition(rows >= 1, "a request has at least one row")
    guard isEmpty || self.rows + rows <= limits.queuedRowsMax else { return false }
    waiting.append(Waiting(element: element, rows: rows, arrived: now, deadline: deadline))
    self.rows += rows
    return true
  }

  /// Takes the next batch out: as many whole requests as fit, at least one.
  package mutating func take(at now: MonotonicTime) -> Batch {
    var batch = Batch()
    while gone < waiting.count {
      let next = waiting[gone]
      guard next.deadline > now else {
        batch.expired.append(next.element)
        leave(next)
        continue
      }
      guard batch.elements.isEmpty || batch.rows + next.rows <= limits.batchRowsMax else { break }
      batch.elements.append(next.element)
      batch.rows += next.rows
      leave(next)
    }
    if gone == waiting.count {
      waiting.removeAll(keepingCapacity: true)
      gone = 0
    } else if gone >= 256 {
      waiting.removeFirst(gone)
      gone = 0
    }
    return batch
  }

  private mutating func leave(_ element: Waiting) {
    rows -= element.rows
    gone += 1
  }
}
