import Federation
import Testing
import Transfer
import ZeroMQ

@testable import ClusterRuntime

@Suite("Blobs at hand")
struct BlobShelfTests {
  private static func digest(_ number: Int) -> Digest {
    Digest(unchecked: (0..<32).map { $0 < 4 ? UInt8(truncatingIfNeeded: number >> (8 * $0)) : 0 })
  }

  private static func time(_ milliseconds: Int) -> MonotonicTime {
    MonotonicTime(nanoseconds: UInt64(milliseconds) * 1_000_000)
  }

  /// Counts what is read from disk.
  private final class Store {
    private(set) var reads = 0

    func read(_ digest: Digest) -> [UInt8]? {
      reads += 1
      return Array(digest.bytes)
    }
  }

  @Test("Of the versions of ten thousand quick rounds only those of the last seconds are kept")
  func flat() {
    var shelf = BlobShelf()
    let store = Store()
    var most = 0
    for round in 0..<10_000 {
      for _ in 0..<8 {
        _ = shelf.answer(
          BlobRequest(digest: Self.digest(round), offset: 0, chunks: 1), at: Self.time(50 * round), read: store.read)
      }
      most = max(most, shelf.count)
    }
    #expect(store.reads == 10_000)
    #expect(most <= 81)
    shelf.age(at: Self.time(50 * 10_000 + 5000))
    #expect(shelf.count == 0)
  }

  @Test("What is asked for again is read once, and what is held stays until it is released")
  func kept() {
    var shelf = BlobShelf()
    let store = Store(), first = Self.digest(1), other = Self.digest(2)
    #expect(shelf.hold(first, at: Self.time(0), read: store.read) == 32)
    for second in 0..<60 {
      _ = shelf.answer(
        BlobRequest(digest: other, offset: 0, chunks: 1), at: Self.time(1000 * second), read: store.read)
    }
    let piece = BlobService.Piece(chunk: BlobChunk(digest: first, offset: 0, totalBytes: 32), byteCount: 32)
    #expect(shelf.frame(of: piece, read: store.read)?.array == Array(first.bytes))
    #expect(store.reads == 2)
    shelf.release { $0 == first }
    shelf.age(at: Self.time(70_000))
    #expect(shelf.count == 0)
    _ = shelf.answer(BlobRequest(digest: other, offset: 0, chunks: 1), at: Self.time(70_000), read: store.read)
    #expect(store.reads == 3)
  }

  @Test("An acknowledgement reads nothing")
  func acknowledgement() {
    var shelf = BlobShelf()
    let store = Store()
    _ = shelf.answer(BlobRequest(digest: Self.digest(1), offset: 0, chunks: 0), at: Self.time(0), read: store.read)
    #expect(store.reads == 0)
  }
}
