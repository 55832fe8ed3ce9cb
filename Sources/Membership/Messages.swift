import Federation

/// The version of the wire protocol: another major is refused, another minor is not.
package struct ProtocolVersion: Hashable, Sendable, CustomStringConvertible {
  package let major: UInt32
  package let minor: UInt32
  package init(major: UInt32, minor: UInt32) {
    self.major = major
    self.minor = minor
  }
  package static let current = ProtocolVersion(major: 1, minor: 0)
  package var description: String { "\(major).\(minor)" }
}

/// One life of a worker's process: chosen at random when it starts, so that a newer life is told from an older one.
package struct SessionID: Hashable, Sendable, CustomStringConvertible {
  package let value: UInt64
  package init(_ value: UInt64) { self.value = value }
  package var description: String { String(value, radix: 16) }
}

/// Worker → coordinator, first on a new link and after every reconnect.
package struct Hello: Hashable, Sendable {
  package let version: ProtocolVersion
  package let session: SessionID
  /// The program and its version, for people.
  package let software: String
  /// Training threads; says nothing of the data.
  package let threads: UInt32
  package let labels: WorkerLabels

  package var traits: WorkerTraits { WorkerTraits(labels: labels, threads: threads) }

  package init(
    version: ProtocolVersion, session: SessionID, software: String, threads: UInt32,
    labels: WorkerLabels = WorkerLabels()
  ) {
    self.labels = labels
    self.version = version
    self.session = session
    self.software = software
    self.threads = threads
  }
}

/// Coordinator → worker: the hello was accepted.
package struct Welcome: Hashable, Sendable {
  package let version: ProtocolVersion
  package let session: SessionID
  package let federation: FederationID
  /// Both sides send a heartbeat this often when they have nothing else to say.
  package let heartbeatInterval: Duration
  /// So many intervals of silence mean that the peer is lost.
  package let missedHeartbeats: UInt32

  package init(
    version: ProtocolVersion, session: SessionID, federation: FederationID, heartbeatInterval: Duration,
    missedHeartbeats: UInt32
  ) {
    self.version = version
    self.session = session
    self.federation = federation
    self.heartbeatInterval = heartbeatInterval
    self.missedHeartbeats = missedHeartbeats
  }

  package var timing: SessionTiming {
    SessionTiming(heartbeatInterval: heartbeatInterval, missedHeartbeats: missedHeartbeats)
  }
}

/// Why a coordinator does not talk to a worker.
package enum SessionRefusal: UInt32, Sendable, CaseIterable, CustomStringConvertible {
  case unsupportedVersion = 1
  /// A newer session of the same worker has taken over; this one must end.
  case superseded = 2
  /// No hello was received on this link, or the worker was declared lost: say hello again.
  case unknownSession = 3
  /// A message could not be read.
  case malformed = 4

  package var description: String {
    switch self {
    case .unsupportedVersion: "unsupported protocol version"
    case .superseded: "a newer session of this worker has taken over"
    case .unknownSession: "no such session; say hello"
    case .malformed: "a message could not be read"
    }
  }
}

/// Session messages of the control socket, in either direction.
package enum SessionMessage: Hashable, Sendable {
  case hello(Hello)
  case welcome(Welcome)
  case heartbeat
  case refused(SessionRefusal, detail: String)
  case goodbye
  /// Coordinator → worker: the session is over; say hello again after this time, 1 s to `restMax`.
  case rest(Duration)

  package static let restMax = Duration.seconds(3600)
}
