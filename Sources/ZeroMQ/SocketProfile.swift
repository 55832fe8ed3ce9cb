/// The settings of one role of socket in the federation: kind, options and bounds, with the reason for each.
///
/// A profile holds no keys; see ``Socket/serveCurve(_:in:admittedBy:)`` and
/// ``SocketOption/curveClient(keyPair:server:)``.
package struct SocketProfile: Equatable, Sendable {
  /// Which end of a link.
  package enum Side: Sendable {
    /// The end with the known address: coordinator, or serving node at pull.
    case binding
    /// The end that connects: worker, serving node, consumer, command.
    case connecting
  }

  package var kind: Socket.Kind
  package var options: [SocketOption]
  /// Most frames of a message.
  package var framesMax: Int
  /// Most messages an ``IOLoop`` takes from the socket before other sockets, timers and jobs have their turn.
  package var messagesPerTurnMax: Int

  /// Hello, heartbeats, offers, secure-aggregation messages, acknowledgements.
  package static func control(_ side: Side) -> SocketProfile {
    var profile = link(side, frameBytesMax: 1 << 20)  // Larger things travel on bulk.
    profile.options += [
      .sendHighWaterMark(1000),
      // A slow reader leaves the rest in the sender's queue, at no loss: here, 1000 messages of 1 MiB would be a GB.
      .receiveHighWaterMark(64),
    ]
    profile.messagesPerTurnMax = 64
    return profile
  }

  /// Model chunks down, masked chunks up.
  ///
  /// - Parameters:
  ///   - chunkBytesMax: largest chunk; 65,536 elements of 8 bytes by default.
  ///   - creditWindow: chunks under way per peer.
  package static func bulk(_ side: Side, chunkBytesMax: Int = 1 << 19, creditWindow: Int = 8) -> SocketProfile {
    chunks(side, chunkBytesMax: chunkBytesMax, creditWindow: creditWindow)
  }

  /// Numbered records about published versions. Never weights.
  package static func state(_ side: Side) -> SocketProfile {
    var profile = link(side, frameBytesMax: 1 << 16)  // Records are about 200 bytes.
    profile.kind = side == .binding ? .xpub : .sub  // XPUB, because PUB cannot count its subscribers.
    profile.options.removeAll { $0 == .routerMandatory(true) || $0 == .routerHandover(false) || $0 == .immediate(true) }
    profile.options += [.sendHighWaterMark(1000), .receiveHighWaterMark(1000)]
    if side == .binding {
      // One slow subscriber must not stop the others (libzmq issue 3280); it sees the gap and takes a snapshot.
      profile.options.append(.publishWithoutDropping(false))
    }
    return profile
  }

  /// State snapshots after a gap, blobs by digest.
  package static func snapshot(_ side: Side, chunkBytesMax: Int = 1 << 18, creditWindow: Int = 8) -> SocketProfile {
    chunks(side, chunkBytesMax: chunkBytesMax, creditWindow: creditWindow)
  }

  /// Commands of an operator, `ipc://` in the state directory.
  package static func `operator`(_ side: Side) -> SocketProfile {
    var profile = link(side, frameBytesMax: 1 << 20)
    profile.options += [.sendHighWaterMark(100), .receiveHighWaterMark(16)]
    return profile
  }

  /// Model listings and chunks for consumers.
  package static func pull(_ side: Side, chunkBytesMax: Int = 1 << 18, creditWindow: Int = 8) -> SocketProfile {
    chunks(side, chunkBytesMax: chunkBytesMax, creditWindow: creditWindow)
  }

  /// Batches of events for predictions, at most `batchBytesMax` of them, and the predictions.
  package static func events(_ side: Side, batchBytesMax: Int = 1 << 20) -> SocketProfile {
    var profile = link(side, frameBytesMax: batchBytesMax)
    // Batches in hand are the client's to bound; what it sends beyond the mark waits with it.
    profile.options += [.sendHighWaterMark(64), .receiveHighWaterMark(64)]
    profile.messagesPerTurnMax = 16
    return profile
  }

  /// Room for the header frame's own fields beside a chunk.
  private static let chunkOverheadBytes = 4096

  private static func chunks(_ side: Side, chunkBytesMax: Int, creditWindow: Int) -> SocketProfile {
    var profile = link(side, frameBytesMax: chunkBytesMax + chunkOverheadBytes)
    // The marks count messages, and 1000 chunks of 256 KiB would be 256 MB per peer. The credit window is the bound; the
    // marks lie far above it because libzmq learns late what the peer has read: a mark of 12 refused chunks inside a
    // window of 8, and whoever waits for a lost chunk waits long.
    let mark = max(64, 4 * creditWindow)
    profile.options += [.sendHighWaterMark(mark), .receiveHighWaterMark(mark)]
    profile.messagesPerTurnMax = 16  // Chunks cost more than control messages: shorter turns.
    return profile
  }

  private static func link(_ side: Side, frameBytesMax: Int) -> SocketProfile {
    var options: [SocketOption] = [
      .frameBytesMax(frameBytesMax),
      .handshakeInterval(.seconds(5)),  // Half-open connections go after 5 s instead of 30 s.
      // Keeps NAT entries alive; a second line behind heartbeats.
      .tcpKeepalive(idle: .seconds(60), count: 3, interval: .seconds(10)),
    ]
    switch side {
    case .binding:
      options += [
        .linger(.seconds(2)),  // A coordinator that stops may say so; longer would hang its exit.
        .routerMandatory(true),  // Otherwise messages to full or lost peers vanish and count as sent.
        .routerHandover(false),  // Otherwise any admitted peer could take another's routing id.
      ]
    case .connecting:
      options += [
        .linger(.zero),  // Commands and workers must be able to exit.
        .immediate(true),  // Nothing is queued to a server that is not there.
        // A restarted coordinator meets its workers spread out; they add a random delay before the first connect.
        .reconnect(initial: .milliseconds(500), longest: .seconds(30)),
        // Finds dead hosts below TCP's timeouts. It proves that the I/O thread lives, not the peer: see heartbeats of
        // the protocol itself.
        .heartbeat(interval: .seconds(5), timeout: .seconds(15), timeToLive: .seconds(15)),
      ]
    }
    return SocketProfile(
      kind: side == .binding ? .router : .dealer, options: options, framesMax: Socket.framesMaxDefault,
      messagesPerTurnMax: 32)
  }
}
