import Federation
import Testing
import Transfer

func seconds(_ value: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: value * 1_000_000_000) }

let chunkBytes = UInt64(TransferLimits.downloadChunkBytes)
let blob = Digest(unchecked: Array(repeating: 7, count: 32))
let otherBlob = Digest(unchecked: Array(repeating: 8, count: 32))

func request(_ chunk: UInt64, _ count: UInt32) -> BlobDownload.Action {
  .request(BlobRequest(digest: blob, offset: chunk * chunkBytes, chunks: count))
}

/// A chunk of a blob of `total` bytes, as a sender that keeps to the protocol sends it.
func chunk(_ number: UInt64, of total: UInt64, at time: UInt64 = 0) -> BlobDownload.Event {
  .chunkReceived(
    BlobChunk(digest: blob, offset: number * chunkBytes, totalBytes: total),
    byteCount: Int(min(chunkBytes, total - number * chunkBytes)), at: seconds(time))
}

@Suite("Downloads")
struct BlobDownloadTests {
  func started(_ total: UInt64, resumingAt offset: UInt64 = 0) -> BlobDownload {
    var download = BlobDownload(digest: blob, byteCount: total, resumingAt: offset)
    _ = download.handle(.started(at: seconds(0)))
    return download
  }

  @Test("A window is asked for at the start, and one more chunk for each that comes; the last are acknowledged")
  func window() {
    let total = 20 * chunkBytes + 5
    var download = BlobDownload(digest: blob, byteCount: total)
    var log: [BlobDownload.Action] = download.handle(.started(at: seconds(0)))
    for number in 0..<21 as Range<UInt64> { log += download.handle(chunk(number, of: total)) }
    let requests = log.filter { if case .request = $0 { true } else { false } }
    #expect(
      requests == [request(0, 8)] + (8...20).map { request($0, 1) } + (13...20).map { request($0, 0) })
    #expect(log.suffix(3) == [.write(offset: 20 * chunkBytes, byteCount: 5), request(20, 0), .verify])
    #expect(download.handle(.verified(true, at: seconds(1))) == [.finished])
    #expect(download.isEnded && download.nextDeadline == nil)
  }

  @Test("A small blob is not acknowledged", arguments: [(32_768, false), (32_769, true)] as [(UInt64, Bool)])
  func smallBlob(total: UInt64, isAcknowledged: Bool) {
    var download = started(total)
    let write = BlobDownload.Action.write(offset: 0, byteCount: Int(total))
    #expect(download.handle(chunk(0, of: total)) == [write] + (isAcknowledged ? [request(0, 0)] : []) + [.verify])
  }

  @Test("A blob of nothing needs no request, only its digest")
  func empty() {
    var download = BlobDownload(digest: blob, byteCount: 0)
    #expect(download.handle(.started(at: seconds(0))) == [.verify])
    #expect(download.handle(.verified(false, at: seconds(0))) == [.failed(.wrongDigest)])
  }

  @Test("A download resumes at the last whole chunk, and trusts what was there only after the digest")
  func resumes() {
    let total = 3 * chunkBytes
    var download = BlobDownload(digest: blob, byteCount: total, resumingAt: 2 * chunkBytes + 9)
    #expect(download.handle(.started(at: seconds(0))) == [request(2, 1)])
    #expect(
      download.handle(chunk(2, of: total))
        == [.write(offset: 2 * chunkBytes, byteCount: Int(chunkBytes)), request(2, 0), .verify])
    #expect(download.handle(.verified(false, at: seconds(1))) == [request(0, 3)])
    for number in 0..<3 as Range<UInt64> { _ = download.handle(chunk(number, of: total)) }
    #expect(download.handle(.verified(false, at: seconds(2))) == [.failed(.wrongDigest)])
  }

  @Test("Only the next chunk of this blob is written; others are counted")
  func order() {
    let total = 3 * chunkBytes
    var download = started(total)
    #expect(download.handle(chunk(1, of: total)) == [])
    #expect(download.handle(chunk(0, of: total)) == [.write(offset: 0, byteCount: Int(chunkBytes)), request(0, 0)])
    #expect(download.handle(chunk(0, of: total)) == [])
    let foreign = BlobChunk(digest: otherBlob, offset: chunkBytes, totalBytes: 9)
    #expect(download.handle(.chunkReceived(foreign, byteCount: 9, at: seconds(0))) == [])
    #expect(download.ignoredChunks == 3)
    #expect(download.received == chunkBytes)
  }

  @Test(
    "A sender that does not keep to the manifest or the chunk length ends the download",
    arguments: [
      (0, 2 * chunkBytes + 1, Int(chunkBytes), .wrongTotal(expected: 2 * chunkBytes, found: 2 * chunkBytes + 1)),
      (1, 2 * chunkBytes, 9, .wrongOffset(1)),
      (2 * chunkBytes, 2 * chunkBytes, 0, .wrongOffset(2 * chunkBytes)),
      (0, 2 * chunkBytes, 9, .wrongChunkLength(offset: 0, expected: Int(chunkBytes), found: 9)),
    ] as [(UInt64, UInt64, Int, BlobDownload.Failure)])
  func refusals(offset: UInt64, total: UInt64, count: Int, failure: BlobDownload.Failure) {
    var download = started(2 * chunkBytes)
    let bad = BlobChunk(digest: blob, offset: offset, totalBytes: total)
    #expect(download.handle(.chunkReceived(bad, byteCount: count, at: seconds(0))) == [.failed(failure)])
    #expect(download.isEnded)
    #expect(download.handle(chunk(0, of: 2 * chunkBytes)) == [])
  }

  @Test("A blob that is not there, or too large, fails at once; another's absence does not")
  func unavailable() {
    var download = started(chunkBytes)
    #expect(download.handle(.unavailable(BlobUnavailable(digest: otherBlob))) == [])
    #expect(download.handle(.unavailable(BlobUnavailable(digest: blob))) == [.failed(.unavailable)])
    let tooLarge = TransferLimits.transferBytesMax + 1
    var large = BlobDownload(digest: blob, byteCount: tooLarge)
    #expect(large.handle(.started(at: seconds(0))) == [.failed(.tooLarge(tooLarge))])
  }

  @Test("Silence is answered by asking again from the first missing byte, later and later, and ends")
  func silence() {
    let total = 9 * chunkBytes
    var download = started(total)
    _ = download.handle(chunk(0, of: total, at: 3))
    #expect(download.handle(.tick(at: seconds(12))) == [])
    #expect(download.handle(.tick(at: seconds(13))) == [request(1, 8)])
    var moments: [MonotonicTime] = [seconds(13)]
    var last: [BlobDownload.Action] = []
    while let due = download.nextDeadline {
      moments.append(due)
      last = download.handle(.tick(at: due))
    }
    #expect(last == [.failed(.silence)])
    let gaps = zip(moments.dropFirst(), moments).map { $0.since($1) }
    #expect(gaps == [20, 40, 60, 60, 60, 60, 60, 60].map { Duration.seconds($0) })
  }

  @Test("Nothing is asked for while the link is gone; a restored link continues where it was")
  func link() {
    let total = 4 * chunkBytes
    var download = started(total)
    _ = download.handle(chunk(0, of: total))
    #expect(download.handle(.linkLost) == [])
    #expect(download.nextDeadline == nil)
    #expect(download.handle(.tick(at: seconds(500))) == [])
    #expect(download.handle(.linkRestored(at: seconds(501))) == [request(1, 3)])
  }

  @Test("Through loss, repeats and reordering every byte is written once, in order", arguments: UInt64(0)..<200)
  func converges(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let total =
      UInt64.random(in: 1...40, using: &random) * chunkBytes - UInt64.random(in: 0..<chunkBytes, using: &random)
    let resumed = UInt64.random(in: 0...total, using: &random)
    var download = BlobDownload(digest: blob, byteCount: total, resumingAt: resumed)
    var written = resumed >= total ? total : resumed - resumed % chunkBytes
    var flying: [BlobService.Piece] = []
    var now: UInt64 = 0
    var isFinished = false

    func carry(_ actions: [BlobDownload.Action]) {
      for action in actions {
        switch action {
        case .request(let request):
          if now < 300, Int.random(in: 0..<8, using: &random) == 0 { continue }
          guard case .send(let pieces) = BlobService.answer(request, blobBytes: total) else {
            Issue.record("seed \(seed): a request out of bounds: \(request)")
            continue
          }
          flying += pieces
        case .write(let offset, let count):
          #expect(offset == written, "seed \(seed)")
          written += UInt64(count)
        case .verify: carry(download.handle(.verified(true, at: seconds(now))))
        case .finished: isFinished = true
        case .failed(let failure): Issue.record("seed \(seed): \(failure)")
        }
      }
    }

    carry(download.handle(.started(at: seconds(0))))
    while !isFinished, now < 3000 {
      now += 1
      for _ in 0..<3 where !flying.isEmpty {
        let isFaulty = now < 300
        let index = isFaulty ? Int.random(in: 0..<min(3, flying.count), using: &random) : 0
        let piece = isFaulty && Int.random(in: 0..<10, using: &random) == 0 ? flying[index] : flying.remove(at: index)
        if isFaulty, Int.random(in: 0..<8, using: &random) == 0 { continue }
        carry(download.handle(.chunkReceived(piece.chunk, byteCount: piece.byteCount, at: seconds(now))))
        let broken = download.checkInvariants()
        if !broken.isEmpty { Issue.record("seed \(seed): \(broken)") }
      }
      if let due = download.nextDeadline, due <= seconds(now) { carry(download.handle(.tick(at: seconds(now)))) }
    }
    #expect(isFinished && written == total, "seed \(seed)")
  }

  @Test("A request is answered with at most a window of chunks; one out of bounds with nothing")
  func service() {
    func answer(_ offset: UInt64, _ chunks: UInt32, _ bytes: UInt64?) -> BlobService.Answer {
      BlobService.answer(BlobRequest(digest: blob, offset: offset, chunks: chunks), blobBytes: bytes)
    }
    let last = BlobService.Piece(
      chunk: BlobChunk(digest: blob, offset: chunkBytes, totalBytes: chunkBytes + 3), byteCount: 3)
    #expect(answer(chunkBytes, 8, chunkBytes + 3) == .send([last]))
    #expect(answer(0, 1, nil) == .unavailable(BlobUnavailable(digest: blob)))
    for chunks in [9, .max] as [UInt32] { #expect(answer(0, chunks, chunkBytes) == .ignore(.badCount)) }
    #expect(answer(0, 0, chunkBytes) == .send([]) && answer(0, 0, nil) == .send([]))
    #expect(answer(1, 0, chunkBytes) == .ignore(.badOffset))
    #expect(answer(1, 1, chunkBytes) == .ignore(.badOffset))
    #expect(answer(chunkBytes, 1, chunkBytes) == .ignore(.badOffset))
    #expect(answer(0, 1, 0) == .ignore(.badOffset))
    #expect(answer(.max / chunkBytes * chunkBytes, 8, .max) != .ignore(.badOffset))
  }
}
