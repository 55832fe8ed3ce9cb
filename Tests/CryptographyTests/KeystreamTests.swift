import Cryptography
import Federation
import Testing

@Suite("Keystream")
struct KeystreamTests {
  private func take(_ stream: Keystream, _ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { out, filled in
      stream.fill(UnsafeMutableRawBufferPointer(out))
      filled = count
    }
  }

  /// Encryptions of the blocks 0 and 1 under the zero key: test cases 1 and 13 of the GCM specification.
  @Test(
    "The stream is the encryption of the block numbers, from 0",
    arguments: [
      (16, "66e94bd4ef8a2c3b884cfa59ca342b2e58e2fccefa7e3061367f1d57a4e7455a"),
      (32, "dc95c078a2408989ad48a21492842087530f8afbc74536b9a963b4f1c4cb738b"),
    ])
  func firstBlocks(_ keyByteCount: Int, _ blocks: String) {
    let stream = Keystream(key: SecretBytes(copying: Array(repeating: 0, count: keyByteCount)))
    #expect(take(stream, 32).hex == blocks)
  }

  @Test("Pieces of any size join to the same stream", arguments: [1, 3, 15, 16, 17, 4096, 16_384, 16_385, 65_536])
  func pieces(_ size: Int) {
    let key = SecretBytes(copying: Array(repeating: 5, count: 16))
    let whole = take(Keystream(key: key), 70_000)
    let stream = Keystream(key: key)
    var joined: [UInt8] = []
    while joined.count < 70_000 { joined += take(stream, min(size, 70_000 - joined.count)) }
    #expect(joined == whole)
  }

  @Test("Seeking to a byte gives what reading up to it gives", arguments: [0, 1, 16, 31, 32, 999, 40_000])
  func seeking(_ offset: Int) {
    let key = SecretBytes(copying: Array(repeating: 6, count: 32))
    let whole = take(Keystream(key: key), 40_100)
    let stream = Keystream(key: key)
    _ = take(stream, 77)
    stream.seek(toByte: offset)
    #expect(take(stream, 100) == Array(whole[offset..<offset + 100]))
  }

  @Test("The counter carries beyond 32 bits")
  func carries() {
    let key = SecretBytes(copying: Array(repeating: 8, count: 16))
    let stream = Keystream(key: key)
    stream.seek(toByte: 1 << 36 - 16)
    let across = take(stream, 48)
    stream.seek(toByte: 1 << 36)
    #expect(take(stream, 32) == Array(across[16...]))
    stream.seek(toByte: 0)
    #expect(take(stream, 32) != Array(across[16...]))
  }
}
