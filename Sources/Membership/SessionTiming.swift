import Federation

/// The link on which a peer's messages arrive: the ROUTER socket's routing id, or a virtual link of the simulator.
///
/// Says where an answer goes, never who is there: that is the authenticated name beside it.
package struct LinkID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let bytes: [UInt8]
  package init(_ bytes: [UInt8]) { self.bytes = bytes }
  package var description: String { bytes.hex }
  package static func < (a: Self, b: Self) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}

/// Why a peer that was there is not there any more.
package enum LossReason: Hashable, Sendable, CaseIterable {
  /// Nothing was heard for `SessionTiming.patience`.
  case silence
  /// The worker was told to rest: nothing is asked of it for a while.
  case resting
  /// The peer said goodbye.
  case goodbye
  /// Nothing can be sent on the peer's link, or the link belongs to somebody else now.
  case linkClosed
  /// A newer session of the same worker took over.
  case superseded
  /// The coordinator does not know the session any more: it restarted, or had declared the worker lost.
  case forgotten
}

/// How often peers speak, and how long their silence is borne. One for both directions.
package struct SessionTiming: Hashable, Sendable {
  /// A peer that has sent nothing for so long sends a heartbeat.
  package let heartbeatInterval: Duration
  /// So many intervals of silence mean that the peer is lost.
  package let missedHeartbeats: UInt32

  package init(heartbeatInterval: Duration, missedHeartbeats: UInt32) {
    self.heartbeatInterval = heartbeatInterval
    self.missedHeartbeats = missedHeartbeats
  }

  package static let standard = SessionTiming(heartbeatInterval: .milliseconds(500), missedHeartbeats: 3)

  /// The silence after which a peer is lost.
  package var patience: Duration { heartbeatInterval * missedHeartbeats }

  /// How often to look at the clock: a heartbeat is late by at most a fifth of its interval.
  package var tickInterval: Duration { heartbeatInterval / 5 }

  /// Whether a worker agrees to these: an interval of 10 ms…60 s, 2…100 of them.
  package var isAcceptable: Bool {
    heartbeatInterval >= .milliseconds(10) && heartbeatInterval <= .seconds(60) && (2...100).contains(missedHeartbeats)
  }
}
