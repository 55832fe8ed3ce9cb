import ClusterConfiguration
import Glibc
import Logging
import ModelRegistry
import Wire
import ZeroMQ

/// The coordinator's operator sockets: a Unix socket in the state folder, whose modes are the lock, and for operators
/// on other machines, if asked for, TCP with CURVE keys of role operator.
final class OperatorServer: Sendable {
  typealias Server = RequestServer<OperatorRequest, OperatorReply>

  static let socketName = "operator.sock"
  /// Longest path of a Unix socket, in bytes (unix(7): 108 with the terminating zero).
  static let socketPathBytesMax = 107

  /// Where it listens: the Unix socket first.
  let endpoints: [Endpoint]
  private let servers: [Server]

  /// Binds; nothing is read until `start`.
  ///
  /// - Parameters:
  ///   - stateDirectory: made with mode 0700 if there is none; closed to others if there is one.
  ///   - remote: address to bind for operators on other machines; nil for none. Their keys are the authenticator's, in
  ///     domain `.operator`.
  init(
    stateDirectory: String, remote: Endpoint?, home: PartyHome, loop: IOLoop, context: Context,
    authenticator: ZAPAuthenticator, logger: Logger
  ) throws(RuntimeError) {
    let path = try Self.socketPath(stateDirectory: stateDirectory)
    try Self.close(path: stateDirectory, mode: 0o700)
    let keyPair = try home.curveKeyPair()
    do throws(ZeroMQError) {
      let local = try Self.socket(in: context)
      var endpoints = [try local.bind(.ipc(path: path))]
      var servers = [Server(loop: loop, socket: local, name: "operator", logger: logger)]
      if let remote {
        let socket = try Self.socket(in: context)
        try socket.serveCurve(keyPair, in: .operator, admittedBy: authenticator)
        endpoints.append(try socket.bind(remote))
        servers.append(Server(loop: loop, socket: socket, name: "operator", logger: logger))
      }
      self.endpoints = endpoints
      self.servers = servers
    } catch {
      throw RuntimeError(error)
    }
    try Self.close(path: path, mode: 0o600)
  }

  private static func socket(in context: Context) throws(ZeroMQError) -> Socket {
    try Socket(.operator(.binding), in: context)
  }

  /// Takes all rights to a file or folder from everybody but its owner; makes the folder if there is none.
  private static func close(path: String, mode: UInt32) throws(RuntimeError) {
    do throws(FileError) {
      if !DurableFile.exists(path) { try DurableFile.createDirectory(path, mode: mode) }
      guard chmod(path, mode) == 0 else { throw FileError(operation: .create, path: path, code: errno) }
    } catch {
      throw RuntimeError(error)
    }
  }

  /// Answers with what `handler` says, each request in a task of its own.
  ///
  /// - Parameter handler: is told who asks: the name in the operator's certificate, or "local".
  func start(handler: @escaping @Sendable (OperatorRequest, String) async -> OperatorReply) async {
    for server in servers {
      await server.start { [weak server] inquiry in
        Task {
          let reply = await handler(inquiry.request, inquiry.peer)
          guard let server else { return }
          server.loop.post(to: server) { $0.reply(to: inquiry, [Server.Piece(message: reply)]) }
        }
      }
    }
  }

  /// The path of the Unix socket in a state folder.
  ///
  /// - Throws: `RuntimeError` if it is too long for a Unix socket.
  static func socketPath(stateDirectory: String) throws(RuntimeError) -> String {
    let path = stateDirectory + "/" + socketName
    guard path.utf8.count <= socketPathBytesMax else {
      throw RuntimeError(
        .usage,
        "\(path): found a path of \(path.utf8.count) bytes, expected at most \(socketPathBytesMax) for a Unix socket; "
          + "use a folder with a shorter path, or set 'state-directory' in coordinator.yaml")
    }
    return path
  }
}
