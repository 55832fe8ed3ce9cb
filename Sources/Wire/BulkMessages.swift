import Federation
import SecureAggregation
import Transfer

internal import CFederationMessages

/// The bulk socket, from a worker to the coordinator: models asked for, inputs sent.
package enum BulkToCoordinator: WireMessage {
  case request(BlobRequest)
  /// M5's header.
  case open(InputHeader)
  /// Followed by the chunk's bytes.
  case chunk(UploadChunk)
  /// M5's trailer.
  case close(InputTrailer)

  package static let limits = FrameLimits.bulk

  package var kind: String {
    switch self {
    case .request: "blobRequest"
    case .open: "uploadOpen"
    case .chunk: "uploadChunk"
    case .close: "uploadClose"
    }
  }

  package var payload: PayloadRule {
    if case .chunk = self { .bytes(1...Self.limits.payloadBytesMax) } else { .none }
  }

  package func write(to draft: EnvelopeDraft) {
    switch self {
    case .request(let request):
      draft.set(MURMUR__ENVELOPE__BODY_BLOB_REQUEST) { $1.blob_request = request.draft(in: $0) }
    case .open(let header): draft.set(MURMUR__ENVELOPE__BODY_UPLOAD_OPEN) { $1.upload_open = header.draft(in: $0) }
    case .chunk(let chunk):
      draft.set(MURMUR__ENVELOPE__BODY_UPLOAD_CHUNK) { arena, envelope in
        envelope.upload_chunk = arena.make(murmur__upload_chunk__init) {
          $0.upload = arena.data(chunk.upload)
          $0.number = chunk.number
        }
      }
    case .close(let trailer):
      draft.set(MURMUR__ENVELOPE__BODY_UPLOAD_CLOSE) { $1.upload_close = trailer.draft(in: $0) }
    }
  }

  package init(reading view: EnvelopeView) throws(WireError) {
    self = try view.read { envelope throws(WireError) in
      switch envelope.body_case {
      case MURMUR__ENVELOPE__BODY_BLOB_REQUEST:
        return .request(try BlobRequest(wire: Field.required(envelope.blob_request, "blob_request")))
      case MURMUR__ENVELOPE__BODY_UPLOAD_OPEN:
        return .open(try InputHeader(wire: Field.required(envelope.upload_open, "upload_open")))
      case MURMUR__ENVELOPE__BODY_UPLOAD_CHUNK:
        let message = try Field.required(envelope.upload_chunk, "upload_chunk")
        return .chunk(
          UploadChunk(
            upload: try Field.fixed(message.upload, "upload_chunk.upload"),
            number: try Field.number(message.number, "upload_chunk.number", in: 0...TransferLimits.transferBytesMax)))
      case MURMUR__ENVELOPE__BODY_UPLOAD_CLOSE:
        return .close(try InputTrailer(wire: Field.required(envelope.upload_close, "upload_close")))
      default: throw view.unknownBody
      }
    }
  }
}

