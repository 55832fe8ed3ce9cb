import Glibc

/// A client of HTTP/1.1 for tests, which sends exactly the bytes it is told to.
///
/// Blocking, with a deadline for every read.
package final class HTTPProbe {
  package struct Answer: Sendable {
    package let status: Int
    /// By lower-case name; the last of equal ones.
    package let headers: [String: String]
    package let body: [UInt8]

    package var text: String { String(decoding: body, as: UTF8.self) }
  }

  package enum Failure: Error {
    case cannotConnect(Int32)
    case cannotWrite(Int32)
    /// The connection ended, with what had come by then.
    case ended([UInt8])
    case silent
    case notHTTP(String)
  }

  /// What has to live as long as the probe is used, such as the server that it asks.
  package var companion: AnyObject?
  private let descriptor: Int32
  private var buffered: [UInt8] = []

  /// - Parameter port: of 127.0.0.1.
  package init(port: Int, patience: Int = 60) throws(Failure) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw .cannotConnect(errno) }
    var limit = timeval(tv_sec: patience, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
  }

  /// - Parameter url: `http://127.0.0.1:PORT`.
  package convenience init(url: String) throws(Failure) {
    guard let port = url.split(separator: ":").last.flatMap({ Int($0) }) else { throw .notHTTP(url) }
    try self.init(port: port)
  }

  deinit { close(descriptor) }

  /// Sends a request and waits for its answer.
  package func ask(
    _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil
  ) throws(Failure) -> Answer {
    var head = "\(method) \(path) HTTP/1.1\r\nhost: test\r\n"
    for (name, value) in headers { head += "\(name): \(value)\r\n" }
    if let body { head += "content-length: \(body.count)\r\n" }
    try send(Array((head + "\r\n").utf8) + (body ?? []))
    return try receive(isHead: method == "HEAD")
  }

  package func send(_ bytes: [UInt8]) throws(Failure) {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { raw in
        Glibc.send(descriptor, raw.baseAddress.map { $0 + sent }, raw.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .cannotWrite(errno) }
      sent += count
    }
  }

  /// Waits for one answer; those with status 100 are passed over.
  package func receive(isHead: Bool = false) throws(Failure) -> Answer {
    let end = Array("\r\n\r\n".utf8)
    while true {
      let at = try find(end)
      let lines = String(decoding: buffered[..<at], as: UTF8.self).split(separator: "\r\n")
      buffered.removeFirst(at + end.count)
      guard let first = lines.first, first.hasPrefix("HTTP/1.1 "), let status = Int(first.dropFirst(9).prefix(3)) else {
        throw .notHTTP(lines.first.map(String.init) ?? "")
      }
      var headers: [String: String] = [:]
      for line in lines.dropFirst() {
        guard let colon = line.firstIndex(of: ":") else { throw .notHTTP(String(line)) }
        headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
      }
      guard status != 100 else { continue }
      let count = isHead || status == 304 ? 0 : headers["content-length"].flatMap { Int($0) } ?? 0
      while buffered.count < count { try fill() }
      let body = Array(buffered[..<count])
      buffered.removeFirst(count)
      return Answer(status: status, headers: headers, body: body)
    }
  }

  /// Whether the other side ends the connection, with nothing more to read.
  package func hasEnded() throws(Failure) -> Bool {
    do throws(Failure) {
      try fill()
      return false
    } catch {
      if case .ended = error { return true }
      throw error
    }
  }

  private func find(_ mark: [UInt8]) throws(Failure) -> Int {
    var from = 0
    while true {
      if buffered.count >= mark.count {
        for start in from...(buffered.count - mark.count) where buffered[start..<start + mark.count].elementsEqual(mark)
        {
          return start
        }
        from = buffered.count - mark.count + 1
      }
      try fill()
    }
  }

  private func fill() throws(Failure) {
    var piece = [UInt8](repeating: 0, count: 65_536)
    var count = recv(descriptor, &piece, piece.count, 0)
    // With a time limit a call is not begun again after a signal (signal(7)); other tests' children send some.
    while count < 0, errno == EINTR { count = recv(descriptor, &piece, piece.count, 0) }
    if count == 0 { throw .ended(buffered) }
    if count < 0 {
      if errno == ECONNRESET || errno == EPIPE { throw .ended(buffered) }
      throw .silent
    }
    buffered += piece[..<count]
  }
}
