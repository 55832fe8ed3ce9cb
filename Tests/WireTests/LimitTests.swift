import CFederationMessages
import Federation
import Membership
import Rounds
import SecureAggregation
import Testing
import Transfer

@testable import Wire

@Suite("What a frame may cost")
struct LimitTests {
  @Test("A frame longer than its socket carries is refused before it is looked at")
  func longFrame() {
    let bytes = [UInt8](repeating: 0xFF, count: (1 << 20) + 1)
    #expect(throws: WireError.tooLarge(byteCount: 1_048_577, byteCountMax: 1_048_576)) {
      try ControlToWorker(decoding: bytes)
    }
  }

  @Test("A roster of five thousand fits one control frame; one of ten thousand is not sent")
  func rosters() throws {
    func roster(_ count: Int) -> ControlToWorker {
      let adverts = (0..<count).map {
        Values.advert(WorkerID(unchecked: "worker-\($0)"), seed: UInt8(truncatingIfNeeded: $0))
      }
      return .round(.roster(Values.attempt, RosterMessage(adverts: adverts, signature: Values.signature(1))))
    }
    let header = try roster(5000).encoded()
    #expect(header.count < 1 << 20)
    #expect(try ControlToWorker(decoding: header) == roster(5000))
    do throws(WireError) {
      _ = try roster(10_000).encoded()
      Issue.record("two megabytes were sent")
    } catch {
      guard case .tooLarge(let count, 1_048_576) = error else {
        Issue.record(error)
        return
      }
      #expect(count > 1_048_576)
    }
  }

  @Test("Adverts that answer another offer than the first one keep their own reference")
  func foreignOffer() throws {
    let roster = RosterMessage(
      adverts: [
        Values.advert("a", seed: 1), Values.advert("b", seed: 2, offer: 99), Values.advert("c", seed: 3),
      ], signature: Values.signature(1))
    let message = ControlToWorker.round(.roster(Values.attempt, roster))
    #expect(try ControlToWorker(decoding: message.encoded()) == message)
  }

  @Test("A megabyte of empty sub-messages runs out of budget, not of memory")
  func emptyAdverts() {
    // Envelope 1, body 21 (Roster) with adverts (field 2) of no bytes.
    let adverts = [UInt8](repeatElement([0x12, 0x00], count: 500_000).joined())
    let bytes = [0x08, 0x01] + prefixed(tag: [0xAA, 0x01], adverts)
    #expect(throws: WireError.overBudget) { try ControlToWorker(decoding: bytes) }
  }

  @Test("A bulk header cannot name more vectors than memory was set aside for")
  func emptyVectors() {
    let vectors = [UInt8](repeatElement([0x22, 0x00], count: 20_000).joined())
    let bytes = [0x08, 0x01] + prefixed(tag: [0xFA, 0x03], vectors)
    #expect(throws: WireError.overBudget) { try BulkToCoordinator(decoding: bytes) }
  }

  @Test("The arena stops at its bytes and at its pieces")
  func arena() {
    let small = MessageArena(bytesMax: 1024, piecesMax: 100)
    #expect(small.allocate(1009) == nil)
    #expect(small.isExhausted)
    #expect(small.allocate(512) != nil)
    #expect(small.allocate(512) == nil)

    let few = MessageArena(bytesMax: 1 << 20, piecesMax: 3)
    let pieces = (0..<3).map { few.allocate(1 + 2000 * $0) }
    #expect(pieces.allSatisfy { $0.map { UInt(bitPattern: $0) % 16 == 0 } ?? false })
    #expect(!few.isExhausted)
    #expect(few.allocate(0) == nil)
    #expect(few.isExhausted)
  }

  @Test("A text for people is cut at a whole character and loses its NULs")
  func prose() throws {
    let long = "a\0" + String(repeating: "ü", count: 600)
    let sent = ControlToCoordinator.round(.decline(Values.attempt, .policy, detail: long))
    let read = try ControlToCoordinator(decoding: sent.encoded())
    #expect(read == .round(.decline(Values.attempt, .policy, detail: "a" + String(repeating: "ü", count: 511))))
  }

  @Test("A greeting carries its sender's version in the envelope")
  func greeting() throws {
    let hello = Hello(version: ProtocolVersion(major: 1, minor: 7), session: SessionID(1), software: "x", threads: 1)
    let header = try ControlToCoordinator.hello(hello).encoded()
    let received = try ControlToCoordinator.receive(header)
    #expect(received.message == .hello(hello))
    #expect(received.version == ProtocolVersion(major: 1, minor: 7))
  }

  @Test("A body of a later minor version is named by its number")
  func laterBody() {
    #expect(throws: WireError.unknownBody(number: 999)) {
      try ControlToWorker(decoding: [0x08, 0x01] + prefixed(tag: [0xBA, 0x3E], [1, 2, 3]))
    }
    #expect(throws: WireError.unknownBody(number: 0)) { try ControlToWorker(decoding: [0x08, 0x01]) }
  }

  /// A length-delimited field.
  private func prefixed(tag: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
    var length: [UInt8] = []
    var rest = bytes.count
    repeat {
      length.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
      rest >>= 7
    } while rest > 0
    return tag + length + bytes
  }
}