/// The bulk socket, from the coordinator to a worker: models sent, inputs asked for and answered.
package enum BulkToWorker: WireMessage {
  /// Followed by the chunk's bytes.
  case chunk(BlobChunk)
  case unavailable(BlobUnavailable)
  case grant(UploadGrant)
  case answer(UploadAnswer)

  package static let limits = FrameLimits.bulk

  package var kind: String {
    switch self {
    case .chunk: "blobChunk"
    case .unavailable: "blobUnavailable"
    case .grant: "uploadGrant"
    case .answer: "uploadAnswer"
    }
  }

  package var payload: PayloadRule { if case .chunk(let chunk) = self { chunk.payload } else { .none } }

  package func write(to draft: EnvelopeDraft) {
    switch self {
    case .chunk(let chunk): draft.set(MURMUR__ENVELOPE__BODY_BLOB_CHUNK) { $1.blob_chunk = chunk.draft(in: $0) }
    case .unavailable(let blob):
      draft.set(MURMUR__ENVELOPE__BODY_BLOB_UNAVAILABLE) { $1.blob_unavailable = blob.draft(in: $0) }
    case .grant(let grant):
      draft.set(MURMUR__ENVELOPE__BODY_UPLOAD_GRANT) { arena, envelope in
        envelope.upload_grant = arena.make(murmur__upload_grant__init) {
          $0.upload = arena.data(grant.upload)
          $0.first_chunk = grant.firstChunk
          $0.chunks = grant.chunks
        }
      }
    case .answer(let answer):
      draft.set(MURMUR__ENVELOPE__BODY_UPLOAD_ANSWER) { arena, envelope in
        envelope.upload_answer = arena.make(murmur__upload_answer__init) {
          $0.upload = arena.data(answer.upload)
          $0.refusal = arena.prose(answer.refusal)
        }
      }
    }
  }

  package init(reading view: EnvelopeView) throws(WireError) {
    self = try view.read { envelope throws(WireError) in
      switch envelope.body_case {
      case MURMUR__ENVELOPE__BODY_BLOB_CHUNK:
        return .chunk(try BlobChunk(wire: Field.required(envelope.blob_chunk, "blob_chunk")))
      case MURMUR__ENVELOPE__BODY_BLOB_UNAVAILABLE:
        return .unavailable(try BlobUnavailable(wire: Field.required(envelope.blob_unavailable, "blob_unavailable")))
      case MURMUR__ENVELOPE__BODY_UPLOAD_GRANT:
        let message = try Field.required(envelope.upload_grant, "upload_grant")
        return .grant(
          UploadGrant(
            upload: try Field.fixed(message.upload, "upload_grant.upload"),
            firstChunk: try Field.number(
              message.first_chunk, "upload_grant.first_chunk", in: 0...TransferLimits.transferBytesMax),
            chunks: try Field.number(message.chunks, "upload_grant.chunks", in: 0...TransferLimits.uploadWindow)))
      case MURMUR__ENVELOPE__BODY_UPLOAD_ANSWER:
        let message = try Field.required(envelope.upload_answer, "upload_answer")
        return .answer(
          UploadAnswer(
            upload: try Field.fixed(message.upload, "upload_answer.upload"),
            refusal: try Field.text(message.refusal, "upload_answer.refusal")))
      default: throw view.unknownBody
      }
    }
  }
}

extension BlobRequest {
  init(wire message: Murmur__BlobRequest) throws(WireError) {
    self.init(
      digest: try Field.fixed(message.digest, "blob_request.digest"),
      offset: try Field.chunkOffset(message.offset, "blob_request.offset"),
      chunks: try Field.number(message.chunks, "blob_request.chunks", in: 0...TransferLimits.downloadWindow))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__BlobRequest> {
    arena.make(murmur__blob_request__init) {
      $0.digest = arena.data(digest)
      $0.offset = offset
      $0.chunks = chunks
    }
  }
}

extension BlobChunk {
  init(wire message: Murmur__BlobChunk) throws(WireError) {
    let total = try Field.number(
      message.total_bytes, "blob_chunk.total_bytes", in: 1...TransferLimits.transferBytesMax)
    let offset = try Field.chunkOffset(message.offset, "blob_chunk.offset")
    guard offset < total else {
      throw .badField("blob_chunk.offset", found: "\(offset)", expected: "less than \(total)")
    }
    self.init(digest: try Field.fixed(message.digest, "blob_chunk.digest"), offset: offset, totalBytes: total)
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__BlobChunk> {
    arena.make(murmur__blob_chunk__init) {
      $0.digest = arena.data(digest)
      $0.offset = offset
      $0.total_bytes = totalBytes
    }
  }

  /// A whole chunk, or what is left of the blob.
  var payload: PayloadRule {
    let left = totalBytes > offset ? totalBytes - offset : 0
    let byteCount = Int(min(UInt64(TransferLimits.downloadChunkBytes), left))
    return .bytes(byteCount...byteCount)
  }
}

extension BlobUnavailable {
  init(wire message: Murmur__BlobUnavailable) throws(WireError) {
    self.init(digest: try Field.fixed(message.digest, "blob_unavailable.digest"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__BlobUnavailable> {
    arena.make(murmur__blob_unavailable__init) { $0.digest = arena.data(digest) }
  }
}

extension Field {
  /// An offset at which a chunk of a blob begins.
  fileprivate static func chunkOffset(_ value: UInt64, _ field: String) throws(WireError) -> UInt64 {
    let offset = try number(value, field, in: 0...TransferLimits.transferBytesMax)
    guard offset % UInt64(TransferLimits.downloadChunkBytes) == 0 else {
      throw .badField(field, found: "\(offset)", expected: "a multiple of \(TransferLimits.downloadChunkBytes)")
    }
    return offset
  }
}
