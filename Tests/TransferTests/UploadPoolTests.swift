import Federation
import Testing
import Transfer

let attempt = Digest(unchecked: Array(repeating: 1, count: 32))

func key(_ worker: WorkerID, _ upload: Digest = attempt) -> UploadKey { UploadKey(upload: upload, worker: worker) }

/// `chunks` chunks of eight bytes, the last of four.
func shape(_ chunks: UInt64) throws -> UploadShape {
  try #require(UploadShape([.init(elementCount: 2 * chunks - 1, elementBytes: 4, chunkElements: 2)]))
}

func grant(_ worker: WorkerID, _ first: UInt64, _ chunks: UInt32) -> UploadPool.Action {
  .grant(key(worker), UploadGrant(upload: attempt, firstChunk: first, chunks: chunks))
}

extension UploadPool {
  mutating func open(_ worker: WorkerID, chunks: UInt64, at time: UInt64 = 0) throws -> [Action] {
    handle(.opened(key(worker), try shape(chunks), at: seconds(time)))
  }

  mutating func receive(
    _ worker: WorkerID, _ number: UInt64, bytes: Int = 8, at time: UInt64 = 0
  ) -> [Action] {
    handle(.chunkReceived(key(worker), number: number, byteCount: bytes, at: seconds(time)))
  }

  func delivery(_ worker: WorkerID, _ number: UInt64, chunks: UInt64) throws -> Action {
    .deliver(key(worker), number: number, try #require(try shape(chunks).piece(number)))
  }
}

@Suite("Uploads at the coordinator")
struct UploadPoolTests {
  func pool(uploads: Int = 16, poolBytes: Int = 1 << 20, window: UInt32 = 4) -> UploadPool {
    var limits = UploadPool.Limits()
    (limits.uploadsAtOnce, limits.poolBytes, limits.window) = (uploads, poolBytes, window)
    return UploadPool(limits: limits)
  }

  @Test("An upload is granted a window, then half a window each time half of it has come, and ends with its trailer")
  func oneUpload() throws {
    var pool = pool()
    #expect(try pool.open("a", chunks: 7) == [grant("a", 0, 4)])
    #expect(try pool.receive("a", 0) == [pool.delivery("a", 0, chunks: 7)])
    #expect(try pool.receive("a", 1) == [pool.delivery("a", 1, chunks: 7), grant("a", 4, 2)])
    _ = pool.receive("a", 2)
    #expect(try pool.receive("a", 3) == [pool.delivery("a", 3, chunks: 7), grant("a", 6, 1)])
    _ = pool.receive("a", 4)
    _ = pool.receive("a", 5)
    #expect(try pool.receive("a", 6, bytes: 4) == [pool.delivery("a", 6, chunks: 7)])
    #expect(pool.outstandingBytes == 0 && pool.activeCount == 0)
    #expect(pool.handle(.closed(key("a"), at: seconds(1))) == [.finished(key("a"))])
    #expect(pool.handle(.closed(key("a"), at: seconds(2))) == [.repeatAnswer(key("a"))])
    #expect(try pool.open("a", chunks: 7) == [.repeatAnswer(key("a"))])
  }

  @Test("A seventeenth upload waits until one of sixteen is delivered, in the order of arrival")
  func slots() throws {
    var pool = UploadPool()
    let workers = (1...18).map { WorkerID(unchecked: "w\($0)") }
    for (index, worker) in workers.enumerated() {
      #expect(try pool.open(worker, chunks: 1) == (index < 16 ? [grant(worker, 0, 1)] : []))
    }
    #expect(try pool.open(workers[17], chunks: 1) == [])
    let delivered = pool.receive(workers[3], 0, bytes: 4)
    #expect(delivered.last == grant(workers[16], 0, 1))
    #expect(pool.waitingCount == 1)
  }

  @Test("An upload that is withdrawn gives back slot and credit, and starts from nothing when it opens again")
  func withdrawn() throws {
    var pool = pool(uploads: 1)
    #expect(try pool.open("a", chunks: 3) == [grant("a", 0, 3)])
    _ = pool.receive("a", 0)
    #expect(try pool.open("b", chunks: 1) == [])
    #expect(pool.handle(.withdrawn(key("a"), at: seconds(0))) == [grant("b", 0, 1)])
    #expect(pool.receive("a", 1) == [.refuseChunk(key("a"), number: 1, .notOpen)])
    #expect(try pool.open("a", chunks: 3) == [])
    #expect(pool.handle(.withdrawn(key("b"), at: seconds(0))) == [grant("a", 0, 3)])
    #expect(pool.checkInvariants() == [])
  }

