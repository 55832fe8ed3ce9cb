import Federation

/// What somebody may do at a serving node.
package enum Permission: String, Hashable, Sendable, CaseIterable {
  /// List models, and pull them.
  case read = "model:read"
  /// Ask for predictions.
  case infer = "model:infer"
  /// Load and unload; read statistics of all models.
  case admin = "admin"
}
