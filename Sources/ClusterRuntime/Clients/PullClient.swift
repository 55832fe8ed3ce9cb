import ClusterConfiguration
import Federation
import ModelRegistry
import Pulling
import SecureAggregation
import WebClient
import Wire
import ZeroMQ

/// A consumer's way to models: lists what serving nodes have, fetches versions and verifies them.
package final class PullClient: Sendable {
  /// Most addresses that are asked.
  package static let placesMax = 16
  /// Time without a byte after which a node is given up, in deadlines; less where there is another one to go on at.
  static let stallDeadlines = 3
  static let patienceAmongOthers = Duration.seconds(5)
  static let deadlineAmongOthers = Duration.seconds(5)

  /// What goes with requests over HTTP.
  package struct WebAccess: Sendable {
    /// Or a token; nil to ask without.
    package var apiKey: String?
    /// Whether unencrypted HTTP may leave this machine.
    package var allowsPlain: Bool

    package init(apiKey: String? = nil, allowsPlain: Bool = false) {
      self.apiKey = apiKey
      self.allowsPlain = allowsPlain
    }
  }

  package let puller: ModelPuller
  package let membership: MembershipList

  /// Connects; nothing is asked yet.
  ///
  /// - Parameters:
  ///   - home: the folder of a consumer, or of any other party that is let in.
  ///   - places: addresses of serving nodes, asked in this order: `tcp://HOST:PORT` or `ipc://PATH` of a pull socket,
  ///     `https://…` of an HTTP interface. Empty for the federation file's.
  ///   - deadline: for each answer over ZeroMQ; at most `deadlineAmongOthers` if there are several places.
  package init(
    home: String, from places: [String] = [], web: WebAccess = WebAccess(), deadline: Duration = .seconds(10)
  ) throws(RuntimeError) {
    let party = try ClientKeys.load(home, roles: Self.roles)
    membership = party.membership
    let addresses = places.isEmpty ? [party.federation.endpoints.pull] : places
    guard addresses.count <= Self.placesMax else {
      throw RuntimeError(.usage, "found \(addresses.count) addresses, expected at most \(Self.placesMax)")
    }
    let stall = deadline * Self.stallDeadlines
    let patience = addresses.count > 1 ? min(stall, Self.patienceAmongOthers) : stall
    var sources: [any PullSource] = []
    for address in addresses {
      if WebAddress.isMeant(address) {
        sources.append(HTTPSource(try Self.webAddress(address, web), apiKey: web.apiKey, patience: patience))
      } else {
        let keys = try ClientKeys(home: home, roles: Self.roles, server: .servingNode)
        sources.append(
          try NodeSource(
            Endpoint(rawValue: address), keys: keys,
            deadline: addresses.count > 1 ? min(deadline, Self.deadlineAmongOthers) : deadline, patience: patience))
      }
    }
    puller = ModelPuller(sources: sources, membership: membership)
  }

  private static let roles: [Role] = [.consumer, .operator, .worker, .servingNode, .coordinator]

  /// - Throws: `RuntimeError.usage` for what is no address, or one over which everybody on the way could read the key and
  ///   what is asked.
  package static func webAddress(_ text: String, _ web: WebAccess) throws(RuntimeError) -> WebAddress {
    guard let address = WebAddress(text) else {
      throw RuntimeError(.usage, "\(text): found no address of a serving node, expected https://HOST[:PORT]")
    }
    guard address.isEncrypted || address.isLoopback || web.allowsPlain else {
      throw RuntimeError(
        .usage, "\(text): found unencrypted HTTP to another machine, expected https://…, or --insecure-http beside it")
    }
    return address
  }

  /// What the first node that answers offers, sorted by name, newest versions first.
  package func models() async throws(RuntimeError) -> [ModelRow] {
    try await Self.run { () throws(PullError) in
      try await puller.models().map {
        ModelRow(name: $0.model, version: $0.version, digest: $0.digest, aliases: $0.aliases)
      }
    }
  }

  /// The signed statement about a version, verified.
  package func manifest(of text: String) async throws(RuntimeError) -> (manifest: Manifest, signed: SignedManifest) {
    let reference = try Self.reference(text)
    return try await Self.run { () throws(PullError) in try await puller.manifest(of: reference) }
  }

  /// Fetches a version into a folder, and keeps nothing elsewhere (`ModelPuller.pull`).
  ///
  /// - Parameters:
  ///   - reference: `digits`, `digits@3`, `digits@champion` or `digits@sha256:…`.
  ///   - progress: bytes that are there, and all bytes; called after each piece, and once before the first.
  package func pull(
    reference text: String, into directory: String, progress: @escaping @Sendable (UInt64, UInt64) -> Void = { _, _ in }
  ) async throws(RuntimeError) -> PulledModel {
    let reference = try Self.reference(text)
    return try await Self.run { () throws(PullError) in
      try await puller.pull(reference, into: directory) { progress($0.byteCount, $0.total) }
    }
  }

  private static func reference(_ text: String) throws(RuntimeError) -> ModelReference {
    do throws(ModelReferenceError) {
      return try ModelReference(orLatest: text)
    } catch {
      throw RuntimeError(.usage, error.description)
    }
  }

  private static func run<T>(_ body: () async throws(PullError) -> T) async throws(RuntimeError) -> T {
    do throws(PullError) {
      return try await body()
    } catch {
      throw RuntimeError(error)
    }
  }
}

extension PulledModel {
  /// Checks a folder that `murmur pull` wrote, without a network.
  ///
  /// - Parameter home: the folder of any party; its `federation` file says who may sign.
  /// - Throws: `RuntimeError` of category `notFound` for a missing file, `verificationFailed` for one that is not what
  ///   was signed.
  package static func verify(directory: String, home: String) throws(RuntimeError) -> PulledModel {
    let membership = try membership(of: home)
    do throws(PullError) {
      return try verify(directory: directory, membership: membership)
    } catch {
      throw RuntimeError(error)
    }
  }

  /// Who is in the federation, as a party's folder says. Needs no secret key.
  package static func membership(of home: String) throws(RuntimeError) -> MembershipList {
    do throws(ConfigurationError) {
      return try FederationFile.load(path: home + "/" + FederationFile.name).membership
    } catch {
      throw RuntimeError(error)
    }
  }
}
