import Foundation

/// An HTTP server on a port of 127.0.0.1 that says what a test tells it, as rudely as that is, and ends with the object.
package final class LoopbackServer: Sendable {
  package enum Answer: Sendable {
    /// What is sent, piece by piece, before the connection is closed.
    case bytes([[UInt8]])
    /// Nothing more is sent after these until the client gives up.
    case silence(after: [UInt8])
    /// One byte of an endless body after another, so far apart.
    case drip(Duration)
  }

  package struct Request: Sendable {
    package let path: String
    /// What stands behind `Range: bytes=`.
    package let range: String?
    /// By lower-case name.
    package let headers: [String: String]
    package let body: [UInt8]
  }

  package let port: UInt16
  private let descriptor: Int32
  private let answer: @Sendable (Request) -> Answer

  package var place: String { "http://127.0.0.1:\(port)/set" }

  package init(_ answer: @escaping @Sendable (Request) -> Answer) throws {
    self.answer = answer
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, size) == 0 && listen(descriptor, 16) == 0 && getsockname(descriptor, $0, &size) == 0
      }
    }
    guard isBound else { throw POSIXError(.EADDRNOTAVAIL) }
    self.descriptor = descriptor
    port = UInt16(bigEndian: address.sin_port)
    Thread.detachNewThread { [answer] in
      while true {
        let connection = accept(descriptor, nil, nil)
        guard connection >= 0 else { return }
        Thread.detachNewThread { Self.serve(connection, answer) }
      }
    }
  }

  deinit {
    shutdown(descriptor, Int32(SHUT_RDWR))  // Wakes the thread in accept.
    close(descriptor)
  }

  /// A whole answer, with the length that `length` says.
  package static func response(
    _ body: [UInt8], status: String = "200 OK", length: Int? = nil, header: String = ""
  ) -> [UInt8] {
    let head = "HTTP/1.1 \(status)\r\nContent-Length: \(length ?? body.count)\r\n\(header)Connection: close\r\n\r\n"
    return Array(head.utf8) + body
  }

  /// The rest of a file from `offset` on, announced as the part of `total` bytes that it is.
  package static func rest(of file: [UInt8], from offset: Int, announced: Int? = nil) -> [UInt8] {
    response(
      Array(file[offset...]), status: "206 Partial Content",
      header: "Content-Range: bytes \(announced ?? offset)-\(file.count - 1)/\(file.count)\r\n")
  }

  private static func serve(_ connection: Int32, _ answer: (Request) -> Answer) {
    defer { close(connection) }
    var head: [UInt8] = []
    var body: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = recv(connection, &buffer, buffer.count, 0)
      guard count > 0, head.count < 65_536 else { return }
      head += buffer[..<count]
      if let end = head.firstRange(of: Array("\r\n\r\n".utf8)) {
        body = Array(head[end.upperBound...])
        head = Array(head[..<end.lowerBound])
        break
      }
    }
    let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n")
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces) }
    }
    // What is not read would end the connection with a reset instead of an answer.
    while body.count < headers["content-length"].flatMap({ Int($0) }) ?? 0 {
      let count = recv(connection, &buffer, buffer.count, 0)
      guard count > 0, body.count < 1 << 24 else { return }
      body += buffer[..<count]
    }
    let prefix = "bytes="
    let range = headers["range"].flatMap { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : nil }
    let path = lines.first?.split(separator: " ").dropFirst().first.map(String.init) ?? ""
    switch answer(Request(path: path, range: range, headers: headers, body: body)) {
    case .bytes(let pieces):
      for piece in pieces where !write(piece, to: connection) { return }
    case .silence(let bytes):
      guard write(bytes, to: connection) else { return }
      _ = recv(connection, &buffer, buffer.count, 0)  // Until the client closes.
    case .drip(let pause):
      guard write(Array("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".utf8), to: connection) else { return }
      while write([0x61], to: connection) { Thread.sleep(forTimeInterval: pause / .seconds(1)) }
    }
  }

  private static func write(_ bytes: [UInt8], to connection: Int32) -> Bool {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { raw in
        send(connection, raw.baseAddress.map { $0 + done }, raw.count - done, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      done += count
    }
    return true
  }
}
