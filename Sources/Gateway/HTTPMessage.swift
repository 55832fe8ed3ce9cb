import NIOCore
import NIOHTTP1

/// A request that has come in whole.
package struct HTTPRequest: Sendable {
  package let method: HTTPMethod
  /// Percent-encoded, without the query.
  package let path: Substring
  package let headers: HTTPHeaders
  /// Decompressed.
  package let body: ByteBuffer

  package init(method: HTTPMethod, target: String, headers: HTTPHeaders, body: ByteBuffer) {
    self.method = method
    path = Self.path(of: target)
    self.headers = headers
    self.body = body
  }

  /// The target without its query, which nobody here reads.
  static func path(of target: String) -> Substring { target.prefix { $0 != "?" && $0 != "#" } }
}

/// What a request is answered with.
package struct HTTPReply: Sendable {
  package enum Body: Sendable {
    case bytes([UInt8])
    /// So many bytes, read in pieces on other threads while they are sent.
    case pieces(count: UInt64, read: @Sendable (Range<UInt64>) throws -> [UInt8])
  }

  package var status: Int
  package var contentType: String?
  /// Beside content type, length and encoding.
  package var headers: [(name: String, value: String)]
  package var body: Body
  /// Whether the connection ends with it.
  package var closes = false
  /// Whether it goes out compressed where the client accepts that. Some say that they do, and expect it of predictions
  /// alone; files go as they are, for they are verified by their bytes.
  package var isCompressible = false

  package init(
    status: Int = 200, contentType: String? = "application/json", headers: [(name: String, value: String)] = [],
    body: [UInt8] = []
  ) {
    self.status = status
    self.contentType = contentType
    self.headers = headers
    self.body = .bytes(body)
  }

  package init(
    status: Int, contentType: String, headers: [(name: String, value: String)], count: UInt64,
    read: @escaping @Sendable (Range<UInt64>) throws -> [UInt8]
  ) {
    self.status = status
    self.contentType = contentType
    self.headers = headers
    body = .pieces(count: count, read: read)
  }

  package var byteCount: UInt64 {
    switch body {
    case .bytes(let bytes): UInt64(bytes.count)
    case .pieces(let count, _): count
    }
  }
}

/// What a server of HTTP is there for.
package protocol HTTPService: Sendable {
  /// Looks at a request before its body is read, on the connection's event loop.
  ///
  /// - Returns: an answer that needs no body, usually a refusal; nil to go on.
  func refusal(of method: HTTPMethod, target: String, headers: HTTPHeaders) -> HTTPReply?

  /// Answers a request, on the connection's event loop; `reply` is called once, on the same loop.
  func answer(_ request: HTTPRequest, on loop: HTTPLoop, reply: @escaping (HTTPReply) -> Void)

  /// The answer to what is no request of HTTP, or too large for one.
  func refusal(status: Int, message: String) -> HTTPReply
}
