/// Why there are no predictions.
package struct PredictionError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Kind: Hashable, Sendable {
    /// What was given cannot be predicted by this model.
    case usage
    case notFound
    case notAuthorised
    /// A model's folder, or an answer, is not what it should be.
    case verificationFailed
    /// No answer, or not now: another attempt may succeed.
    case network
    case failed
  }

  package let kind: Kind
  /// One sentence: what was found and what was expected.
  package let message: String

  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  package var description: String { message }
}
