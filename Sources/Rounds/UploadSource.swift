import Cryptography
import Federation
import SecureAggregation

/// The chunks of one upload, made on demand from the update and the order, and again at will byte for byte the same.
package struct UploadSource: Sendable {
  private enum Vector: Sendable {
    case ring(InputChunks)
    /// The clipped difference as Float32 lanes, in clear.
    case plain(VectorSpecification, ClippedUpdate, key: Digest)

    var specification: VectorSpecification {
      switch self {
      case .ring(let chunks): chunks.vector
      case .plain(let specification, _, _): specification
      }
    }
  }

  package let attempt: AttemptID
  package let header: InputHeader
  private let order: WorkerStateMachine.UploadOrder
  private let vectors: [Vector]

  /// - Throws: `badLength`, `notFinite`, `noExamples`: an update that must not leave the worker.
  package init(_ order: WorkerStateMachine.UploadOrder, update: ClientUpdate) throws(Refusal) {
    self.order = order
    switch order {
    case .secure(let attempt, let masking, let configuration):
      self.attempt = attempt
      header = masking.header
      let rules = try EncodingRules(configuration, rosterCount: masking.rosterCount)
      var encoder: UpdateEncoder?
      if configuration.vectorLength > 0 {
        encoder = try UpdateEncoder(
          update: update.difference, exampleCount: update.exampleCount, rules: rules,
          transcript: masking.transcript, roundingSeed: masking.roundingSeed)
      }
      let auxiliary = try AuxiliaryVector.encode(
        layout: configuration.auxiliaryLayout, exampleCount: update.exampleCount, metrics: update.metrics,
        isClipped: encoder?.isClipped ?? false, saturated: encoder?.saturated ?? 0, norm: encoder?.norm,
        terms: update.terms, rules: rules)
      var vectors: [Vector] = []
      for (specification, keys) in zip(masking.header.vectors, masking.keys) {
        let source: InputChunks.Source
        if specification.id == VectorSpecification.updateID {
          guard let encoder else { throw .badLength }
          source = .update(encoder)
        } else {
          source = .auxiliary(auxiliary)
        }
        vectors.append(
          .ring(
            try InputChunks(
              transcript: masking.transcript, worker: masking.worker, vector: specification, source: source,
              keys: keys)))
      }
      self.vectors = vectors
    case .plain(let attempt, let plain, let configuration):
      self.attempt = attempt
      header = plain.header
      // Nobody's position on a roster is known: the clamp of the auxiliary sums takes the largest roster allowed.
      let rules = try EncodingRules(configuration, rosterCount: Int(clamping: configuration.maximumRoster))
      let clipped = try ClippedUpdate(
        update.difference, length: Int(configuration.vectorLength), clip: configuration.clip)
      let auxiliary = try AuxiliaryVector.encode(
        layout: configuration.auxiliaryLayout, exampleCount: update.exampleCount, metrics: update.metrics,
        isClipped: clipped.isClipped, saturated: 0, norm: configuration.vectorLength > 0 ? clipped.norm : nil,
        terms: update.terms, rules: rules)
      var vectors: [Vector] = []
      for specification in plain.header.vectors {
        if specification.id == PlainAttempt.updateID {
          vectors.append(
            .plain(specification, clipped, key: plain.roundID))
        } else {
          vectors.append(
            .ring(
              try InputChunks(
                transcript: plain.roundID, worker: 0, vector: specification, source: .auxiliary(auxiliary),
                keys: MaskKeys(terms: []))))
        }
      }
      self.vectors = vectors
    }
  }

  /// The name of the upload on the bulk socket.
  package var upload: Digest { header.transcript }

  /// Chunks through all vectors in header order.
  package var chunkCount: UInt64 { vectors.reduce(0) { $0 + UInt64($1.specification.chunkCount) } }

  /// One chunk and its digest; the threads of `runner` split its elements, and the bytes are the same for any of them.
  ///
  /// - Precondition: `number < chunkCount`.
  package func chunk(
    _ number: UInt64, on runner: some PartRunner = SequentialRunner()
  ) -> (bytes: [UInt8], digest: Digest) {
    var index = Int(number)
    for vector in vectors {
      let count = vector.specification.chunkCount
      if index >= count {
        index -= count
        continue
      }
      switch vector {
      case .ring(let chunks):
        let bytes = chunks.chunk(index, on: runner)
        return (bytes, chunks.digest(ofChunk: index, bytes: bytes))
      case .plain(let specification, let update, let key):
        let elements = specification.elements(ofChunk: index)
        let bytes = [UInt8](unsafeUninitializedCapacity: elements.count * 4) { out, filled in
          filled = elements.count * 4
          let raw = UnsafeMutableRawBufferPointer(out)
          for (place, e) in elements.enumerated() {
            let lane = update[e].bitPattern.littleEndian
            raw.storeBytes(of: lane, toByteOffset: 4 * place, as: UInt32.self)
          }
        }
        return (
          bytes,
          ChunkDigests.chunk(transcript: key, worker: 0, vector: specification.id, index: index, bytes: bytes)
        )
      }
    }
    preconditionFailure("chunk \(number) of \(chunkCount)")
  }

  /// The trailer over the digests of all chunks, in order.
  package func trailer(chunkDigests: [Digest]) -> InputTrailer {
    switch order {
    case .secure(_, let masking, _): masking.trailer(chunkDigests: chunkDigests)
    case .plain(_, let plain, _): plain.trailer(chunkDigests: chunkDigests)
    }
  }
}
