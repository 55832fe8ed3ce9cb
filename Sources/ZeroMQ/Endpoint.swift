/// Where a socket binds or connects, as libzmq writes it: `tcp://…`, `ipc://…` or `inproc://…`.
package struct Endpoint: RawRepresentable, Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
  package let rawValue: String

  package init(rawValue: String) { self.rawValue = rawValue }

  package init(stringLiteral value: String) { rawValue = value }

  /// TCP at a host name, address or interface. IPv6 addresses are written without brackets.
  package static func tcp(host: String, port: UInt16) -> Endpoint {
    Endpoint(rawValue: "tcp://\(bracketed(host)):\(port)")
  }

  /// TCP to bind at a port chosen by the system; ``Socket/bind(_:)`` returns the one it chose.
  package static func tcpAtAnyPort(host: String) -> Endpoint {
    Endpoint(rawValue: "tcp://\(bracketed(host)):*")
  }

  /// A Unix domain socket. Who may connect is decided by the modes of the file and of the folders above it.
  package static func ipc(path: String) -> Endpoint {
    Endpoint(rawValue: "ipc://\(path)")
  }

  /// Between sockets of one ``Context``.
  package static func inproc(name: String) -> Endpoint {
    Endpoint(rawValue: "inproc://\(name)")
  }

  /// The TCP port, or nil for other transports and for a port the system has yet to choose.
  package var port: UInt16? {
    guard rawValue.hasPrefix("tcp://"), let colon = rawValue.lastIndex(of: ":") else { return nil }
    return UInt16(rawValue[rawValue.index(after: colon)...])
  }

  /// For people and files, not for `Socket/unbind(_:)`: the same address without the IPv6 form that a dual-stack socket gives to IPv4 (RFC 4291, §2.5.5.2).
  package var withoutMappedAddress: Endpoint {
    let prefix = "tcp://[::ffff:"
    guard rawValue.hasPrefix(prefix), let close = rawValue.lastIndex(of: "]") else { return self }
    let host = rawValue[rawValue.index(rawValue.startIndex, offsetBy: prefix.count)..<close]
    guard host.contains(".") else { return self }
    return Endpoint(rawValue: "tcp://\(host)\(rawValue[rawValue.index(after: close)...])")
  }

  package var description: String { rawValue }

  private static func bracketed(_ host: String) -> String {
    host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
  }
}