  @Test("Credit over all uploads never exceeds the pool, and what comes back is granted on")
  func poolCredit() throws {
    var pool = pool(poolBytes: 5 * 8)
    #expect(try pool.open("a", chunks: 9) == [grant("a", 0, 4)])
    #expect(try pool.open("b", chunks: 9) == [grant("b", 0, 1)])
    #expect(try pool.open("c", chunks: 9) == [])
    #expect(pool.outstandingBytes == 40)
    #expect(try pool.receive("b", 0) == [pool.delivery("b", 0, chunks: 9), grant("b", 1, 1)])
    #expect(pool.handle(.lost("a", at: seconds(0))) == [grant("b", 2, 3), grant("c", 0, 1)])
    #expect(pool.checkInvariants() == [])
  }

  @Test("A chunk is delivered once; without credit, without an upload or past the end it is refused and counted")
  func refusedChunks() throws {
    var pool = pool()
    _ = try pool.open("a", chunks: 3)
    #expect(try pool.receive("a", 1) == [pool.delivery("a", 1, chunks: 3)])
    #expect(pool.receive("a", 1) == [.ignoreDuplicate(key("a"), number: 1)])
    #expect(pool.receive("a", 3) == [.refuseChunk(key("a"), number: 3, .outsideGrant)])
    #expect(pool.receive("a", .max) == [.refuseChunk(key("a"), number: .max, .outsideGrant)])
    #expect(pool.receive("b", 0) == [.refuseChunk(key("b"), number: 0, .notOpen)])
    _ = try pool.open("c", chunks: 9)
    #expect(pool.receive("c", 4) == [.refuseChunk(key("c"), number: 4, .outsideGrant)])
    #expect(pool.refusedChunks == 4 && pool.duplicateChunks == 1)
  }

  @Test("A re-opened upload goes on from the first missing chunk")
  func resumes() throws {
    var pool = pool()
    _ = try pool.open("a", chunks: 9)
    _ = pool.receive("a", 0)
    _ = pool.receive("a", 2)
    #expect(pool.handle(.lost("a", at: seconds(1))) == [])
    #expect(pool.receive("a", 1) == [.refuseChunk(key("a"), number: 1, .outsideGrant)])
    #expect(try pool.open("a", chunks: 9) == [grant("a", 1, 4)])
    #expect(pool.receive("a", 2) == [.ignoreDuplicate(key("a"), number: 2)])
    #expect(try pool.receive("a", 1) == [pool.delivery("a", 1, chunks: 9), grant("a", 5, 2)])
    #expect(try pool.open("a", chunks: 9) == [grant("a", 3, 4)])
  }

  @Test("When nothing but the trailer is missing, opening again grants the last chunk, which it follows")
  func missingTrailer() throws {
    var pool = pool()
    _ = try pool.open("a", chunks: 1)
    _ = pool.receive("a", 0, bytes: 4)
    #expect(try pool.open("a", chunks: 1) == [grant("a", 0, 1)])
    #expect(pool.receive("a", 0, bytes: 4) == [.ignoreDuplicate(key("a"), number: 0)])
    #expect(pool.handle(.closed(key("a"), at: seconds(1))) == [.finished(key("a"))])
  }

  @Test("A trailer that comes too early asks for what is missing")
  func earlyTrailer() throws {
    var pool = pool()
    _ = try pool.open("a", chunks: 3)
    _ = pool.receive("a", 0)
    #expect(pool.handle(.closed(key("a"), at: seconds(0))) == [grant("a", 1, 2)])
    #expect(pool.handle(.closed(key("b"), at: seconds(0))) == [.refuse(key("b"), .unknown)])
  }

