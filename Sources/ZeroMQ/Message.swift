/// The name a ROUTER gave to one connection of one peer. It says where to answer, never who the peer is: that is
/// ``Message/userID``.
package struct RoutingID: Hashable, Sendable, CustomStringConvertible {
  package let bytes: [UInt8]

  package init(bytes: [UInt8]) { self.bytes = bytes }

  package var description: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

/// One received message within its bounds.
package struct Message: Sendable {
  /// The connection it came from, at a ROUTER; nil elsewhere.
  package let origin: RoutingID?
  /// The parts as the peer sent them, without the routing id; at least one.
  package let frames: [Frame]

  /// The sender, as the ``ZAPAuthenticator`` named the owner of its key.
  package var userID: String? { frames.first?.userID }

  /// The IP address of the sender.
  package var peerAddress: String? { frames.first?.peerAddress }

  /// What a subscriber told an XPUB: topic wanted or no longer wanted; nil if the message is something else.
  package var subscription: (isWanted: Bool, topic: [UInt8])? {
    guard frames.count == 1, let first = frames.first?.array.first, first <= 1 else { return nil }
    return (first == 1, Array(frames[0].array.dropFirst()))
  }
}

/// A message that was received, taken from the socket and thrown away.
package struct RefusedMessage: Equatable, Sendable {
  package enum Reason: Equatable, Sendable {
    /// The peer sent this many frames, more than the socket's `framesMax`.
    case tooManyFrames(Int)
    /// No frame beside the routing id.
    case empty
    /// Nobody vouched for the sender, although the socket serves CURVE.
    case unauthenticated
  }

  package let reason: Reason
  package let origin: RoutingID?
  package let userID: String?
  package let peerAddress: String?
}

/// What ``Socket/receive()`` found.
package enum Reception: Sendable {
  case message(Message)
  case refused(RefusedMessage)
  /// No message is waiting.
  case nothing
}

/// What became of a message handed to ``Socket/send(_:to:)``.
package enum SendOutcome: Equatable, Sendable {
  /// Queued for the peer: not yet received by it.
  case sent
  /// The queue to the peer is full, or no peer is connected. Nothing was queued; try again later.
  case wouldBlock
  /// The peer is gone or was never there. Nothing was queued; trying again will not help.
  case unreachable
}
