/// What is asked of a server.
package struct HTTPRequest: Hashable, Sendable {
  package enum Method: String, Hashable, Sendable {
    case get = "GET"
    case post = "POST"
  }

  package var method: Method
  package var url: String
  package var headers: [String: String]
  package var body: [UInt8]

  package init(_ method: Method = .get, _ url: String, headers: [String: String] = [:], body: [UInt8] = []) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
  }
}

/// Status and headers of an answer.
package struct HTTPHead: Hashable, Sendable {
  package let status: Int
  /// By lower-case name.
  package let headers: [String: String]

  package init(status: Int, headers: [String: String]) {
    self.status = status
    self.headers = headers
  }
}

/// An answer, whole.
package struct HTTPAnswer: Hashable, Sendable {
  package let head: HTTPHead
  package let body: [UInt8]

  package init(head: HTTPHead, body: [UInt8]) {
    self.head = head
    self.body = body
  }
}

/// Why there is no answer, or not all of one.
package enum HTTPFailure: Error, Hashable, Sendable, CustomStringConvertible {
  case badAddress(String)
  /// The connection could not be made, or broke.
  case broken(url: String, reason: String)
  /// No byte for so long.
  case silent(url: String, seconds: Double)
  case tooLong(url: String, max: Int)
  case cancelled

  package var description: String {
    switch self {
    case .badAddress(let text): "\(text): found no address, expected http://… or https://…"
    case .broken(let url, let reason): "\(url): found no answer (\(reason))"
    case .silent(let url, let seconds): "\(url): found no byte for \(seconds) s"
    case .tooLong(let url, let max): "\(url): found more than \(max) bytes"
    case .cancelled: "interrupted"
    }
  }
}
