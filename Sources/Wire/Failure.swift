internal import CFederationMessages

/// Why a request was not answered: on the snapshot, operator and pull sockets.
package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: UInt32, Sendable, CaseIterable {
    /// The request makes no sense; asking again will not help.
    case invalid = 1
    case notFound = 2
    /// What was asked contradicts what is: a second run of one name, a run that has already ended.
    case conflict = 3
    /// Not now; the same request may be answered later.
    case unavailable = 4
    /// Not to this party.
    case denied = 5
    /// A fault of who was asked; its log says more.
    case `internal` = 6
  }

  package let code: Code
  /// For people.
  package let text: String

  package init(_ code: Code, _ text: String) {
    self.code = code
    self.text = text
  }

  package var description: String { "\(code): \(text)" }

  init(wire message: Murmur__Failure) throws(WireError) {
    self.init(
      try Field.choice(message.code.rawValue, "failure.code"), try Field.text(message.text, "failure.text"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__Failure> {
    arena.make(murmur__failure__init) {
      $0.code = Murmur__FailureCode(code.rawValue)
      $0.text = arena.prose(text)
    }
  }
}
