/// A serving node's place in the coordinator's published history (the Clone pattern of ZeroMQ's RFC 12).
///
///     joining ──── snapshot ────▶ following
///        ▲                           │
///        └── gap, new epoch, asked ──┘
///
/// The node subscribes first and asks for a snapshot then, so that nothing falls between the two: records that come in
/// the meantime are kept, and those that the snapshot already contains are dropped.
package struct StateFollower: Sendable {
  /// Records kept while a snapshot is on its way; one more, and the snapshot is asked for again.
  package static let bufferCountMax = 1024

  package enum Reason: Hashable, Sendable {
    case started
    case gap(expected: UInt64, found: UInt64)
    case newEpoch(UInt64)
    case tooManyRecords
    /// The snapshot lies before what the node has seen.
    case staleSnapshot
    /// A record names a version whose manifest only a snapshot carries.
    case unknownManifest
  }

  /// What is to be done with what came in.
  package enum Outcome: Equatable, Sendable {
    /// Nothing: known already, of an earlier epoch, or kept for later.
    case ignore
    case apply(StateRecord)
    /// A snapshot is needed; the machine is joining now.
    case join(Reason)
  }

  private enum State: Equatable, Sendable {
    case joining(kept: [StateRecord])
    case following
  }

  private var state = State.joining(kept: [])
  /// The last record that was applied or is contained in the last snapshot.
  private var epoch: UInt64 = 0
  private var sequence: UInt64 = 0

  package init() {}

  package var isJoining: Bool { if case .joining = state { true } else { false } }

  /// Takes a record or heartbeat.
  package mutating func receive(_ record: StateRecord) -> Outcome {
    switch state {
    case .joining(var kept):
      if record.kind == .heartbeat || record.epoch < epoch { return .ignore }
      guard kept.count < Self.bufferCountMax else {
        state = .joining(kept: [record])
        return .join(.tooManyRecords)
      }
      kept.append(record)
      state = .joining(kept: kept)
      return .ignore
    case .following:
      return follow(record)
    }
  }

  private mutating func follow(_ record: StateRecord) -> Outcome {
    guard record.epoch >= epoch else { return .ignore }
    guard record.epoch == epoch else { return join(.newEpoch(record.epoch), keeping: record) }
    if record.sequence <= sequence { return .ignore }
    guard record.kind != .heartbeat, record.sequence == sequence + 1 else {
      return join(.gap(expected: sequence + 1, found: record.sequence), keeping: record)
    }
    sequence = record.sequence
    return .apply(record)
  }

  /// Takes a snapshot. Ignored unless one was asked for.
  ///
  /// - Returns: whether the snapshot is to be applied, then the kept records behind it, of which the last may ask for
  ///   another snapshot.
  package mutating func receive(_ snapshot: StateSnapshot) -> (isAccepted: Bool, then: [Outcome]) {
    guard case .joining(let kept) = state else { return (false, []) }
    guard (snapshot.epoch, snapshot.sequence) >= (epoch, sequence) else { return (false, [.join(.staleSnapshot)]) }
    state = .following
    epoch = snapshot.epoch
    sequence = snapshot.sequence
    var outcomes: [Outcome] = []
    for (i, record) in kept.enumerated() {
      let outcome = follow(record)
      outcomes.append(outcome)
      if case .join = outcome {
        state = .joining(kept: Array(kept[i...]))
        break
      }
    }
    return (true, outcomes.filter { $0 != .ignore })
  }

  /// Asks for a snapshot because a record that was applied cannot be understood without one.
  package mutating func join(becauseOf reason: Reason) -> Outcome {
    guard !isJoining else { return .ignore }
    state = .joining(kept: [])
    return .join(reason)
  }

  private mutating func join(_ reason: Reason, keeping record: StateRecord) -> Outcome {
    state = .joining(kept: record.kind == .heartbeat ? [] : [record])
    return .join(reason)
  }
}
