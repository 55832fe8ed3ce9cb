import Federation
import Rounds
import SecureAggregation
import Testing
import Transfer

@Suite("An upload at the worker")
struct UploadWorkTests {
  private static let start = MonotonicTime(nanoseconds: 0)
  private static let deadline = start + .seconds(60)

  /// A plain upload of two chunks: one of the update, one of the auxiliary vector.
  private func source() throws -> UploadSource {
    let cluster = try RoundsCluster(RoundsMembers(count: 4, aggregation: .plain))
    let name = cluster.members.workers[0]
    cluster.uploads = { _, _ in false }
    cluster.start().drain()
    let orders = (cluster.workerActions[name] ?? []).compactMap { (action) -> WorkerStateMachine.UploadOrder? in
      if case .upload(let order) = action { order } else { nil }
    }
    return try UploadSource(try #require(orders.first), update: cluster.members.update(of: name, isTraining: true))
  }

  private func granted(_ source: UploadSource, _ first: UInt64, _ count: UInt32) -> UploadSender.Event {
    .granted(UploadGrant(upload: source.upload, firstChunk: first, chunks: count), at: Self.start)
  }

  @Test("Header, chunks and trailer leave in turn, and the trailer signs for the chunks that were made")
  func inOrder() throws {
    let source = try source()
    var work = UploadWork(source, deadline: Self.deadline)
    #expect(work.handle(.started(at: Self.start)) == [.open(source.header)])
    #expect(work.handle(granted(source, 0, 2)) == [.send(0..<2), .close])
    #expect(work.trailer == nil)
    let chunks = (0..<2).map { work.chunk($0) }
    #expect(chunks == (0..<2).map { source.chunk($0).bytes })
    #expect(work.trailer == source.trailer(chunkDigests: (0..<2).map { source.chunk($0).digest }))
    #expect(work.handle(.answered(UploadAnswer(upload: source.upload, refusal: ""))) == [.finished])
    #expect(work.nextDeadline == nil)
  }

  @Test("A chunk granted again is made again, byte for byte; a trailer waits for every chunk")
  func again() throws {
    let source = try source()
    var work = UploadWork(source, deadline: Self.deadline)
    _ = work.handle(.started(at: Self.start))
    #expect(work.handle(granted(source, 1, 1)) == [.send(1..<2), .close])
    let last = work.chunk(1)
    #expect(work.trailer == nil)
    _ = work.handle(.linkLost)
    #expect(work.handle(.linkRestored(at: Self.start)) == [.open(source.header)])
    #expect(work.handle(granted(source, 0, 2)) == [.send(0..<2), .close])
    _ = work.chunk(0)
    #expect(work.chunk(1) == last)
    #expect(work.trailer != nil)
  }

  @Test("Grants and answers of another upload are not for it; a refusal and the deadline end it")
  func ends() throws {
    let source = try source()
    let other = Digest(unchecked: Array(repeating: 9, count: 32))
    var work = UploadWork(source, deadline: Self.deadline)
    _ = work.handle(.started(at: Self.start))
    #expect(work.handle(.granted(UploadGrant(upload: other, firstChunk: 0, chunks: 1), at: Self.start)) == [])
    #expect(work.handle(.answered(UploadAnswer(upload: other, refusal: "no"))) == [])
    var late = work
    #expect(
      work.handle(.answered(UploadAnswer(upload: source.upload, refusal: "no"))) == [
        .failed(reason: "refused(\"no\")")
      ])
    #expect(late.handle(.tick(at: Self.deadline)) == [.failed(reason: "deadline")])
  }
}
