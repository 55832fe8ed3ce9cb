/// The exit codes of every command.
package enum ExitCategory: Int32, Sendable {
  case ok = 0
  case failed = 1
  case usage = 2
  case notFound = 3
  case notAuthorised = 4
  case verificationFailed = 5
  case network = 6
}

/// Why a process or a request could not go on, in one line for people.
package struct RuntimeError: Error, Hashable, Sendable, CustomStringConvertible {
  package let category: ExitCategory
  package let message: String

  package init(_ category: ExitCategory, _ message: String) {
    self.category = category
    self.message = message
  }

  package var description: String { message }
}
