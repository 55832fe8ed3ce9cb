import Federation
import SecureAggregation

/// Believes every signature: at the fast fidelity the simulator has made them all itself, and checks none.
struct TrustingComputations: RoundComputations {
  private let direct = DirectComputations()

  var servesMany: Bool { true }
  var runner: any PartRunner & Sendable { direct.runner }

  func once(_ claim: Digest, _ check: () throws(Refusal) -> Void) throws(Refusal) {}

  func answer<Question: Equatable & Sendable, Answer: Sendable>(
    _ question: Question, _ compute: () throws(Refusal) -> Answer
  ) throws(Refusal) -> Answer { try compute() }

  func graph(transcript: Digest, rosterCount: Int) throws(Refusal) -> SparseGraph {
    try direct.graph(transcript: transcript, rosterCount: rosterCount)
  }
}
