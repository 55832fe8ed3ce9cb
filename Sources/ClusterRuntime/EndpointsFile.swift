import ClusterConfiguration
import ModelRegistry

/// Addresses as they are now: what a process has bound, written for those that connect to it.
///
/// The coordinator and the serving node write one each, `HOME/state/endpoints.yaml`; every command takes one in place
/// of the addresses in its `federation` file. Any subset of the keys may be there.
package struct EndpointsFile: Hashable, Sendable {
  static let keys = ["control", "bulk", "state", "snapshot", "pull", "events", "http", "grpc"]

  package var control: String?
  package var bulk: String?
  package var state: String?
  package var snapshot: String?
  package var pull: String?
  package var events: String?
  /// Of HTTP, such as `http://127.0.0.1:8080`.
  package var http: String?
  /// Of gRPC, such as `127.0.0.1:8001`.
  package var grpc: String?

  package init(
    control: String? = nil, bulk: String? = nil, state: String? = nil, snapshot: String? = nil, pull: String? = nil,
    events: String? = nil, http: String? = nil, grpc: String? = nil
  ) {
    self.events = events
    self.http = http
    self.grpc = grpc
    self.control = control
    self.bulk = bulk
    self.state = state
    self.snapshot = snapshot
    self.pull = pull
  }

  /// Where a party writes its own.
  package static func path(home: String) -> String { home + "/state/endpoints.yaml" }

  /// Reads a file; an error names the file, the line and the key.
  package static func load(path: String) throws(ConfigurationError) -> EndpointsFile {
    let top = try ConfigurationFile(path: path, expected: "a file of endpoints").top(keys: keys)
    func address(_ key: String) throws(ConfigurationError) -> String? {
      guard top.has(key) else { return nil }
      let address = try top.endpoint(key)
      guard !address.hasSuffix(":*") else {
        throw top.error(at: key, found: "\"\(address)\"", expected: "an address to connect to, with a port")
      }
      return address
    }
    return try EndpointsFile(
      control: address("control"), bulk: address("bulk"), state: address("state"), snapshot: address("snapshot"),
      pull: address("pull"), events: address("events"),
      http: top.has("http")
        ? top.text("http", expected: "an address such as 'http://127.0.0.1:8080'") {
          $0.hasPrefix("http://") || $0.hasPrefix("https://") ? $0 : nil
        } : nil,
      grpc: top.has("grpc")
        ? top.text("grpc", expected: "an address such as '127.0.0.1:8001'") { $0.contains(":") ? $0 : nil } : nil)
  }

  /// Writes the file, durably and whole; makes its folder if there is none.
  package func write(path: String) throws(FileError) {
    try DurableFile.createDirectory(DurableFile.parent(of: path), mode: 0o700)
    try DurableFile.write(Array(text.utf8), to: path)
  }

  var text: String {
    let values = [control, bulk, state, snapshot, pull, events, http, grpc]
    let lines = zip(Self.keys, values).compactMap { key, value in value.map { "\(key): \"\($0)\"\n" } }
    return "# Where this process listens now; written at every start.\n" + lines.joined()
  }

  /// These addresses where there are any, the others from `endpoints`.
  package func overriding(_ endpoints: Endpoints) -> Endpoints {
    Endpoints(
      control: control ?? endpoints.control, bulk: bulk ?? endpoints.bulk, state: state ?? endpoints.state,
      snapshot: snapshot ?? endpoints.snapshot, pull: pull ?? endpoints.pull)
  }
}

extension FederationFile {
  /// The addresses to connect to: the file's, replaced by those of an endpoints file.
  func endpoints(replacedBy path: String?) throws(RuntimeError) -> Endpoints {
    guard let path else { return endpoints }
    do throws(ConfigurationError) {
      return try EndpointsFile.load(path: path).overriding(endpoints)
    } catch {
      throw RuntimeError(error)
    }
  }
}