  @Test("An upload that changes shape or cuts a chunk short is refused, and stays refused")
  func refusedUploads() throws {
    var pool = pool(uploads: 1)
    _ = try pool.open("a", chunks: 3)
    _ = try pool.open("b", chunks: 3)
    #expect(pool.receive("a", 0, bytes: 7) == [.refuse(key("a"), .wrongChunkLength), grant("b", 0, 3)])
    #expect(try pool.open("a", chunks: 3) == [.refuse(key("a"), .wrongChunkLength)])
    #expect(pool.receive("a", 0) == [.refuseChunk(key("a"), number: 0, .notOpen)])
    #expect(try pool.open("b", chunks: 4) == [.refuse(key("b"), .shapeChanged)])
    #expect(pool.activeCount == 0 && pool.outstandingBytes == 0)
  }

  @Test("There is a bound on the uploads that are known, and on a chunk")
  func bounds() throws {
    var limits = UploadPool.Limits()
    (limits.uploadsMax, limits.poolBytes) = (1, 7)
    var pool = UploadPool(limits: limits)
    #expect(try pool.open("a", chunks: 2) == [.refuse(key("a"), .chunkTooLong)])
    #expect(try pool.open("b", chunks: 1) == [.refuse(key("b"), .tooManyUploads)])
  }

  @Test("An upload that brings nothing gives its slot to one that waits, and gets it back")
  func stalls() throws {
    var pool = pool(uploads: 1)
    _ = try pool.open("a", chunks: 2)
    #expect(pool.nextDeadline == nil)
    _ = try pool.open("b", chunks: 2, at: 3)
    #expect(pool.nextDeadline == seconds(10))
    #expect(pool.handle(.tick(at: seconds(9))) == [])
    #expect(pool.handle(.tick(at: seconds(10))) == [grant("b", 0, 2)])
    #expect(pool.receive("a", 0) == [.refuseChunk(key("a"), number: 0, .outsideGrant)])
    _ = pool.receive("b", 0)
    #expect(pool.receive("b", 1, bytes: 4, at: 11).last == grant("a", 0, 2))
  }

  @Test("The end of an attempt frees what its uploads held, and nothing of another attempt's")
  func cancels() throws {
    var pool = pool(uploads: 1)
    let other = Digest(unchecked: Array(repeating: 2, count: 32))
    _ = try pool.open("a", chunks: 2)
    _ = try pool.open("b", chunks: 2)
    _ = pool.handle(.opened(key("a", other), try shape(1), at: seconds(0)))
    let next = UploadGrant(upload: other, firstChunk: 0, chunks: 1)
    #expect(pool.handle(.cancelled(upload: attempt, at: seconds(1))) == [.grant(key("a", other), next)])
    #expect(pool.receive("b", 0) == [.refuseChunk(key("b"), number: 0, .notOpen)])
  }

  @Test("Chunks are numbered through all vectors in header order")
  func numbering() throws {
    let shape = try #require(
      UploadShape([
        .init(elementCount: 65_537, elementBytes: 4, chunkElements: 65_536),
        .init(elementCount: 7, elementBytes: 8, chunkElements: 32_768),
      ]))
    #expect((shape.totalChunks, shape.totalBytes, shape.chunkBytes) == (3, 262_204, 262_144))
    #expect(
      shape.piece(1) == .init(vector: 0, index: 1, firstElement: 65_536, elementCount: 1, byteCount: 4))
    #expect(shape.piece(2) == .init(vector: 1, index: 0, firstElement: 0, elementCount: 7, byteCount: 56))
    #expect(shape.piece(3) == nil)
  }

  @Test(
    "A shape out of bounds is none",
    arguments: [
      [], [.init(elementCount: 0, elementBytes: 4, chunkElements: 16)],
      [.init(elementCount: 1, elementBytes: 9, chunkElements: 16)],
      [.init(elementCount: 1, elementBytes: 4, chunkElements: 0)],
      [.init(elementCount: 1, elementBytes: 8, chunkElements: 32_769)],
      [.init(elementCount: .max, elementBytes: 8, chunkElements: 16)],
      [.init(elementCount: 1 << 33, elementBytes: 4, chunkElements: 16)],
      Array(repeating: .init(elementCount: 1, elementBytes: 4, chunkElements: 16), count: 9),
    ] as [[UploadShape.Vector]])
  func badShapes(vectors: [UploadShape.Vector]) { #expect(UploadShape(vectors) == nil) }
}
