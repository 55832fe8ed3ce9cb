/// What goes wrong on the ZeroMQ sockets of a process, coordinator or serving node.
package struct LinkMetrics: Sendable {
  /// Sockets as DESIGN names them.
  package enum Socket: String, Sendable, CaseIterable {
    case control, bulk, state, snapshot, pull
  }

  /// Connections that the ZAP handler refused.
  package let authenticationFailures: Counter
  private let dropped: CaseSeries<Socket, Counter>
  private let full: CaseSeries<Socket, Counter>
  private let reconnects: CaseSeries<Socket, Counter>

  package init(in registry: MetricsRegistry) {
    authenticationFailures = registry.counter(
      "murmur_zmq_auth_failures_total", "Connections refused because nobody knows their key.")()
    func bySocket(_ name: String, _ help: String) -> CaseSeries<Socket, Counter> {
      let family = registry.counter(name, help, labels: ["socket"])
      return CaseSeries { family($0) }
    }
    dropped = bySocket("murmur_zmq_dropped_total", "Messages that came in and were left out: too many waited already.")
    full = bySocket(
      "murmur_zmq_eagain_total", "Messages that were not sent: the peer was gone, or its queue was full.")
    reconnects = bySocket("murmur_zmq_reconnects_total", "Connections that libzmq gave up and that were made anew.")
  }

  package func dropped(on socket: Socket) -> Counter { dropped[socket] }
  package func full(on socket: Socket) -> Counter { full[socket] }
  package func reconnects(on socket: Socket) -> Counter { reconnects[socket] }
}
