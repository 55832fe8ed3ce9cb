import Federation
import Testing
import Transfer

/// A worker's request for chunks of `blob`; each worker has one link, unless said otherwise.
private func ask(
  _ worker: WorkerID, _ chunk: UInt64, _ count: UInt32, of total: UInt64, link: String? = nil, digest: Digest = blob,
  at time: UInt64 = 0
) -> DownloadPool<String>.Event {
  .asked(
    BlobRequest(digest: digest, offset: chunk * chunkBytes, chunks: count), blobBytes: total, from: worker,
    link: link ?? worker.text, at: seconds(time))
}

private func took(
  _ worker: WorkerID, _ chunk: UInt64, digest: Digest = blob, at time: UInt64 = 0
) -> DownloadPool<String>.Event {
  .acknowledged(
    BlobRequest(digest: digest, offset: chunk * chunkBytes, chunks: 0), from: worker, at: seconds(time))
}

/// Which chunk was sent over which link.
private struct Sent: Hashable {
  let link: String
  let chunk: UInt64

  init(_ link: String, _ chunk: UInt64) {
    self.link = link
    self.chunk = chunk
  }
}

extension DownloadPool<String> {
  /// The chunks that follow an event; every other answer is a failure of the test.
  fileprivate mutating func sent(after event: Event) -> [Sent] {
    let actions = handle(event)
    #expect(checkInvariants() == [])
    return actions.compactMap { action in
      guard case .send(let piece, let link) = action else {
        Issue.record("\(action)")
        return nil
      }
      return Sent(link, piece.chunk.offset / chunkBytes)
    }
  }
}

@Suite("Downloads from the coordinator")
struct DownloadPoolTests {
  func pool(chunks: Int) -> DownloadPool<String> {
    var limits = DownloadPool<String>.Limits()
    limits.poolBytes = chunks * Int(chunkBytes)
    return DownloadPool(limits: limits)
  }

  @Test("A worker alone is sent what it asks for; what it acknowledges is credit again")
  func alone() {
    var pool = pool(chunks: 100)
    let total = 9 * chunkBytes + 1
    #expect(pool.sent(after: ask("a", 0, 8, of: total)) == (0..<8).map { Sent("a", $0) })
    #expect(pool.bytesUnderWay == 8 * Int(chunkBytes))
    // Who asks for the ninth chunk with a window of eight has the first.
    #expect(pool.sent(after: ask("a", 8, 1, of: total)) == [Sent("a", 8)])
    #expect(pool.sent(after: ask("a", 9, 1, of: total)) == [Sent("a", 9)])
    #expect(pool.bytesUnderWay == 7 * Int(chunkBytes) + 1)
    #expect(pool.sent(after: took("a", 8)) == [])
    #expect(pool.bytesUnderWay == 1 && !pool.isWanted(blob))
    #expect(pool.sent(after: took("a", 9)) == [])
    #expect(pool.bytesUnderWay == 0 && pool.nextDeadline == nil)
  }

  @Test("All downloads together have no more on their way than the pool holds, and each its turn")
  func turns() {
    var pool = pool(chunks: 3)
    let total = 4 * chunkBytes
    #expect(pool.sent(after: ask("a", 0, 4, of: total)) == [0, 1, 2].map { Sent("a", $0) })
    #expect(pool.sent(after: ask("b", 0, 4, of: total)) == [])
    #expect(pool.sent(after: ask("c", 0, 4, of: total)) == [])
    #expect(pool.waitingCount == 2 && pool.bytesUnderWay == 3 * Int(chunkBytes))
    // Its turn is over before its share: the others are sent one chunk each before it is sent another.
    #expect(pool.sent(after: took("a", 0)) == [Sent("b", 0)])
    #expect(pool.sent(after: took("a", 1)) == [Sent("c", 0)])
    #expect(pool.sent(after: took("b", 0)) == [Sent("b", 1)])
    #expect(pool.sent(after: took("a", 2)) == [Sent("a", 3)])
  }

  @Test("A worker that takes its credit and acknowledges nothing gives it up after ten seconds")
  func silent() {
    var pool = pool(chunks: 2)
    #expect(pool.sent(after: ask("silent", 0, 8, of: 8 * chunkBytes)).count == 2)
    #expect(pool.sent(after: ask("b", 0, 1, of: chunkBytes, at: 1)) == [])
    #expect(pool.nextDeadline == seconds(10))
    #expect(pool.sent(after: .tick(at: seconds(9))) == [])
    // What it still wants comes behind the other's turn, and within the share of two.
    #expect(pool.sent(after: .tick(at: seconds(10))) == [Sent("b", 0), Sent("silent", 2)])
    #expect(pool.stalls == 1)
    #expect(pool.sent(after: took("b", 0, at: 11)) == [])
    #expect(pool.bytesUnderWay == Int(chunkBytes))
  }

