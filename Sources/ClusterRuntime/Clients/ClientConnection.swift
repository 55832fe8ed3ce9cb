import ClusterConfiguration
import Federation
import Wire
import ZeroMQ

/// A command's own keys, and the key of the party that it asks.
package struct ClientKeys: Sendable {
  package let home: PartyHome
  package let own: CurveKeyPair
  package let server: CurvePublicKey

  /// - Parameters:
  ///   - roles: that the folder may have.
  ///   - server: the role of the party that is asked; the first by name, if there are several.
  package init(home directory: String, roles: [Role], server role: Role) throws(RuntimeError) {
    home = try Self.load(directory, roles: roles)
    own = try home.curveKeyPair()
    guard let member = home.membership.members(role: role).first,
      let key = CurvePublicKey(member.certificate.linkKey)
    else {
      throw RuntimeError(.usage, "\(home.path(FederationFile.name)): found no \(role.word), expected one")
    }
    server = key
  }

  /// Loads a party's folder that may have one of several roles.
  static func load(_ directory: String, roles: [Role]) throws(RuntimeError) -> PartyHome {
    var expected = roles[0]
    while true {
      do throws(HomeError) {
        return try PartyHome.load(directory: directory, expecting: expected, now: unixTime())
      } catch {
        guard case .wrongRole(_, let found, _) = error, found != expected, roles.contains(found), expected == roles[0]
        else { throw RuntimeError(error) }
        expected = found
      }
    }
  }
}

/// A client with its own thread and context, for commands. Ends both when it goes.
final class ClientConnection<Request: WireMessage, Reply: FailableReply>: Sendable {
  let endpoint: Endpoint
  private let client: RequestClient<Request, Reply>
  private let loop: IOLoop
  private let context: Context

  /// - Parameter keys: nil for a Unix socket.
  init(
    to endpoint: Endpoint, keys: ClientKeys?, server: String, profile: SocketProfile, deadline: Duration,
    listener: (@Sendable (RequestClient<Request, Reply>.Event) -> Void)? = nil
  ) throws(RuntimeError) {
    self.endpoint = endpoint
    do throws(ZeroMQError) {
      context = try Context()
      let socket = try Socket(profile, in: context)
      // Manifests may be longer than chunks; commands have no storm to fear.
      try socket.set(.frameBytesMax(Reply.limits.frameBytesMax))
      try socket.set(.reconnect(initial: .milliseconds(100), longest: .seconds(1)))
      if let keys { try socket.set(.curveClient(keyPair: keys.own, server: keys.server)) }
      loop = try IOLoop(name: "client")
      client = RequestClient(
        loop: loop, socket: socket, endpoint: endpoint, server: server,
        patience: .init(deadline: deadline, pause: max(.milliseconds(100), deadline / 4)))
    } catch {
      throw RuntimeError(error)
    }
    loop.post(to: client) { $0.start(listener: listener) }
  }

  deinit { loop.stop() }

  func ask(_ request: Request, isRepeatable: Bool = true) async throws(RuntimeError) -> Reply {
    try await client.ask(request, isRepeatable: isRepeatable)
  }

  /// Sends a request whose answers go to the listener.
  func post(_ request: Request) {
    loop.post(to: client) { $0.post(request) }
  }
}
