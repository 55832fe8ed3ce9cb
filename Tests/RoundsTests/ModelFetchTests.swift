import Federation
import Rounds
import SecureAggregation
import Tensors
import Testing
import Transfer

@Suite("Fetching the model of an offer")
struct ModelFetchTests {
  private static let attempt = AttemptID(run: "run", round: 1, attempt: 0)
  private static let f32: UInt8 = 10
  private static let start = MonotonicTime(nanoseconds: 0)

  private static func bytes(_ name: String, count: Int = 4) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0) ^ (name.utf8.first ?? 0) }
  }

  /// A tensor of one row whose blob is made from `content`.
  private static func tensor(_ name: String, content: String? = nil, elements: Int = 1) -> TensorReference {
    TensorReference(
      name: name, dtypeCode: f32, shape: [UInt64(elements)],
      digest: .sha256(of: bytes(content ?? name, count: 4 * elements)), byteCount: UInt64(4 * elements))
  }

  private static func wanted(_ tensors: [TensorReference], attempt: AttemptID = attempt) -> ModelFetch.Event {
    .wanted(attempt, tensors, at: start)
  }

  /// The only chunk of a tensor's blob.
  private static func chunk(_ tensor: TensorReference, offset: UInt64 = 0) -> ModelFetch.Event {
    let count = min(UInt64(TransferLimits.downloadChunkBytes), tensor.byteCount - offset)
    return .chunkReceived(
      BlobChunk(digest: tensor.digest, offset: offset, totalBytes: tensor.byteCount), byteCount: Int(count), at: start)
  }

  private static func request(_ tensor: TensorReference, offset: UInt64 = 0, chunks: UInt32 = 1) -> ModelFetch.Action {
    .request(BlobRequest(digest: tensor.digest, offset: offset, chunks: chunks))
  }

  private static func misfit(_ name: String) -> ModelFetch.Action {
    .unavailable(attempt, reason: "tensor '\(name)' is not what the offer says")
  }

  /// The fetch after a whole model.
  private func holding(_ tensors: [TensorReference]) -> ModelFetch {
    var fetch = ModelFetch()
    _ = fetch.handle(Self.wanted(tensors))
    for tensor in tensors {
      _ = fetch.handle(Self.chunk(tensor))
      _ = fetch.handle(.verified(true, at: Self.start))
    }
    return fetch
  }

  @Test("Blobs come one after the other, each begun, written, verified and kept; then the model is complete")
  func inOrder() {
    let (a, b) = (Self.tensor("a"), Self.tensor("b"))
    var fetch = ModelFetch()
    #expect(fetch.handle(Self.wanted([a, b])) == [.begin, Self.request(a)])
    #expect(fetch.handle(Self.chunk(a)) == [.write, .verify(a.digest)])
    #expect(fetch.handle(.verified(true, at: Self.start)) == [.keep(a.digest), .begin, Self.request(b)])
    #expect(fetch.handle(Self.chunk(b)) == [.write, .verify(b.digest)])
    #expect(
      fetch.handle(.verified(true, at: Self.start)) == [.keep(b.digest), .complete(Self.attempt, [a, b])])
    #expect(fetch.nextDeadline == nil)
    #expect(fetch.checkInvariants() == [])
  }

  @Test("Two tensors of the same digest are one blob")
  func sharedBlob() {
    let (a, b) = (Self.tensor("a", content: "x"), Self.tensor("b", content: "x"))
    var fetch = ModelFetch()
    #expect(fetch.handle(Self.wanted([a, b])) == [.begin, Self.request(a)])
    _ = fetch.handle(Self.chunk(a))
    #expect(
      fetch.handle(.verified(true, at: Self.start)) == [.keep(a.digest), .complete(Self.attempt, [a, b])])
  }

  @Test("The next version asks for what changed and frees what it has no tensor for")
  func nextVersion() {
    let (kept, old, new) = (Self.tensor("a"), Self.tensor("b"), Self.tensor("b", content: "c"))
    var fetch = holding([kept, old])
    #expect(fetch.handle(Self.wanted([kept, new])) == [.forget(old.digest), .begin, Self.request(new)])
    fetch = holding([kept, old])
    #expect(fetch.handle(Self.wanted([kept, old])) == [.complete(Self.attempt, [kept, old])])
  }

  @Test("A model of no tensors, and a blob of no bytes, need no request")
  func empty() {
    let nothing = Self.tensor("a", elements: 0)
    var fetch = ModelFetch()
    #expect(fetch.handle(Self.wanted([])) == [.complete(Self.attempt, [])])
    #expect(fetch.handle(Self.wanted([nothing])) == [.begin, .verify(nothing.digest)])
  }

  @Test("A blob that the coordinator does not hold, or that has another digest, makes the model unavailable")
  func unavailable() {
    let (a, b) = (Self.tensor("a"), Self.tensor("b"))
    var fetch = ModelFetch()
    _ = fetch.handle(Self.wanted([a, b]))
    #expect(fetch.handle(.unavailable(BlobUnavailable(digest: b.digest))) == [])
    #expect(
      fetch.handle(.unavailable(BlobUnavailable(digest: a.digest)))
        == [.unavailable(Self.attempt, reason: "unavailable")])
    #expect(fetch.handle(Self.chunk(a)) == [])
    _ = fetch.handle(Self.wanted([a]))
    _ = fetch.handle(Self.chunk(a))
    #expect(
      fetch.handle(.verified(false, at: Self.start)) == [.unavailable(Self.attempt, reason: "wrongDigest")])
    #expect(fetch.handle(Self.wanted([a])) == [.begin, Self.request(a)])
  }

  @Test(
    "An offer that contradicts itself is refused before anything is asked for",
    arguments: [
      ([2], 4, f32),  // Fewer bytes than the shape asks for.
      ([1], 8, f32),  // More.
      ([1 << 40, 1 << 40], 0, f32), ([UInt64.max], 0, f32), ([1 << 63], 4, f32),  // Overflow.
      ([1], 4, 99),  // No such element type.
      (Array(repeating: 1, count: 256), 4, f32),  // More dimensions than the model digest can name.
    ] as [([UInt64], UInt64, UInt8)])
  func misfits(shape: [UInt64], byteCount: UInt64, dtypeCode: UInt8) {
    let bad = TensorReference(
      name: "bad", dtypeCode: dtypeCode, shape: shape, digest: .sha256(of: [1]), byteCount: byteCount)
    var fetch = ModelFetch()
    #expect(fetch.handle(Self.wanted([Self.tensor("a"), bad])) == [Self.misfit("bad")])
    #expect(fetch.nextDeadline == nil)
  }

  @Test("A blob has one length, among the tensors of an offer and after it was held")
  func oneLength() {
    let a = Self.tensor("a")
    let longer = TensorReference(name: "b", dtypeCode: Self.f32, shape: [2], digest: a.digest, byteCount: 8)
    var fetch = ModelFetch()
    #expect(fetch.handle(Self.wanted([a, longer])) == [Self.misfit("b")])
    fetch = holding([a])
    #expect(fetch.handle(Self.wanted([longer])) == [Self.misfit("b")])
  }

  @Test("A cancelled fetch says nothing more; another attempt's end does not touch it; what is held stays")
  func cancelled() {
    let (a, b) = (Self.tensor("a"), Self.tensor("b"))
    var fetch = ModelFetch()
    _ = fetch.handle(Self.wanted([a, b]))
    #expect(fetch.handle(.cancelled(AttemptID(run: "run", round: 2, attempt: 0))) == [])
    _ = fetch.handle(Self.chunk(a))
    _ = fetch.handle(.verified(true, at: Self.start))
    #expect(fetch.handle(.cancelled(Self.attempt)) == [])
    #expect(fetch.handle(Self.chunk(b)) == [] && fetch.nextDeadline == nil)
    #expect(fetch.handle(Self.wanted([a, b])) == [.begin, Self.request(b)])
  }

  @Test("A newer offer takes the place of the one in hand, whose chunks count no more")
  func replaced() {
    let (a, b) = (Self.tensor("a"), Self.tensor("b"))
    let next = AttemptID(run: "run", round: 1, attempt: 1)
    var fetch = ModelFetch()
    _ = fetch.handle(Self.wanted([a]))
    #expect(fetch.handle(Self.wanted([b], attempt: next)) == [.begin, Self.request(b)])
    #expect(fetch.handle(Self.chunk(a)) == [])
    #expect(fetch.handle(Self.chunk(b)) == [.write, .verify(b.digest)])
    #expect(fetch.handle(.verified(true, at: Self.start)).last == .complete(next, [b]))
  }

  @Test("After a lost link, and after silence, the rest is asked for again")
  func asksAgain() {
    let chunkBytes = TransferLimits.downloadChunkBytes
    let large = Self.tensor("a", elements: chunkBytes / 2)
    var fetch = ModelFetch()
    #expect(fetch.handle(Self.wanted([large])) == [.begin, Self.request(large, chunks: 2)])
    #expect(fetch.handle(Self.chunk(large)) == [.write, Self.request(large, chunks: 0)])
    let rest = Self.request(large, offset: UInt64(chunkBytes))
    #expect(fetch.handle(.linkLost) == [])
    #expect(fetch.handle(Self.chunk(large, offset: UInt64(chunkBytes))) == [])
    #expect(fetch.handle(.linkRestored(at: Self.start)) == [rest])
    let due = Self.start + BlobDownload.patience
    #expect(fetch.nextDeadline == due)
    #expect(fetch.handle(.tick(at: due)) == [rest])
    let taken = Self.request(large, offset: UInt64(chunkBytes), chunks: 0)
    #expect(
      fetch.handle(Self.chunk(large, offset: UInt64(chunkBytes))) == [.write, taken, .verify(large.digest)])
  }

  /// Of three chunks, of which the first has come.
  private static let chunkBytes = UInt64(TransferLimits.downloadChunkBytes)
  private static let large = tensor("l", elements: 3 * TransferLimits.downloadChunkBytes / 4)
  private static let next = AttemptID(run: "run", round: 1, attempt: 1)

  private func cutOff() -> ModelFetch {
    var fetch = ModelFetch()
    _ = fetch.handle(Self.wanted([Self.large]))
    _ = fetch.handle(Self.chunk(Self.large))
    return fetch
  }

  @Test("A download that the end of its attempt cut off goes on at its next chunk in the attempt after")
  func goesOn() {
    var fetch = cutOff()
    _ = fetch.handle(.cancelled(Self.attempt))
    let small = Self.tensor("a")
    let rest = Self.request(Self.large, offset: Self.chunkBytes, chunks: 2)
    #expect(fetch.handle(Self.wanted([small, Self.large], attempt: Self.next)) == [rest])
    func taken(_ offset: UInt64) -> ModelFetch.Action { Self.request(Self.large, offset: offset, chunks: 0) }
    #expect(
      fetch.handle(Self.chunk(Self.large, offset: Self.chunkBytes)) == [.write, taken(Self.chunkBytes)])
    #expect(
      fetch.handle(Self.chunk(Self.large, offset: 2 * Self.chunkBytes))
        == [.write, taken(2 * Self.chunkBytes), .verify(Self.large.digest)])
    #expect(
      fetch.handle(.verified(true, at: Self.start)) == [.keep(Self.large.digest), .begin, Self.request(small)])
  }

  @Test("What a newer offer cut off goes on as well, if that offer needs it; otherwise it is begun anew")
  func newerOffer() {
    var fetch = cutOff()
    #expect(
      fetch.handle(Self.wanted([Self.large], attempt: Self.next))
        == [Self.request(Self.large, offset: Self.chunkBytes, chunks: 2)])
    fetch = cutOff()
    _ = fetch.handle(Self.wanted([Self.tensor("a")], attempt: Self.next))
    #expect(fetch.handle(Self.wanted([Self.large])) == [.begin, Self.request(Self.large, chunks: 3)])
  }

  @Test("Bytes taken over that turn out wrong are fetched once more, from the first")
  func wrongRest() {
    var fetch = cutOff()
    _ = fetch.handle(.cancelled(Self.attempt))
    _ = fetch.handle(Self.wanted([Self.large], attempt: Self.next))
    for chunk in 1...2 { _ = fetch.handle(Self.chunk(Self.large, offset: UInt64(chunk) * Self.chunkBytes)) }
    #expect(fetch.handle(.verified(false, at: Self.start)) == [.begin, Self.request(Self.large, chunks: 3)])
    for chunk in 0...2 { _ = fetch.handle(Self.chunk(Self.large, offset: UInt64(chunk) * Self.chunkBytes)) }
    #expect(
      fetch.handle(.verified(false, at: Self.start)) == [.unavailable(Self.next, reason: "wrongDigest")])
  }

  @Test("An attempt on a model that is held asks for nothing: evaluations and retries send no byte")
  func heldIsNotSentAgain() {
    let tensors = [Self.tensor("a"), Self.tensor("b")]
    var fetch = holding(tensors)
    for _ in 0..<3 {
      #expect(fetch.handle(Self.wanted(tensors, attempt: Self.next)) == [.complete(Self.next, tensors)])
    }
  }

  @Test("Held blobs become the tensors of the model, a shared one twice; one that is missing, none")
  func assembles() throws {
    let (a, b) = (Self.tensor("a", content: "x"), Self.tensor("b", content: "x"))
    var blobs = ModelBlobs()
    #expect(blobs.tensors(of: [a, b]) == nil)
    blobs.begin()
    blobs.write([9])
    blobs.begin()
    blobs.write(Array(Self.bytes("x").prefix(3)))
    #expect(!blobs.verify(a.digest))
    blobs.write(Array(Self.bytes("x").suffix(1)))
    #expect(blobs.verify(a.digest))
    blobs.keep(a.digest)
    let tensors = try #require(blobs.tensors(of: [a, b]))
    #expect(tensors.map(\.name) == ["a", "b"])
    #expect(tensors.allSatisfy { $0.bytes == Self.bytes("x") && $0.shape == [1] && $0.dtype == .f32 })
    blobs.forget(a.digest)
    #expect(blobs.tensors(of: [a]) == nil)
  }
}