  @Test("Credit of a link that is lost comes back at once, and the worker goes on over another from where it was")
  func lost() {
    var pool = pool(chunks: 1)
    let total = 3 * chunkBytes
    #expect(pool.sent(after: ask("a", 0, 3, of: total)) == [Sent("a", 0)])
    #expect(pool.sent(after: ask("b", 0, 1, of: chunkBytes)) == [])
    #expect(pool.sent(after: .lost("a", at: seconds(1))) == [Sent("b", 0)])
    #expect(pool.sent(after: ask("a", 1, 2, of: total, link: "again", at: 2)) == [])
    #expect(pool.sent(after: took("b", 0, at: 2)) == [Sent("again", 1)])
    // Another link without a word of the one before.
    #expect(pool.sent(after: ask("a", 1, 2, of: total, link: "third", at: 3)) == [Sent("third", 1)])
  }

  @Test("A worker that asks again while a chunk is on its way is not sent it twice; one that was lost comes again")
  func askedAgain() {
    var pool = pool(chunks: 2)
    let total = 4 * chunkBytes
    #expect(pool.sent(after: ask("a", 0, 4, of: total)) == [Sent("a", 0), Sent("a", 1)])
    #expect(pool.sent(after: ask("a", 0, 4, of: total, at: 1)) == [])
    #expect(pool.sent(after: took("a", 0, at: 2)) == [Sent("a", 2)])
    #expect(pool.sent(after: .tick(at: seconds(12))) == [Sent("a", 3)])
    #expect(pool.sent(after: ask("a", 1, 3, of: total, at: 14)) == [Sent("a", 1)])
  }

  @Test("What a worker asks for next takes the place of what is left; with its first chunk all before it has arrived")
  func nextBlob() {
    var pool = pool(chunks: 3)
    let total = 8 * chunkBytes
    #expect(pool.sent(after: ask("a", 0, 8, of: total)).count == 3)
    #expect(pool.sent(after: ask("a", 0, 2, of: total, digest: otherBlob)) == [])
    #expect(!pool.isWanted(blob) && pool.isWanted(otherBlob))
    #expect(pool.sent(after: took("a", 0)) == [Sent("a", 0)])
    #expect(pool.sent(after: took("a", 0, digest: otherBlob)) == [Sent("a", 1)])
    #expect(pool.bytesUnderWay == Int(chunkBytes))
  }

  @Test("A small blob takes no credit and needs no acknowledgement")
  func smallBlobs() {
    var pool = pool(chunks: 1)
    #expect(pool.sent(after: ask("a", 0, 8, of: chunkBytes)) == [Sent("a", 0)])
    #expect(pool.sent(after: ask("b", 0, 1, of: TransferLimits.uncreditedBlobBytes)) == [Sent("b", 0)])
    #expect(pool.bytesUnderWay == Int(chunkBytes) && pool.waitingCount == 0)
    #expect(pool.sent(after: ask("b", 0, 1, of: TransferLimits.uncreditedBlobBytes + 1)) == [])
    #expect(pool.waitingCount == 1)
  }

