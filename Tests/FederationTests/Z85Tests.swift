import Federation
import Testing

@Suite("Z85")
struct Z85Tests {
  @Test("The test vector of RFC 32 encodes and decodes")
  func knownAnswer() {
    let bytes: [UInt8] = [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B]
    #expect(Z85.encode(bytes) == "HelloWorld")
    #expect(Z85.decode("HelloWorld") == bytes)
  }

  @Test("Every 32-byte value of a sweep comes back", arguments: [0, 1, 84, 85, 127, 254, 255] as [UInt8])
  func roundTrip(byte: UInt8) {
    let bytes = (0..<32).map { byte &+ UInt8($0) }
    #expect(Z85.decode(Z85.encode(bytes)) == bytes)
  }

  @Test(
    "What is not Z85 is refused",
    arguments: [
      "Hello Worl",  // A space is not in the alphabet.
      "HelloWorl",  // Not whole groups.
      "#####",  // A group of 2^32 or more.
      "%nSc1",  // 2^32 exactly, one above the largest group "%nSc0".
      "Hellö5678",  // Not ASCII.
    ])
  func refuses(text: String) {
    #expect(Z85.decode(text) == nil)
  }

  @Test("The largest group decodes")
  func largestGroup() {
    #expect(Z85.decode("%nSc0") == [255, 255, 255, 255])
  }
}
