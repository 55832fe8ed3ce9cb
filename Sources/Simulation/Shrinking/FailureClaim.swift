/// What is wrong with a simulation, without the names, numbers and digests of one occasion: two runs with equal claims
/// fail for the same reason.
package struct FailureClaim: Hashable, Sendable, CustomStringConvertible {
  /// As the run said it.
  package let description: String
  private let pattern: String

  init(_ problem: String) {
    description = problem
    // Every word with a digit in it is a name, a number or a digest.
    pattern = problem.split(separator: " ").map { $0.contains(where: \.isNumber) ? "#" : $0 }.joined(separator: " ")
  }

  package static func == (a: Self, b: Self) -> Bool { a.pattern == b.pattern }
  package func hash(into hasher: inout Hasher) { hasher.combine(pattern) }

  /// How well a model learns is another question with fewer rounds, or other workers.
  var dependsOnTraining: Bool { pattern.hasPrefix("accuracy: ") }
}
