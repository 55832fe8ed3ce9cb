import Federation
import SecureAggregation
import Transfer

/// The coordinator's side of all uploads of the attempts in hand: from the header over the chunks and the trailer to the
/// answer. Whether an input counts is decided by the run; this says when to ask it.
///
///     announced ── accepted ──▶ open ── trailer behind the last chunk ──▶ complete ── added ──▶ added
///         └─────────── refused by the run, the pool or a check: forgotten, may be announced anew ┘
///
/// Each attempt has a plan; a worker is in one plan at a time, and all plans share one pool of slots and credit. At most
/// one upload per worker of a plan, so its memory is bounded by the cohorts. The chunks lie in the driver's spools, one
/// for each upload that is open or complete. A run may have several plans, on models of different age: what is said of a
/// worker's upload is said of the one in the plan that the worker is in.
///
/// `Link` names where answers to a worker go: that of its last header or trailer.
package struct UploadIntake<Link: Hashable & Sendable>: Sendable {
  package enum Event: Hashable, Sendable {
    /// The attempt takes uploads with these vectors from these workers, in place of any other attempt that one of them
    /// was in.
    case planned(upload: Digest, vectors: [VectorSpecification], workers: [WorkerID], at: MonotonicTime)
    /// A planned attempt takes an upload of this worker, too, in place of any other that it was in.
    case admitted(WorkerID, upload: Digest, at: MonotonicTime)
    case opened(InputHeader, from: WorkerID, link: Link, at: MonotonicTime)
    /// `byteCount` raw bytes came with the chunk.
    case chunkReceived(UploadChunk, byteCount: Int, from: WorkerID, at: MonotonicTime)
    case closed(InputTrailer, from: WorkerID, link: Link, at: MonotonicTime)
    /// The answer to `verify`: the digest over all chunks of an input that keeps the rules.
    case verified(WorkerID, payloadDigest: Digest)
    /// The other answer to `verify`: the input breaks a rule.
    case broken(WorkerID, reason: String, at: MonotonicTime)
    /// The run lets the upload in.
    case accepted(WorkerID, at: MonotonicTime)
    case refused(WorkerID, reason: String, at: MonotonicTime)
    /// The run counts the input.
    case counted(WorkerID)
    /// No further input of the attempt counts.
    case planEnded(upload: Digest, at: MonotonicTime)
    /// The worker's link is gone.
    case lost(WorkerID, at: MonotonicTime)
    case tick(at: MonotonicTime)
  }

  package enum Action: Hashable, Sendable {
    case grant(UploadGrant, to: Link)
    case answer(UploadAnswer, to: Link)
    /// Make room for the chunks of an upload.
    case openSpool(WorkerID, InputHeader, UploadShape)
    /// Put the chunk that was just received into the spool.
    case store(WorkerID, number: UInt64, UploadShape.Piece)
    /// Every chunk is in the spool: check the content, and answer with `verified` or `broken`.
    case verify(WorkerID)
    /// Add the input in the spool to the sum.
    case add(WorkerID, InputHeader)
    case freeSpool(WorkerID)
    /// Tell the run.
    case uploadOpened(InputHeader, from: WorkerID)
    /// Tell the run.
    case uploadCompleted(InputTrailer, payloadDigest: Digest, from: WorkerID)
    /// Tell the run.
    case inputRejected(from: WorkerID, reason: String)
    /// For the log: a chunk was dropped.
    case chunkRefused(WorkerID, number: UInt64, UploadPool.ChunkRefusal)
  }

  private struct Plan {
    let vectors: [VectorSpecification]
    var workers: Set<WorkerID>
  }

  private enum Stage: Hashable {
    /// The run has not decided: the pool does not know the upload.
    case announced
    case open
    case verifying(InputTrailer)
    /// The trailer was handed to the run.
    case complete
    case added

    var hasSpool: Bool { self != .announced && self != .added }
  }

  private struct Incoming {
    let header: InputHeader
    let shape: UploadShape
    var link: Link
    var stage = Stage.announced
  }

  private var pool: UploadPool
  /// By upload; no worker is in two of them.
  private var plans: [Digest: Plan] = [:]
  private var incoming: [WorkerID: Incoming] = [:]

  package init(limits: UploadPool.Limits = UploadPool.Limits()) { pool = UploadPool(limits: limits) }

  package mutating func handle(_ event: Event) -> [Action] {
    switch event {
    case .planned(let upload, let vectors, let workers, let time):
      let actions = end(upload, time) + workers.sorted().flatMap { move($0, time) }
      plans[upload] = Plan(vectors: vectors, workers: Set(workers))
      return actions
    case .admitted(let worker, let upload, let time):
      guard let plan = plans[upload], !plan.workers.contains(worker) else { return [] }
      let actions = move(worker, time)
      plans[upload]?.workers.insert(worker)
      return actions
    case .opened(let header, let worker, let link, let time): return open(header, worker, link, time)
    case .chunkReceived(let chunk, let byteCount, let worker, let time):
      guard incoming[worker]?.header.transcript == chunk.upload else { return [] }
      let key = UploadKey(upload: chunk.upload, worker: worker)
      return translate(pool.handle(.chunkReceived(key, number: chunk.number, byteCount: byteCount, at: time)))
    case .closed(let trailer, let worker, let link, let time): return close(trailer, worker, link, time)
    case .verified(let worker, let payload):
      guard case .verifying(let trailer) = incoming[worker]?.stage else { return [] }
      incoming[worker]?.stage = .complete
      return [.uploadCompleted(trailer, payloadDigest: payload, from: worker)]
    case .broken(let worker, let reason, let time):
      guard case .verifying = incoming[worker]?.stage else { return [] }
      return refuse(worker, reason, time) + [.inputRejected(from: worker, reason: reason)]
    case .accepted(let worker, let time): return accept(worker, time)
    case .refused(let worker, let reason, let time): return refuse(worker, reason, time)
    case .counted(let worker):
      guard let upload = incoming[worker], upload.stage == .complete else { return [] }
      incoming[worker]?.stage = .added
      return [.add(worker, upload.header), .freeSpool(worker), answer(upload, refusal: "")]
    case .planEnded(let upload, let time): return end(upload, time)
    case .lost(let worker, let time): return translate(pool.handle(.lost(worker, at: time)))
    case .tick(let time): return translate(pool.handle(.tick(at: time)))
    }
  }

  // MARK: From the worker

  private mutating func open(
    _ header: InputHeader, _ worker: WorkerID, _ link: Link, _ time: MonotonicTime
  ) -> [Action] {
    func refusal(_ reason: String) -> [Action] {
      [.answer(UploadAnswer(upload: header.transcript, refusal: reason), to: link)]
    }
    guard let plan = plans[header.transcript], plan.workers.contains(worker) else {
      return refusal("not counted")
    }
    if let known = incoming[worker] {
      // The run decides about the header that it was told of: no other may take its place meanwhile.
      guard known.header == header else { return refusal("opened again with another header") }
      incoming[worker]?.link = link
      return known.stage == .announced ? [] : resume(worker, known, time)
    }
    guard header.vectors == plan.vectors, let shape = UploadShape(header.vectors) else {
      return refusal("other vectors than the attempt has")
    }
    incoming[worker] = Incoming(header: header, shape: shape, link: link)
    return [.uploadOpened(header, from: worker)]
  }

  private mutating func close(
    _ trailer: InputTrailer, _ worker: WorkerID, _ link: Link, _ time: MonotonicTime
  ) -> [Action] {
    guard incoming[worker]?.header.transcript == trailer.transcript else {
      return [.answer(UploadAnswer(upload: trailer.transcript, refusal: "not counted"), to: link)]
    }
    incoming[worker]?.link = link
    // The pool knows whether a chunk is missing, and then grants it again instead of finishing.
    let key = UploadKey(upload: trailer.transcript, worker: worker)
    let pooled = pool.handle(.closed(key, at: time))
    let actions = translate(pooled)
    guard pooled.contains(.finished(key)) else { return actions }
    incoming[worker]?.stage = .verifying(trailer)
    return actions + [.verify(worker)]
  }

  // MARK: From the run

  private mutating func accept(_ worker: WorkerID, _ time: MonotonicTime) -> [Action] {
    guard let upload = incoming[worker] else { return [] }
    guard upload.stage == .announced else { return resume(worker, upload, time) }
    incoming[worker]?.stage = .open
    return [.openSpool(worker, upload.header, upload.shape)] + resume(worker, upload, time)
  }

  private mutating func refuse(_ worker: WorkerID, _ reason: String, _ time: MonotonicTime) -> [Action] {
    guard let upload = incoming[worker] else { return [] }
    let actions = drop(worker, reason)
    // Its slot, its credit and what was delivered of it: announced anew, it starts from nothing.
    let key = UploadKey(upload: upload.header.transcript, worker: worker)
    return upload.stage == .announced ? actions : actions + translate(pool.handle(.withdrawn(key, at: time)))
  }

  private mutating func drop(_ worker: WorkerID, _ reason: String) -> [Action] {
    guard let upload = incoming.removeValue(forKey: worker) else { return [] }
    return (upload.stage.hasSpool ? [.freeSpool(worker)] : []) + [answer(upload, refusal: reason)]
  }

  /// A worker leaves the plan that it is in: whatever it sent there is forgotten without a word, as it knows that this
  /// is over. A plan without workers ends with the attempt that it is of.
  private mutating func move(_ worker: WorkerID, _ time: MonotonicTime) -> [Action] {
    guard let former = plans.first(where: { $0.value.workers.contains(worker) })?.key else { return [] }
    plans[former]?.workers.remove(worker)
    guard let upload = incoming.removeValue(forKey: worker) else { return [] }
    let spools = upload.stage.hasSpool ? [Action.freeSpool(worker)] : []
    guard upload.stage != .announced else { return spools }
    return spools + translate(pool.handle(.withdrawn(UploadKey(upload: former, worker: worker), at: time)))
  }

  private mutating func end(_ upload: Digest, _ time: MonotonicTime) -> [Action] {
    guard plans.removeValue(forKey: upload) != nil else { return [] }
    let ended = incoming.filter { $0.value.header.transcript == upload }
    for worker in ended.keys { incoming[worker] = nil }
    let spools = ended.filter(\.value.stage.hasSpool).keys.sorted()
    // Credit that is free now goes to the uploads of the other plans.
    let actions = translate(pool.handle(.cancelled(upload: upload, at: time)))
    return spools.map(Action.freeSpool) + actions
  }

  // MARK: The pool

  private mutating func resume(_ worker: WorkerID, _ upload: Incoming, _ time: MonotonicTime) -> [Action] {
    let key = UploadKey(upload: upload.header.transcript, worker: worker)
    return translate(pool.handle(.opened(key, upload.shape, at: time)))
  }

  private mutating func translate(_ actions: [UploadPool.Action]) -> [Action] {
    actions.flatMap { action -> [Action] in
      switch action {
      case .grant(let key, let grant): return incoming[key.worker].map { [.grant(grant, to: $0.link)] } ?? []
      case .deliver(let key, let number, let piece): return [.store(key.worker, number: number, piece)]
      case .repeatAnswer(let key):
        // Silence until the run has decided: the answer is given then.
        guard let upload = incoming[key.worker], upload.stage == .added else { return [] }
        return [answer(upload, refusal: "")]
      case .refuse(let key, let refusal):
        // The pool remembers its refusals by itself.
        return drop(key.worker, refusal.description)
          + [.inputRejected(from: key.worker, reason: refusal.description)]
      case .refuseChunk(let key, let number, let why): return [.chunkRefused(key.worker, number: number, why)]
      case .ignoreDuplicate, .finished: return []
      }
    }
  }

  private func answer(_ upload: Incoming, refusal: String) -> Action {
    .answer(UploadAnswer(upload: upload.header.transcript, refusal: refusal), to: upload.link)
  }

  /// What must hold after every event, in words; empty when all of it does.
  package func checkInvariants() -> [String] {
    var broken = pool.checkInvariants()
    if Set(plans.values.flatMap(\.workers)).count != plans.values.reduce(0, { $0 + $1.workers.count }) {
      broken.append("a worker in two plans")
    }
    for (worker, upload) in incoming.sorted(by: { $0.key < $1.key }) {
      if plans[upload.header.transcript]?.workers.contains(worker) != true {
        broken.append("\(worker): an upload of no plan")
      }
      let prefix = pool.deliveredPrefix(of: UploadKey(upload: upload.header.transcript, worker: worker))
      switch upload.stage {
      case .announced: break
      case .open:
        if prefix == nil { broken.append("\(worker): taken in without the pool") }
      case .verifying, .complete, .added:
        if prefix != upload.shape.totalChunks { broken.append("\(worker): complete without all chunks") }
      }
    }
    return broken
  }
}

extension UploadShape {
  /// The shape of an input with these vectors; nil if it is out of bounds.
  package init?(_ vectors: [VectorSpecification]) {
    self.init(
      vectors.map {
        Vector(elementCount: $0.count, elementBytes: $0.laneByteCount, chunkElements: $0.chunkElements)
      })
  }
}

extension InputHeader {
  /// The digest of one chunk of the upload that this header opens.
  package func digest(of piece: UploadShape.Piece, bytes: UnsafeRawBufferPointer) -> Digest {
    ChunkDigests.chunk(
      transcript: transcript, worker: worker, vector: vectors[piece.vector].id, index: Int(piece.index), bytes: bytes)
  }
}
