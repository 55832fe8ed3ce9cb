/// Why a request got no predictions.
package struct InferenceError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Kind: Hashable, Sendable {
    /// Not a request, or not one for this model.
    case invalid
    case unauthenticated
    case forbidden
    /// There is no such model, version or path.
    case notFound
    /// The path is right and the method is not.
    case methodNotAllowed
    /// More bytes, elements or headers than are taken.
    case tooLarge
    /// A content type or encoding that nobody here reads.
    case unsupportedMediaType
    /// A rate limit; another attempt may succeed after the time.
    case limited(retryAfter: Duration)
    /// A queue is full; another attempt may succeed after the time.
    case overloaded(retryAfter: Duration)
    /// The model is there and cannot answer yet, or any more.
    case notReady
    case deadlineExceeded
    case `internal`
  }

  package let kind: Kind
  /// One sentence: what was found and what was expected. Never a number of a tensor.
  package let message: String

  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  package var description: String { message }

  /// The status of HTTP (RFC 9110 §15, RFC 6585 §4).
  package var httpStatus: Int {
    switch kind {
    case .invalid: 400
    case .unauthenticated: 401
    case .forbidden: 403
    case .notFound: 404
    case .methodNotAllowed: 405
    case .tooLarge: 413
    case .unsupportedMediaType: 415
    case .limited, .overloaded: 429
    case .notReady: 503
    case .deadlineExceeded: 504
    case .internal: 500
    }
  }
}