  @Test("What breaks the protocol takes no credit, and a blob that is not there is said to be missing")
  func refusals() {
    var pool = pool(chunks: 1)
    #expect(pool.handle(ask("a", 0, 9, of: chunkBytes)) == [.ignored(.badCount, from: "a")])
    #expect(pool.handle(ask("a", 1, 1, of: chunkBytes)) == [.ignored(.badOffset, from: "a")])
    let between = BlobRequest(digest: blob, offset: 1, chunks: 0)
    #expect(
      pool.handle(.acknowledged(between, from: "a", at: seconds(0))) == [.ignored(.badOffset, from: "a")])
    let missing = BlobRequest(digest: blob, offset: 0, chunks: 1)
    #expect(
      pool.handle(.asked(missing, blobBytes: nil, from: "a", link: "a", at: seconds(0)))
        == [.unavailable(BlobUnavailable(digest: blob), to: "a")])
    #expect(pool.bytesUnderWay == 0 && pool.checkInvariants() == [])
  }

  /// A worker that keeps to the protocol, dies in the middle, or is slow, and what is on its way to it.
  private struct Receiver {
    var download: BlobDownload
    var arriving: [BlobService.Piece] = []
    var life = 0
    var isDead = false
    var isFinished = false
  }

  @Test(
    "Beside workers that die, are slow or lose their link, everyone else's download ends", arguments: UInt64(0)..<60)
  func nobodyStarves(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var pool = pool(chunks: Int.random(in: 1...6, using: &random))
    let workers = (0..<Int.random(in: 1...9, using: &random)).map { WorkerID(unchecked: "w\($0)") }
    var receivers: [WorkerID: Receiver] = [:]
    var totals: [WorkerID: UInt64] = [:]
    var now: UInt64 = 0

    func carry(_ actions: [DownloadPool<String>.Action]) {
      #expect(pool.checkInvariants() == [], "seed \(seed)")
      for action in actions {
        guard case .send(let piece, let link) = action else {
          Issue.record("seed \(seed): \(action)")
          continue
        }
        let worker = WorkerID(unchecked: String(link.prefix { $0 != "/" }))
        guard let receiver = receivers[worker], link == "\(worker)/\(receiver.life)", !receiver.isDead else { continue }
        receivers[worker]?.arriving.append(piece)
      }
    }
    func carry(_ actions: [BlobDownload.Action], of worker: WorkerID) {
      for action in actions {
        switch action {
        case .request(let request) where request.chunks == 0:
          carry(pool.handle(.acknowledged(request, from: worker, at: seconds(now))))
        case .request(let request):
          carry(
            pool.handle(
              .asked(
                request, blobBytes: totals[worker], from: worker, link: "\(worker)/\(receivers[worker]?.life ?? 0)",
                at: seconds(now))))
        case .verify: carry(receivers[worker]?.download.handle(.verified(true, at: seconds(now))) ?? [], of: worker)
        case .finished: receivers[worker]?.isFinished = true
        case .write: break
        case .failed(let failure): Issue.record("seed \(seed): \(worker) failed: \(failure)")
        }
      }
    }

    for worker in workers {
      totals[worker] = UInt64.random(in: TransferLimits.uncreditedBlobBytes + 1...20 * chunkBytes, using: &random)
      receivers[worker] = Receiver(download: BlobDownload(digest: blob, byteCount: totals[worker] ?? 0))
      carry(receivers[worker]?.download.handle(.started(at: seconds(0))) ?? [], of: worker)
    }
    let dead = Set(workers.dropFirst().filter { _ in Int.random(in: 0..<3, using: &random) == 0 })
    let slow = Set(workers.filter { _ in Int.random(in: 0..<4, using: &random) == 0 })
    while now < 2000, receivers.contains(where: { !$0.value.isFinished && !$0.value.isDead }) {
      now += 1
      for worker in workers where receivers[worker]?.isDead == false {
        if dead.contains(worker), Int.random(in: 0..<6, using: &random) == 0 {
          receivers[worker]?.isDead = true
          if Bool.random(using: &random) { carry(pool.handle(.lost(worker, at: seconds(now)))) }
          continue
        }
        if now < 200, Int.random(in: 0..<20, using: &random) == 0 {
          receivers[worker]?.life += 1
          receivers[worker]?.arriving = []
          _ = receivers[worker]?.download.handle(.linkLost)
          carry(receivers[worker]?.download.handle(.linkRestored(at: seconds(now))) ?? [], of: worker)
        }
        let turns = slow.contains(worker) ? (now % 7 == 0 ? 1 : 0) : 4
        for _ in 0..<turns {
          guard let piece = receivers[worker]?.arriving.first else { break }
          receivers[worker]?.arriving.removeFirst()
          if now < 200, Int.random(in: 0..<20, using: &random) == 0 { continue }
          carry(
            receivers[worker]?.download.handle(
              .chunkReceived(piece.chunk, byteCount: piece.byteCount, at: seconds(now))) ?? [], of: worker)
        }
        if let due = receivers[worker]?.download.nextDeadline, due <= seconds(now) {
          carry(receivers[worker]?.download.handle(.tick(at: seconds(now))) ?? [], of: worker)
        }
      }
      carry(pool.handle(.tick(at: seconds(now))))
    }
    let left = receivers.filter { !$0.value.isFinished && !$0.value.isDead }.keys.sorted()
    #expect(left.isEmpty, "seed \(seed): \(left)")
  }
}
