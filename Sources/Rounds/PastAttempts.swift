import Federation
import SecureAggregation

/// What workers sign about attempts that are over: enough promises seal an attempt, so that a contribution to it does not
/// count (ruling A8).
///
/// Bounded: the last `attemptsMax` attempts on the model in hand, one statement a worker. An attempt whose cohort was
/// divided has one transcript for each group.
struct PastAttempts: Sendable {
  static let attemptsMax = 8

  private struct Past: Sendable {
    let attempt: AttemptID
    let names: [WorkerID]
    let members: TranscriptMembers
    var statements: [Int: WorkerAbort] = [:]
  }

  private var past: [Past] = []

  mutating func forget() { past = [] }

  /// An attempt has ended without a result.
  ///
  /// - Parameter statements: those that came while it was open.
  mutating func add(
    _ attempt: AttemptID, names: [WorkerID], members: TranscriptMembers, statements: [WorkerAbort]
  ) {
    guard members.isComplete else { return }  // On the sparse graph every attempt counts.
    past.append(Past(attempt: attempt, names: names, members: members))
    if let oldest = past.first?.attempt, Set(past.map(\.attempt)).count > Self.attemptsMax {
      past.removeAll { $0.attempt == oldest }
    }
    for statement in statements where names.indices.contains(statement.worker) {
      _ = note(statement, from: names[statement.worker])
    }
  }

  /// - Returns: false for a statement about no past attempt, or not by that worker.
  mutating func note(_ statement: WorkerAbort, from worker: WorkerID) -> Bool {
    guard let place = past.firstIndex(where: { $0.members.transcript == statement.transcript }),
      past[place].names.indices.contains(statement.worker), past[place].names[statement.worker] == worker,
      statement.isSigned(by: past[place].members.signingKeys[statement.worker])
    else { return false }
    past[place].statements[statement.worker] = statement
    return true
  }

  /// What each of these workers should see before it is asked again: of every sealed attempt that it was in, the promises.
  func statements(for workers: [WorkerID]) -> [(worker: WorkerID, statements: AbortStatements)] {
    let sealed = past.compactMap { past -> (Past, AbortStatements)? in
      let promises = past.statements.values.filter { !$0.hasReleased }.sorted { $0.worker < $1.worker }
      guard promises.count >= past.members.promisesNeeded else { return nil }
      return (
        past, AbortStatements(attempt: past.attempt, transcript: past.members.transcript, statements: promises)
      )
    }
    return workers.flatMap { worker in
      sealed.filter { $0.0.names.contains(worker) }.map { (worker, $0.1) }
    }
  }
}
