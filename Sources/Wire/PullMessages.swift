import Federation
import ModelRegistry
import Transfer

internal import CFederationMessages

/// The pull socket, from a consumer to a serving node.
package enum PullRequest: Hashable, Sendable {
  case listModels
  /// `digits@3`, `digits@champion` or `digits@sha256:…`, as typed; the serving node reads it.
  case resolve(reference: String)
  case blob(BlobRequest)
}

/// The pull socket, from a serving node to a consumer.
package enum PullReply: Hashable, Sendable {
  case models([ModelRow])
  /// With what lets foreign tools verify the version, if the node has it.
  case resolved(SignedManifest, ModelAttachments?)
  /// Followed by the chunk's bytes.
  case chunk(BlobChunk)
  case unavailable(BlobUnavailable)
  case failed(Failure)
}

extension PullRequest: WireMessage {
  package static let limits = FrameLimits.pull

  package var kind: String {
    switch self {
    case .listModels: "listModels"
    case .resolve: "resolve"
    case .blob: "blobRequest"
    }
  }

  package func write(to draft: EnvelopeDraft) {
    switch self {
    case .listModels:
      draft.set(MURMUR__ENVELOPE__BODY_LIST_MODELS) { $1.list_models = $0.make(murmur__list_models__init) { _ in } }
    case .resolve(let reference):
      draft.set(MURMUR__ENVELOPE__BODY_RESOLVE) { arena, envelope in
        envelope.resolve = arena.make(murmur__resolve_reference__init) { $0.reference = arena.text(reference) }
      }
    case .blob(let request):
      draft.set(MURMUR__ENVELOPE__BODY_BLOB_REQUEST) { $1.blob_request = request.draft(in: $0) }
    }
  }

  package init(reading view: EnvelopeView) throws(WireError) {
    self = try view.read { envelope throws(WireError) in
      switch envelope.body_case {
      case MURMUR__ENVELOPE__BODY_LIST_MODELS: return .listModels
      case MURMUR__ENVELOPE__BODY_RESOLVE:
        let message = try Field.required(envelope.resolve, "resolve")
        return .resolve(
          reference: try Field.text(
            message.reference, "resolve.reference", min: 1, max: WireLimits.referenceBytesMax))
      case MURMUR__ENVELOPE__BODY_BLOB_REQUEST:
        return .blob(try BlobRequest(wire: Field.required(envelope.blob_request, "blob_request")))
      default: throw view.unknownBody
      }
    }
  }
}

extension PullReply: WireMessage {
  package static let limits = FrameLimits.pull

  package var kind: String {
    switch self {
    case .models: "models"
    case .resolved: "resolved"
    case .chunk: "blobChunk"
    case .unavailable: "blobUnavailable"
    case .failed: "failure"
    }
  }

  package var payload: PayloadRule { if case .chunk(let chunk) = self { chunk.payload } else { .none } }

  package func write(to draft: EnvelopeDraft) {
    switch self {
    case .models(let models):
      draft.set(MURMUR__ENVELOPE__BODY_MODELS) { arena, envelope in
        envelope.models = arena.make(murmur__model_list__init) {
          $0.n_models = models.count
          $0.models = arena.list(models) { $0.draft(in: arena) }
        }
      }
    case .resolved(let manifest, let attachments):
      draft.set(MURMUR__ENVELOPE__BODY_RESOLVED) { $1.resolved = manifest.draft(in: $0, with: attachments) }
    case .chunk(let chunk): draft.set(MURMUR__ENVELOPE__BODY_BLOB_CHUNK) { $1.blob_chunk = chunk.draft(in: $0) }
    case .unavailable(let blob):
      draft.set(MURMUR__ENVELOPE__BODY_BLOB_UNAVAILABLE) { $1.blob_unavailable = blob.draft(in: $0) }
    case .failed(let failure): draft.set(MURMUR__ENVELOPE__BODY_FAILURE) { $1.failure = failure.draft(in: $0) }
    }
  }

  package init(reading view: EnvelopeView) throws(WireError) {
    self = try view.read { envelope throws(WireError) in
      switch envelope.body_case {
      case MURMUR__ENVELOPE__BODY_MODELS:
        let message = try Field.required(envelope.models, "models")
        return .models(try ModelRow.list(message.models, count: message.n_models, "models.models"))
      case MURMUR__ENVELOPE__BODY_RESOLVED:
        return .resolved(
          try SignedManifest(wire: envelope.resolved, "resolved"),
          try ModelAttachments(carriedBy: envelope.resolved, "resolved"))
      case MURMUR__ENVELOPE__BODY_BLOB_CHUNK:
        return .chunk(try BlobChunk(wire: Field.required(envelope.blob_chunk, "blob_chunk")))
      case MURMUR__ENVELOPE__BODY_BLOB_UNAVAILABLE:
        return .unavailable(try BlobUnavailable(wire: Field.required(envelope.blob_unavailable, "blob_unavailable")))
      case MURMUR__ENVELOPE__BODY_FAILURE:
        return .failed(try Failure(wire: Field.required(envelope.failure, "failure")))
      default: throw view.unknownBody
      }
    }
  }
}
