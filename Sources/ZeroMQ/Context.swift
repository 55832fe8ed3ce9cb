import CZeroMQ

/// libzmq's own I/O threads and the namespace of `inproc://` endpoints: one per process.
///
/// Thread-safe (zmq_ctx_new(3)). Every socket keeps its context alive, so the context ends after its last socket; it
/// then waits until lingering messages are out or given up.
package final class Context: @unchecked Sendable {
  let handle: UnsafeMutableRawPointer

  /// - Parameters:
  ///   - ioThreads: at least 1. CURVE runs on these threads: use min(4, cores), and ``SocketOption/ioThreads(_:)``
  ///     to keep bulk traffic off the thread of control sockets.
  ///   - socketsMax: open sockets, those of monitors and of the ``ZAPAuthenticator`` included.
  ///   - ipv6: sockets resolve and bind IPv6 beside IPv4.
  package init(ioThreads: Int = 1, socketsMax: Int = 1023, ipv6: Bool = true) throws(ZeroMQError) {
    guard let handle = zmq_ctx_new() else { throw .last(.createContext) }
    let values = [
      (ZMQ_IO_THREADS, Int32(clamping: max(1, ioThreads))),
      (ZMQ_MAX_SOCKETS, Int32(clamping: socketsMax)),
      (ZMQ_IPV6, ipv6 ? 1 : 0),
    ]
    for (option, value) in values where zmq_ctx_set(handle, option, value) != 0 {
      let error = ZeroMQError.last(.createContext)
      zmq_ctx_term(handle)
      throw error
    }
    self.handle = handle
  }

  deinit {
    while zmq_ctx_term(handle) != 0 {
      precondition(zmq_errno() == EINTR, "zmq_ctx_term fails otherwise only for what is not a context")
    }
  }
}
