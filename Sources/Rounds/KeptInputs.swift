import Aggregation
import Federation
import SecureAggregation
import Tensors

/// One complete, verified plain input that stays where it is until the sum opens.
package protocol KeptInput {
  /// The bytes of chunk `number`, numbered through all vectors.
  func read(_ number: UInt64) throws -> [UInt8]
  /// Some bytes of a chunk.
  func read(_ number: UInt64, bytes: Range<Int>) throws -> [UInt8]
}

/// The updates of kept inputs, sorted by worker, for a robust rule.
struct KeptUpdates: RoundUpdates {
  private let inputs: [any KeptInput]
  private let vector: VectorSpecification
  private let firstChunk: UInt64
  let weights: [UInt64]

  /// - Throws: `badLength` if the plan has no update; what reading an input throws.
  init(_ inputs: [WorkerID: any KeptInput], plan: RunStateMachine.UploadPlan) throws {
    guard let place = plan.vectors.firstIndex(where: { $0.id == PlainAttempt.updateID }) else {
      throw Refusal.badLength
    }
    self.inputs = inputs.sorted { $0.key < $1.key }.map(\.value)
    vector = plan.vectors[place]
    firstChunk = plan.vectors[..<place].reduce(0) { $0 + UInt64($1.chunkCount) }
    weights = try self.inputs.map { try RoundSum.weight(of: $0, plan) }
  }

  var count: Int { inputs.count }
  var elementCount: Int { Int(vector.count) }

  func read(_ update: Int, _ elements: Range<Int>) throws -> [Float] {
    let chunkElements = Int(vector.chunkElements)
    var values: [Float] = []
    values.reserveCapacity(elements.count)
    var next = elements.lowerBound
    while next < elements.upperBound {
      let chunk = next / chunkElements
      let end = min(elements.upperBound, (chunk + 1) * chunkElements)
      let bytes = 4 * (next - chunk * chunkElements)..<4 * (end - chunk * chunkElements)
      values.append(littleEndian: try inputs[update].read(firstChunk + UInt64(chunk), bytes: bytes))
      next = end
    }
    return values
  }
}
