import CZeroMQ

/// What a call to libzmq or the system attempted, and why it failed.
///
/// Only this process's own mistakes and the machine's limits are errors. What a peer can cause (it is gone, its queue
/// is full, it sent too much) is an outcome: ``SendOutcome``, ``SocketEvent``.
package struct ZeroMQError: Error, Equatable, CustomStringConvertible {
  package enum Attempt: Equatable, Sendable {
    case createContext
    case openSocket(Socket.Kind)
    case bind(Endpoint)
    case unbind(Endpoint)
    case connect(Endpoint)
    case disconnect(Endpoint)
    case setOption(name: String)
    case readOption(name: String)
    case send
    case receive
    case poll
    case monitor
    case generateKeyPair
    case derivePublicKey
    case startThread(name: String)
    case createEventDescriptor
  }

  package let attempt: Attempt
  /// errno as libzmq or the system gave it.
  package let code: Int32

  init(_ attempt: Attempt, code: Int32) {
    self.attempt = attempt
    self.code = code
  }

  /// The failure libzmq has just reported on this thread.
  static func last(_ attempt: Attempt) -> ZeroMQError {
    ZeroMQError(attempt, code: zmq_errno())
  }

  /// Another socket holds the endpoint.
  package var isAddressInUse: Bool { code == EADDRINUSE }

  package var description: String {
    "\(attempt): \(String(cString: zmq_strerror(code)))"
  }
}

extension ZeroMQError.Attempt: CustomStringConvertible {
  package var description: String {
    switch self {
    case .createContext: "create a ZeroMQ context"
    case .openSocket(let kind): "open a \(kind) socket"
    case .bind(let endpoint): "bind \(endpoint)"
    case .unbind(let endpoint): "unbind \(endpoint)"
    case .connect(let endpoint): "connect \(endpoint)"
    case .disconnect(let endpoint): "disconnect \(endpoint)"
    case .setOption(let name): "set option \(name)"
    case .readOption(let name): "read option \(name)"
    case .send: "send"
    case .receive: "receive"
    case .poll: "poll sockets"
    case .monitor: "monitor a socket"
    case .generateKeyPair: "generate a CURVE key pair"
    case .derivePublicKey: "derive a CURVE public key"
    case .startThread(let name): "start thread \(name)"
    case .createEventDescriptor: "create an event descriptor"
    }
  }
}
