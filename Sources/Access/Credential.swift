/// What a request brings to say who asks. It does not print.
package enum Credential: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
  case none
  /// `murmur_…`, as `murmur keys create` printed it.
  case apiKey(String)
  /// An access token (RFC 6750).
  case bearer(String)

  /// The credential in a request's headers.
  ///
  /// - Parameters:
  ///   - authorization: values of all headers `Authorization`: `Bearer`, and a token or an API key.
  ///   - apiKey: values of all headers `X-API-Key`.
  /// - Throws: `AccessError.malformed` for more than one credential, even the same twice, and for another scheme.
  package init(authorization: [String], apiKey: [String] = []) throws(AccessError) {
    guard authorization.count + apiKey.count <= 1 else { throw .malformed(.several) }
    if let key = apiKey.first {
      self = .apiKey(key)
    } else if let value = authorization.first {
      let token = try Self.token(in: value)
      self = token.utf8.starts(with: APIKey.prefix.utf8) ? .apiKey(token) : .bearer(token)
    } else {
      self = .none
    }
  }

  /// What stands behind `Bearer`, which is written in any case (RFC 9110, section 11.1).
  private static func token(in value: String) throws(AccessError) -> String {
    let parts = value.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else { throw .malformed(.scheme) }
    return String(parts[1].drop { $0 == " " })
  }

  package var description: String {
    switch self {
    case .none: "no credential"
    case .apiKey(let text): "API key of \(text.utf8.count) bytes"
    case .bearer(let text): "token of \(text.utf8.count) bytes"
    }
  }

  package var customMirror: Mirror { Mirror(self, children: []) }
}
