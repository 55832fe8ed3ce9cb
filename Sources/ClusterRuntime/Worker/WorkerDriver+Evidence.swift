import Federation
import Logging
import SecureAggregation

extension WorkerDriver {
  /// Keeps signed statements that show somebody's misconduct, for people.
  func keep(_ evidence: Evidence) {
    logger.warning(
      "evidence",
      metadata: [
        "kind": "\(evidence.kind.rawValue)", "attempt": "\(evidence.attempt)",
        "accused": "\(evidence.accused?.text ?? "open")", "explanation": "\(evidence.explanation)",
      ])
  }
}
