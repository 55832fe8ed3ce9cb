import Rounds
import SecureAggregation
import Wire

/// What the coordinator says to everyone alike: encoded once, and read once. Thousands of workers share the memory.
struct Broadcasts {
  private struct Broadcast {
    let message: ControlToWorker
    let header: [UInt8]
    /// What the first reader found in the header.
    var read: ControlToWorker?
  }

  /// The last message of each kind, and of each part of a roster.
  private var last: [Subject: Broadcast] = [:]

  private struct Subject: Hashable {
    let kind: String
    let part: Int
  }

  mutating func header(of message: some WireMessage) throws -> [UInt8] {
    guard let message = message as? ControlToWorker, let subject = Self.subject(of: message) else {
      return try message.encoded()
    }
    if let known = last[subject], known.message == message { return known.header }
    let header = try message.encoded()
    last[subject] = Broadcast(message: message, header: header)
    return header
  }

  /// What a worker reads in a control frame.
  mutating func read(_ transmission: Transmission) throws(WireError) -> ControlToWorker {
    let known = last.first { $0.key.kind == transmission.kind && $0.value.header == transmission.header }
    if let read = known?.value.read { return read }
    let read = try ControlToWorker(decoding: transmission.header, payloadBytes: transmission.payload?.count)
    if let known { last[known.key]?.read = read }
    return read
  }

  private static func subject(of message: ControlToWorker) -> Subject? {
    guard case .round(let body) = message else { return nil }
    switch body {
    case .roster(_, let roster): return Subject(kind: message.kind, part: roster.part?.index ?? 0)
    case .dealers, .quorum, .result: return Subject(kind: message.kind, part: 0)
    case .offer, .peerShares, .survivors, .ended, .aborts: return nil
    }
  }
}
