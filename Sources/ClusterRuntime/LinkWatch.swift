import ZeroMQ

/// Notices that libzmq has given a connection up.
///
/// After a lost connection the connecting side announces its next attempt at once. After a frame that is too long, or
/// another breach of ZMTP, it closes without a word and never tries again (libzmq 4.3.4, session_base.cpp,
/// `session_base_t::engine_error`): whoever owns the socket has to connect anew.
struct LinkWatch {
  /// How long after a disconnection an attempt must have been announced. Also the pause between attempts of our own.
  static let patience = Duration.seconds(1)

  private var isGivenUp = false

  /// True for what may be the last word: ask `takeGivenUp` after `patience`.
  mutating func note(_ event: ConnectionEvent.Kind) -> Bool {
    switch event {
    case .disconnected, .handshakeFailed, .handshakeViolatedProtocol:
      isGivenUp = true
    case .connected, .connectRetried, .handshakeSucceeded, .handshakeRefused:
      isGivenUp = false
    case .listening, .accepted, .bindFailed, .acceptFailed: break
    }
    return isGivenUp
  }

  /// True once if nothing has been announced since: connect anew.
  mutating func takeGivenUp() -> Bool {
    defer { isGivenUp = false }
    return isGivenUp
  }
}
