/// How a party answers HTTP/1.1, or gRPC over HTTP/2.
package struct HTTPConfiguration: Hashable, Sendable {
  static let keys = ["bind", "tls", "plaintext", "threads", "body-max", "connections", "log-requests"]
  /// Where another section has the threads.
  static let rpcKeys = keys.filter { $0 != "threads" }

  /// A name or an address of this machine.
  package var host: String
  /// 0 for one that the system chooses.
  package var port: Int
  /// Paths of PEM files; nil for no TLS.
  package var tls: TLS?
  package var threads: Int?
  /// In bytes.
  package var bodyBytesMax: Int
  package var connectionsMax: Int
  /// Whether each request is logged, without what is in it.
  package var logsRequests: Bool

  package struct TLS: Hashable, Sendable {
    package var certificate: String
    package var key: String
  }

  /// Whether nobody outside this machine reaches it.
  package var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }

  /// - Parameter port: where the section names no address.
  init(_ section: ConfigurationSection, port standard: Int) throws(ConfigurationError) {
    let expected = "an address such as \"127.0.0.1:8080\" or \"[::]:8443\""
    (host, port) = try section.text("bind", default: ("127.0.0.1", standard), expected: expected, as: Self.address)
    if section.has("tls") {
      let files = try section.section("tls", keys: ["certificate", "key"])
      tls = try TLS(
        certificate: files.file.resolve(
          files.text("certificate", expected: "the path of a file of certificates in PEM")),
        key: files.file.resolve(files.text("key", expected: "the path of a file with a private key in PEM")))
    }
    threads = section.has("threads") ? try section.integer("threads", in: 1...256) : nil
    bodyBytesMax = try Int(
      section.text("body-max", default: 16 << 20, expected: "a size from 64 KiB to 1 GiB, such as \"16 MiB\"") {
        Quantity.bytes($0).flatMap { (64 << 10...1 << 30).contains($0) ? $0 : nil }
      })
    connectionsMax = try section.integer("connections", default: 1_024, in: 1...65_536)
    logsRequests = try section.truth("log-requests", default: false)
    let isPlain = try section.truth("plaintext", default: false)
    guard tls != nil || isLoopback || isPlain else {
      throw section.error(
        at: "bind", found: "\"\(host):\(port)\" without TLS",
        expected: "'tls', an address of this machine alone, or 'plaintext: true' where something in front speaks TLS")
    }
  }

  private static func address(_ text: String) -> (String, Int)? {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    let port = text[text.index(after: colon)...], host = text[..<colon]
    guard !host.isEmpty, host.utf8.count <= 255, let number = port == "*" ? 0 : Int(port),
      (0...65_535).contains(number),
      number > 0 || port == "*"
    else { return nil }
    if host.hasPrefix("["), host.hasSuffix("]") { return (String(host.dropFirst().dropLast()), number) }
    return host.contains(":") ? nil : (String(host), number)
  }
}
