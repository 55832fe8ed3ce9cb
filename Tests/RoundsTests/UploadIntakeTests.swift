import Federation
import Rounds
import SecureAggregation
import Testing
import Transfer

private typealias Intake = UploadIntake<Int>

/// Links are numbers: worker a's are 1 and 2.
@Suite("Uploads between the bulk socket and the run")
struct UploadIntakeTests {
  private static let upload = Digest(unchecked: Array(repeating: 1, count: 32))
  private static let other = Digest(unchecked: Array(repeating: 2, count: 32))
  private static let payload = Digest(unchecked: Array(repeating: 3, count: 32))
  private static let start = MonotonicTime(nanoseconds: 0)
  /// Three chunks of 64 bytes.
  private static let vectors = [VectorSpecification(id: 0, ringBits: 32, count: 48, chunkElements: 16)]
  private static let a: WorkerID = "a"

  private static func signature(_ byte: UInt8) -> Signature { Signature(unchecked: Array(repeating: byte, count: 64)) }

  private static func header(
    _ upload: Digest = upload, vectors: [VectorSpecification] = vectors, signedWith byte: UInt8 = 0
  ) -> InputHeader {
    InputHeader(transcript: upload, worker: 0, dealersDigest: upload, vectors: vectors, signature: signature(byte))
  }

  private static let trailer = InputTrailer(
    transcript: upload, worker: 0, dealersDigest: upload, payloadDigest: payload, signature: signature(0))

  private static func opened(_ header: InputHeader = header(), by worker: WorkerID = a, link: Int = 1) -> Intake.Event {
    .opened(header, from: worker, link: link, at: start)
  }

  private static func chunk(_ number: UInt64, bytes: Int = 64) -> Intake.Event {
    .chunkReceived(UploadChunk(upload: upload, number: number), byteCount: bytes, from: a, at: start)
  }

  private static func closed(link: Int = 1) -> Intake.Event { .closed(trailer, from: a, link: link, at: start) }

  private static let accepted = Intake.Event.accepted(a, at: start)

  private static func grant(_ first: UInt64, _ chunks: UInt32, to link: Int = 1) -> Intake.Action {
    .grant(UploadGrant(upload: upload, firstChunk: first, chunks: chunks), to: link)
  }

  private static func answer(_ refusal: String, upload: Digest = upload, to link: Int = 1) -> Intake.Action {
    .answer(UploadAnswer(upload: upload, refusal: refusal), to: link)
  }

  private func piece(_ number: UInt64) throws -> UploadShape.Piece {
    try #require(UploadShape(Self.vectors)?.piece(number))
  }

  /// An intake that takes uploads from a and b, after `events`; its invariants hold after each.
  private func intake(after events: [Intake.Event] = []) -> Intake {
    var intake = Intake()
    let planned = Intake.Event.planned(
      upload: Self.upload, vectors: Self.vectors, workers: [Self.a, "b"], at: Self.start)
    for event in [planned] + events {
      _ = intake.handle(event)
      #expect(intake.checkInvariants() == [])
    }
    return intake
  }

  private static let toLastChunk = [opened(), accepted, chunk(0), chunk(1), chunk(2)]
  private static let toCompletion = toLastChunk + [closed(), .verified(a, payloadDigest: payload)]

