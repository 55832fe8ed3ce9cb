import Federation
import CFederationMessages
import Membership
import Testing

@testable import Wire

@Suite("Every message of every socket")
struct EveryMessageTests {
  @Test("A message that was sent is the message that is received", arguments: Sample.all)
  func survives(_ sample: Sample) throws {
    #expect(try sample.isRead(sample.header))
  }

  @Test("Every body of the schema is among the samples of this suite")
  func samplesAreComplete() throws {
    let bodies = try Set(Sample.all.map { try body(of: $0.header) })
    let fields = UnsafeBufferPointer(
      start: murmur__envelope__descriptor.fields, count: Int(murmur__envelope__descriptor.n_fields))
    #expect(bodies == Set(fields.map(\.id)).subtracting([1, 2, 3]))
  }

  @Test("A frame cut short anywhere is refused", arguments: Sample.all)
  func truncated(_ sample: Sample) {
    for count in 0..<sample.header.count {
      #expect(throws: WireError.self, "cut after \(count) bytes") { try sample.isRead(Array(sample.header[..<count])) }
    }
  }

  @Test("A frame with one changed byte is read or refused", arguments: Sample.all)
  func mutated(_ sample: Sample) throws {
    var random = SeededGenerator(seed: 0x5EED ^ UInt64(sample.header.count))
    var outcomes = (read: 0, refused: 0)
    for _ in 0..<400 {
      var bytes = sample.header
      let position = Int.random(in: 0..<bytes.count, using: &random)
      bytes[position] ^= UInt8.random(in: 1...255, using: &random)
      do throws(WireError) {
        _ = try sample.recode(bytes, sample.payloadBytes)
        outcomes.read += 1
      } catch {
        outcomes.refused += 1
      }
    }
    #expect(outcomes.read + outcomes.refused == 400)
    #expect(outcomes.refused > 0)
  }

  @Test("Random bytes are refused by every socket", arguments: Sample.all)
  func random(_ sample: Sample) {
    var random = SeededGenerator(seed: 0xBAD5EED)
    for _ in 0..<200 {
      let bytes = (0..<Int.random(in: 1...300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      #expect(throws: WireError.self) { try sample.recode(bytes, sample.payloadBytes) }
    }
  }

  @Test("Another major version is refused, whatever the rest says", arguments: Sample.all)
  func otherMajor(_ sample: Sample) throws {
    var bytes = sample.header
    try #require(Array(bytes[..<2]) == [0x08, 0x01])
    bytes[1] = 2
    #expect(throws: WireError.unsupportedVersion(major: 2)) { try sample.isRead(bytes) }
  }

  @Test("A later minor version and its new fields are accepted", arguments: Sample.all)
  func laterMinor(_ sample: Sample) throws {
    // protocol_minor = 9 and a field 1000 that has no meaning yet; what is read is written without them.
    let later = sample.header + [0x10, 0x09] + [0xC0, 0x3E, 0x2A]
    let again = try sample.recode(later, sample.payloadBytes)
    let version = ProtocolVersion.current
    #expect(again == sample.header || again.count == sample.header.count + 2 && version.minor == 0)
  }

  @Test("A payload frame is there exactly when the header says so", arguments: Sample.all)
  func payload(_ sample: Sample) {
    let wrong: [Int?] = if let count = sample.payloadBytes { [nil, count + 1] } else { [0, 1] }
    for payload in wrong {
      do throws(WireError) {
        _ = try sample.recode(sample.header, payload)
        Issue.record("a payload of \(payload.map(String.init) ?? "no") bytes was accepted")
      } catch {
        guard case .badField("payload", _, _) = error else {
          Issue.record(error)
          continue
        }
      }
    }
  }

  @Test("A message of one socket is refused by the sockets that do not carry it")
  func otherSockets() throws {
    // Bodies that two sockets or both directions share.
    let shared: Set<UInt32> = [12, 14, 15, 60, 61, 62]
    var refused = 0
    for sample in Sample.all {
      let number = try body(of: sample.header)
      for other in Sample.all where try body(of: other.header) != number && !shared.contains(number) {
        guard other.testDescription.prefix(while: { $0 != "." }) != sample.testDescription.prefix(while: { $0 != "." })
        else { continue }
        do throws(WireError) {
          _ = try other.recode(sample.header, sample.payloadBytes)
          Issue.record("\(sample) was read as \(other)")
        } catch {
          // A large message does not even unpack within the budget of a socket for small ones.
          #expect(error == .unknownBody(number: number) || error == .overBudget, "\(sample)")
        }
        refused += 1
      }
    }
    #expect(refused > 1000)
  }

  /// The number of the envelope's body.
  private func body(of header: [UInt8]) throws -> UInt32 {
    let limits = FrameLimits(
      headerBytesMax: .max, payloadBytesMax: 0, unpackedBytesMax: .max, allocationsMax: .max)
    return try EnvelopeView(header.span.bytes, limits: limits).read { envelope throws(WireError) in
      UInt32(envelope.body_case.rawValue)
    }
  }
}
