/// One permission for some models, in the words of tokens and files: `model:infer:digits*`, `model:read`, `admin`.
///
/// A scope permits what it names and nothing else: `admin` does not imply `model:read`.
package struct Scope: Hashable, Sendable, CustomStringConvertible {
  package let permission: Permission
  /// Of `admin`, which is about the node and not about a model, always `*`.
  package let models: ModelPattern

  /// - Precondition: `admin` is for all models.
  package init(_ permission: Permission, models: ModelPattern = .all) {
    precondition(permission != .admin || models == .all, "admin is not about a model")
    self.permission = permission
    self.models = models
  }

  /// - Parameter text: a permission; behind `model:read` and `model:infer` also a colon and a pattern of models.
  /// - Throws: `ScopeError`.
  package init(_ text: String) throws(ScopeError) {
    if let permission = Permission(rawValue: text) {
      self.init(permission)
      return
    }
    guard let colon = text.lastIndex(of: ":"), let permission = Permission(rawValue: String(text[..<colon])) else {
      throw .unknownPermission(text)
    }
    guard permission != .admin else { throw .patternForAdmin(text) }
    self.init(permission, models: try ModelPattern(String(text[text.index(after: colon)...])))
  }

  package func permits(_ permission: Permission, model: String) -> Bool {
    self.permission == permission && models.matches(model)
  }

  package var description: String {
    models == .all ? permission.rawValue : "\(permission.rawValue):\(models)"
  }
}

/// Why a text is no scope.
package enum ScopeError: Error, Hashable, Sendable, CustomStringConvertible {
  case unknownPermission(String)
  case badPattern(String)
  case patternForAdmin(String)

  package var description: String {
    switch self {
    case .unknownPermission(let text), .badPattern(let text), .patternForAdmin(let text):
      "found \"\(text)\", expected \(expectation)"
    }
  }

  /// What should stand there instead.
  package var expectation: String {
    switch self {
    case .unknownPermission: Self.expected
    case .badPattern: "a model's name, the beginning of one with '*' behind it, or '*', behind the permission"
    case .patternForAdmin: "'admin' alone: it is not about a model"
    }
  }

  /// What every scope looks like.
  package static let expected = "a scope such as 'model:infer:digits*', 'model:read' or 'admin'"
}
