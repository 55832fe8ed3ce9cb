import Federation
import Rounds
import Testing

@testable import Wire

@Suite struct ReservedSuiteTests {
  /// An offer's frame in which the configuration's field 2 says `suite` in place of 1.
  private static func offer(suite: UInt8) throws -> [UInt8] {
    var configuration = Values.configuration
    configuration.suite = .aes128
    let offer = RoundOffer(
      attempt: Values.attempt, modelName: "digits", baseVersion: 2, modelDigest: Values.digest(6),
      tensors: Values.tensors, configuration: configuration, task: Values.task, signature: Values.signature(7))
    var frame = try ControlToWorker.round(.offer(offer)).encoded()
    let field: [UInt8] = [2, 0, 1, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    let start = try #require(frame.firstRange(of: field)).lowerBound
    frame[start + 7] = suite
    return frame
  }

  @Test("An offer of the reserved suite is refused in a sentence of its own; of an unknown one, as any bad value")
  func refuses() throws {
    let hybrid = try Self.offer(suite: 3), unknown = try Self.offer(suite: 4)
    #expect(
      throws: WireError.badField(
        "offer.configuration",
        found: "suite 3, the hybrid against quantum computers, is reserved and not carried out by this version",
        expected: "suite 1 or 2")
    ) { try ControlToWorker(decoding: hybrid) }
    #expect(
      throws: WireError.badField("offer.configuration", found: "fieldValue", expected: "canonical bytes")
    ) { try ControlToWorker(decoding: unknown) }
    #expect(throws: Never.self) { try ControlToWorker(decoding: Self.offer(suite: 2)) }
  }
}