  @Test("Header, chunks and trailer go to the run and the spool in turn, and the answer follows when it counts")
  func wholeUpload() throws {
    var intake = intake()
    let shape = try #require(UploadShape(Self.vectors))
    #expect(intake.handle(Self.opened()) == [.uploadOpened(Self.header(), from: Self.a)])
    #expect(intake.handle(Self.accepted) == [.openSpool(Self.a, Self.header(), shape), Self.grant(0, 3)])
    for number in 0..<3 as Range<UInt64> {
      #expect(try intake.handle(Self.chunk(number)) == [.store(Self.a, number: number, piece(number))])
    }
    #expect(intake.handle(Self.closed()) == [.verify(Self.a)])
    #expect(
      intake.handle(.verified(Self.a, payloadDigest: Self.payload))
        == [.uploadCompleted(Self.trailer, payloadDigest: Self.payload, from: Self.a)])
    #expect(
      intake.handle(.counted(Self.a)) == [.add(Self.a, Self.header()), .freeSpool(Self.a), Self.answer("")])
    #expect(intake.checkInvariants() == [])
  }

  @Test("A header repeated before the run has decided is not told again, but its link is the one to answer")
  func repeatedBeforeAccept() {
    var intake = intake(after: [Self.opened()])
    #expect(intake.handle(Self.opened(link: 2)) == [])
    #expect(intake.handle(Self.accepted).last == Self.grant(0, 3, to: 2))
  }

  @Test("A header repeated later asks for the first missing chunk; an acceptance repeated, too, with one spool")
  func repeatedAfterAccept() {
    var intake = intake(after: [Self.opened(), Self.accepted, Self.chunk(0)])
    #expect(intake.handle(Self.opened(link: 2)) == [Self.grant(1, 2, to: 2)])
    #expect(intake.handle(Self.accepted) == [Self.grant(1, 2, to: 2)])
  }

  @Test("A chunk before the run has decided is dropped, and the upload goes on")
  func chunkBeforeAccept() throws {
    var intake = intake(after: [Self.opened()])
    #expect(intake.handle(Self.chunk(0)) == [.chunkRefused(Self.a, number: 0, .notOpen)])
    #expect(intake.handle(Self.accepted).last == Self.grant(0, 3))
    #expect(try intake.handle(Self.chunk(0)) == [.store(Self.a, number: 0, piece(0))])
  }

  @Test("A trailer before the last chunk brings a grant of what is missing, not a verdict")
  func trailerTooEarly() throws {
    var intake = intake(after: [Self.opened(), Self.accepted, Self.chunk(0), Self.chunk(2)])
    // Chunk 2 was delivered ahead: the renewed grant covers it, and it is not stored twice.
    #expect(intake.handle(Self.closed()) == [Self.grant(1, 2)])
    #expect(intake.handle(Self.chunk(2)) == [])
    #expect(try intake.handle(Self.chunk(1)) == [.store(Self.a, number: 1, piece(1))])
    #expect(intake.handle(Self.closed()) == [.verify(Self.a)])
  }

  @Test("A header repeated when only the trailer is missing grants the last chunk, behind which the trailer comes")
  func trailerMissing() {
    var intake = intake(after: Self.toLastChunk)
    #expect(intake.handle(Self.opened()) == [Self.grant(2, 1)])
    #expect(intake.handle(Self.chunk(2)) == [])
    #expect(intake.handle(Self.closed()) == [.verify(Self.a)])
  }

  @Test("A trailer repeated is verified once, met with silence until the input counts, and then with the answer")
  func repeatedTrailer() {
    var intake = intake(after: Self.toCompletion)
    #expect(intake.handle(Self.closed(link: 2)) == [])
    #expect(intake.handle(.verified(Self.a, payloadDigest: Self.payload)) == [])
    #expect(intake.handle(.counted(Self.a)).last == Self.answer("", to: 2))
    #expect(intake.handle(Self.closed()) == [Self.answer("")])
    #expect(intake.handle(Self.opened(link: 2)) == [Self.answer("", to: 2)])
    #expect(intake.handle(.counted(Self.a)) == [])
  }

  @Test("A trailer for an upload that the run has not let in convicts its sender")
  func trailerBeforeAccept() {
    var intake = intake(after: [Self.opened()])
    #expect(
      intake.handle(Self.closed())
        == [Self.answer("no such upload"), .inputRejected(from: Self.a, reason: "no such upload")])
    #expect(intake.handle(Self.accepted) == [])
  }

  @Test("What the plan does not name is answered and changes nothing")
  func notCounted() {
    var intake = intake()
    #expect(
      intake.handle(Self.opened(Self.header(Self.other))) == [Self.answer("not counted", upload: Self.other)])
    #expect(intake.handle(Self.opened(by: "c", link: 9)) == [Self.answer("not counted", to: 9)])
    #expect(intake.handle(Self.closed()) == [Self.answer("not counted")])
    #expect(intake.handle(Self.chunk(0)) == [])
    let wrong = Self.header(vectors: Self.vectors + Self.vectors)
    #expect(intake.handle(Self.opened(wrong)) == [Self.answer("other vectors than the attempt has")])
    #expect(intake.handle(Self.opened()) == [.uploadOpened(Self.header(), from: Self.a)])
  }

  @Test("Vectors out of bounds are refused even if the plan has them")
  func outOfBounds() {
    let vectors = [VectorSpecification(id: 0, ringBits: 32, count: .max, chunkElements: 16)]
    var intake = Intake()
    _ = intake.handle(.planned(upload: Self.upload, vectors: vectors, workers: [Self.a], at: Self.start))
    #expect(
      intake.handle(Self.opened(Self.header(vectors: vectors))) == [Self.answer("other vectors than the attempt has")])
  }

  @Test("Another header cannot take the place of the one that the run was told of", arguments: [false, true])
  func anotherHeader(isAccepted: Bool) {
    var intake = intake(after: [Self.opened()] + (isAccepted ? [Self.accepted] : []))
    #expect(
      intake.handle(Self.opened(Self.header(signedWith: 7), link: 2))
        == [Self.answer("opened again with another header", to: 2)])
    let resumed = isAccepted ? [Self.grant(0, 3)] : []
    #expect(intake.handle(Self.opened()) == resumed)
  }

  @Test("A header that the run refuses is answered, and a better one may follow")
  func refusedHeader() {
    var intake = intake(after: [Self.opened(Self.header(signedWith: 7))])
    #expect(
      intake.handle(.refused(Self.a, reason: "badSignature", at: Self.start)) == [Self.answer("badSignature")])
    #expect(intake.handle(.refused(Self.a, reason: "badSignature", at: Self.start)) == [])
    #expect(intake.handle(Self.opened()) == [.uploadOpened(Self.header(), from: Self.a)])
  }

  @Test("An upload that the run refuses gives back spool, slot and credit; announced anew, it starts from nothing")
  func refusedUpload() {
    var limits = UploadPool.Limits()
    limits.uploadsAtOnce = 1
    var intake = Intake(limits: limits)
    _ = intake.handle(
      .planned(upload: Self.upload, vectors: Self.vectors, workers: [Self.a, "b"], at: Self.start))
    for event in [
      Self.opened(), Self.accepted, Self.chunk(0), Self.opened(by: "b", link: 9), .accepted("b", at: Self.start),
    ] { _ = intake.handle(event) }
    #expect(
      intake.handle(.refused(Self.a, reason: "not counted", at: Self.start))
        == [.freeSpool(Self.a), Self.answer("not counted"), Self.grant(0, 3, to: 9)])
    #expect(intake.handle(Self.chunk(1)) == [])
    #expect(intake.handle(.lost("b", at: Self.start)) == [])
    #expect(intake.handle(Self.opened()) == [.uploadOpened(Self.header(), from: Self.a)])
    #expect(intake.handle(Self.accepted).last == Self.grant(0, 3))
    #expect(intake.checkInvariants() == [])
  }

  @Test("A complete upload that the run refuses is not added")
  func refusedTrailer() {
    var intake = intake(after: Self.toCompletion)
    #expect(
      intake.handle(.refused(Self.a, reason: "wrongDigest", at: Self.start))
        == [.freeSpool(Self.a), Self.answer("wrongDigest")])
    #expect(intake.handle(.counted(Self.a)) == [])
    #expect(intake.handle(Self.closed()) == [Self.answer("not counted")])
  }

  @Test("Content that breaks a rule is answered, and the run is told")
  func broken() {
    var intake = intake(after: Self.toLastChunk + [Self.closed()])
    #expect(
      intake.handle(.broken(Self.a, reason: "notFinite", at: Self.start))
        == [.freeSpool(Self.a), Self.answer("notFinite"), .inputRejected(from: Self.a, reason: "notFinite")])
    #expect(intake.handle(.verified(Self.a, payloadDigest: Self.payload)) == [])
  }

  @Test("A chunk of the wrong length ends the upload, and opening it again does not help")
  func wrongLength() {
    var intake = intake(after: [Self.opened(), Self.accepted])
    let reason = "a chunk of the wrong length"
    let refused: [Intake.Action] = [
      .freeSpool(Self.a), Self.answer(reason), .inputRejected(from: Self.a, reason: reason),
    ]
    #expect(intake.handle(Self.chunk(0, bytes: 63)) == refused)
    #expect(intake.handle(Self.chunk(0)) == [])
    #expect(intake.handle(Self.opened()) == [.uploadOpened(Self.header(), from: Self.a)])
    #expect(Array(intake.handle(Self.accepted).dropFirst()) == refused)
  }

  @Test("The end of the plan frees every spool, and nothing of it counts any more")
  func ended() {
    var intake = intake(
      after: Self.toLastChunk + [Self.opened(by: "b", link: 9), .accepted("b", at: Self.start)])
    #expect(intake.handle(.planEnded(upload: Self.upload, at: Self.start)) == [.freeSpool(Self.a), .freeSpool("b")])
    #expect(intake.checkInvariants() == [])
    #expect(intake.handle(Self.accepted) == [])
    #expect(intake.handle(.counted(Self.a)) == [])
    #expect(intake.handle(Self.chunk(2)) == [])
    #expect(intake.handle(Self.opened()) == [Self.answer("not counted")])
    #expect(intake.handle(.planEnded(upload: Self.upload, at: Self.start)) == [])
  }

  @Test("The next plan takes the place of one that is still open")
  func replanned() {
    var intake = intake(after: Self.toLastChunk)
    let next = Intake.Event.planned(upload: Self.other, vectors: Self.vectors, workers: [Self.a], at: Self.start)
    #expect(intake.handle(next) == [.freeSpool(Self.a)])
    #expect(intake.handle(Self.opened()) == [Self.answer("not counted")])
    let header = Self.header(Self.other)
    #expect(intake.handle(Self.opened(header)) == [.uploadOpened(header, from: Self.a)])
  }

  @Test("Attempts of other workers go on side by side; the end of one frees its credit for the other")
  func twoPlans() {
    var limits = UploadPool.Limits()
    limits.uploadsAtOnce = 1
    var intake = Intake(limits: limits)
    _ = intake.handle(.planned(upload: Self.upload, vectors: Self.vectors, workers: [Self.a], at: Self.start))
    _ = intake.handle(.planned(upload: Self.other, vectors: Self.vectors, workers: ["b"], at: Self.start))
    // Neither worker may report to the other's attempt.
    #expect(intake.handle(Self.opened(by: "b", link: 9)) == [Self.answer("not counted", to: 9)])
    let header = Self.header(Self.other)
    #expect(intake.handle(Self.opened()) == [.uploadOpened(Self.header(), from: Self.a)])
    #expect(intake.handle(Self.opened(header, by: "b", link: 9)) == [.uploadOpened(header, from: "b")])
    #expect(intake.handle(Self.accepted).last == Self.grant(0, 3))
    // One slot for both.
    #expect(intake.handle(.accepted("b", at: Self.start)).count == 1)
    #expect(intake.checkInvariants() == [])
    #expect(
      intake.handle(.planEnded(upload: Self.upload, at: Self.start))
        == [.freeSpool(Self.a), .grant(UploadGrant(upload: Self.other, firstChunk: 0, chunks: 3), to: 9)])
    #expect(
      intake.handle(.chunkReceived(.init(upload: Self.other, number: 0), byteCount: 64, from: "b", at: Self.start))
        .count == 1)
    #expect(intake.checkInvariants() == [])
  }

  @Test("A lost link parks the upload; the next one goes on from the first missing chunk")
  func linkLost() throws {
    var intake = intake(after: [Self.opened(), Self.accepted, Self.chunk(0)])
    #expect(intake.handle(.lost(Self.a, at: Self.start)) == [])
    #expect(intake.handle(Self.chunk(1)) == [.chunkRefused(Self.a, number: 1, .outsideGrant)])
    #expect(intake.handle(Self.opened(link: 2)) == [Self.grant(1, 2, to: 2)])
    #expect(try intake.handle(Self.chunk(1)) == [.store(Self.a, number: 1, piece(1))])
  }

  @Test("A stalled upload gives its slot to one that waits when the time has come")
  func stalled() {
    var limits = UploadPool.Limits()
    limits.uploadsAtOnce = 1
    var intake = Intake(limits: limits)
    for event in [
      .planned(upload: Self.upload, vectors: Self.vectors, workers: [Self.a, "b"], at: Self.start), Self.opened(),
      Self.accepted, Self.opened(by: "b", link: 9), .accepted("b", at: Self.start),
    ] as [Intake.Event] { _ = intake.handle(event) }
    #expect(intake.handle(.tick(at: Self.start)) == [])
    #expect(intake.handle(.tick(at: Self.start + limits.stallLimit)) == [Self.grant(0, 3, to: 9)])
  }
}
