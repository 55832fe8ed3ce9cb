/// What a run may use before it ends, beside its rounds and its time.
package struct RunBudget: Hashable, Sendable {
  /// Client updates in the versions that it made.
  package var updates: UInt64?
  /// Bytes of messages from and to its workers, models and updates among them.
  package var bytes: UInt64?

  package init() {}

  /// Why a run ends that has used so much; nil while it may go on.
  func exhaustion(updates usedUpdates: UInt64, bytes usedBytes: UInt64) -> String? {
    if let updates, usedUpdates >= updates {
      return "the run has used \(usedUpdates) client updates, its budget is \(updates)"
    }
    if let bytes, usedBytes >= bytes { return "the run has moved \(usedBytes) bytes, its budget is \(bytes)" }
    return nil
  }
}
