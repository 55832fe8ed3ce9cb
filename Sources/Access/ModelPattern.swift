import Federation

/// Which models a scope is about: one by its name, those whose names begin alike (`digits*`), or all (`*`).
package struct ModelPattern: Hashable, Sendable, CustomStringConvertible {
  private enum Form: Hashable, Sendable {
    case all
    case beginning(String)
    case named(String)
  }

  private let form: Form

  package static let all = ModelPattern(form: .all)

  private init(form: Form) { self.form = form }

  /// - Parameter text: a model's name, the beginning of one and `*`, or `*` alone; a star stands nowhere else.
  /// - Throws: `ScopeError.badPattern`.
  package init(_ text: String) throws(ScopeError) {
    let isBeginning = text.hasSuffix("*")
    let stem = isBeginning ? String(text.dropLast()) : text
    if isBeginning, stem.isEmpty {
      form = .all
    } else if ModelName(stem) != nil {
      form = isBeginning ? .beginning(stem) : .named(stem)
    } else {
      throw .badPattern(text)
    }
  }

  package func matches(_ model: String) -> Bool {
    switch form {
    case .all: true
    case .beginning(let stem): model.utf8.starts(with: stem.utf8)
    case .named(let name): model.utf8.elementsEqual(name.utf8)
    }
  }

  package var description: String {
    switch form {
    case .all: "*"
    case .beginning(let stem): stem + "*"
    case .named(let name): name
    }
  }
}
