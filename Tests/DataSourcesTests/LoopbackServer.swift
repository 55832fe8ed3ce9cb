import Foundation

/// An HTTP server on a port of 127.0.0.1 that says what a test tells it, as rudely as that is, and ends with the object.
final class LoopbackServer: Sendable {
  enum Answer: Sendable {
    /// What is sent, piece by piece, before the connection is closed.
    case bytes([[UInt8]])
    /// Nothing more is sent after these until the client gives up.
    case silence(after: [UInt8])
    /// One byte of an endless body after another, so far apart.
    case drip(Duration)
  }

  struct Request: Sendable {
    let path: String
    /// What stands behind `Range: bytes=`.
    let range: String?
  }

  let port: UInt16
  private let descriptor: Int32
  private let answer: @Sendable (Request) -> Answer

  var place: String { "http://127.0.0.1:\(port)/set" }

  init(_ answer: @escaping @Sendable (Request) -> Answer) throws {
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
  static func response(
    _ body: [UInt8], status: String = "200 OK", length: Int? = nil, header: String = ""
  ) -> [UInt8] {
    let head = "HTTP/1.1 \(status)\r\nContent-Length: \(length ?? body.count)\r\n\(header)Connection: close\r\n\r\n"
    return Array(head.utf8) + body
  }

  /// The rest of a file from `offset` on, announced as the part of `total` bytes that it is.
  static func rest(of file: [UInt8], from offset: Int, announced: Int? = nil) -> [UInt8] {
    response(
      Array(file[offset...]), status: "206 Partial Content",
      header: "Content-Range: bytes \(announced ?? offset)-\(file.count - 1)/\(file.count)\r\n")
  }

  private static func serve(_ connection: Int32, _ answer: (Request) -> Answer) {
    defer { close(connection) }
    var request: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while !request.suffix(4).elementsEqual([13, 10, 13, 10]) {
      let count = recv(connection, &buffer, buffer.count, 0)
      guard count > 0, request.count < 65_536 else { return }
      request += buffer[..<count]
    }
    let lines = String(decoding: request, as: UTF8.self).split(separator: "\r\n")
    let prefix = "Range: bytes="
    switch answer(
      Request(
        path: lines.first?.split(separator: " ").dropFirst().first.map(String.init) ?? "",
        range: lines.first { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }))
    {
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
