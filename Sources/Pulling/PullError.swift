import ModelRegistry

/// Why a version could not be fetched, or not be used.
package struct PullError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Kind: Hashable, Sendable, CaseIterable {
    /// What was asked for cannot be.
    case usage
    /// There is no such model, version or file.
    case notFound
    case notAuthorised
    /// A signature, a digest or an answer is not what it should be: whoever sent it is not asked again.
    case verificationFailed
    /// No answer, or not now: another attempt may succeed.
    case network
    /// This machine cannot: a full disk, above all.
    case failed
    case interrupted
  }

  package let kind: Kind
  /// One sentence: what was found and what was expected.
  package let message: String

  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  package init(_ error: FileError) { self.init(.failed, error.description) }

  /// Whether another source may do better.
  var isOfSource: Bool {
    switch kind {
    case .notFound, .notAuthorised, .verificationFailed, .network: true
    case .usage, .failed, .interrupted: false
    }
  }

  package var description: String { message }
}

/// What was wrong with each of several sources.
struct SourceFailures {
  private var errors: [(place: String, error: PullError)] = []

  /// Remembers the last thing that was wrong with a source.
  mutating func note(_ error: PullError, at place: String) {
    errors.removeAll { $0.place == place }
    errors.append((place, error))
  }

  /// All of it as one error, of the kind that tells a script most: a forged answer before a refused key, that before a
  /// source that may answer later, and last what no source has.
  ///
  /// - Precondition: something was noted.
  var error: PullError {
    guard errors.count > 1 else { return errors[0].error }
    let order: [PullError.Kind] = [.verificationFailed, .notAuthorised, .network, .notFound]
    let kind = order.first { kind in errors.contains { $0.error.kind == kind } } ?? .failed
    return PullError(kind, errors.map(Self.line).joined(separator: "; "))
  }

  private static func line(_ place: String, _ error: PullError) -> String {
    error.message.contains(place) ? error.message : "\(place): \(error.message)"
  }
}

/// Runs file operations, and says what they say as a `PullError`.
func filed<T>(_ body: () throws(FileError) -> T) throws(PullError) -> T {
  do throws(FileError) {
    return try body()
  } catch {
    throw PullError(error)
  }
}
