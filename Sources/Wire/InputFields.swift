import Federation
import SecureAggregation
import Transfer

internal import CFederationMessages

extension VectorSpecification {
  init(wire message: Murmur__VectorSpecification) throws(WireError) {
    guard [16, 24, 32, 64].contains(message.ring_bits) else {
      throw .badField("upload_open.vectors.ring_bits", found: "\(message.ring_bits)", expected: "16, 24, 32 or 64")
    }
    let laneBytes = UInt64(message.ring_bits / 8)
    self.init(
      id: message.id, ringBits: UInt8(message.ring_bits),
      count: try Field.number(
        message.count, "upload_open.vectors.count", in: 1...TransferLimits.transferBytesMax / laneBytes),
      chunkElements: try Field.number(
        message.chunk_elements, "upload_open.vectors.chunk_elements",
        in: 1...UInt32(FrameLimits.bulk.payloadBytesMax / Int(laneBytes))))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__VectorSpecification> {
    arena.make(murmur__vector_specification__init) {
      $0.id = id
      $0.ring_bits = UInt32(ringBits)
      $0.count = count
      $0.chunk_elements = chunkElements
    }
  }
}

extension InputHeader {
  init(wire message: Murmur__InputHeader) throws(WireError) {
    let vectors = try Field.list(
      message.vectors, count: message.n_vectors, "upload_open.vectors", max: WireLimits.vectorCountMax
    ) { (vector: Murmur__VectorSpecification) throws(WireError) in try VectorSpecification(wire: vector) }
    guard !vectors.isEmpty else { throw .badField("upload_open.vectors", found: "none", expected: "at least one") }
    let total = vectors.reduce(0) { $0 + $1.count * UInt64($1.ringBits / 8) }
    guard total <= TransferLimits.transferBytesMax else {
      throw .badField(
        "upload_open.vectors", found: "\(total) bytes", expected: "at most \(TransferLimits.transferBytesMax) bytes")
    }
    self.init(
      transcript: try Field.fixed(message.transcript, "upload_open.transcript"),
      worker: try Field.index(message.worker, "upload_open.worker"),
      dealersDigest: try Field.fixed(message.dealers_digest, "upload_open.dealers_digest"), vectors: vectors,
      signature: try Field.fixed(message.signature, "upload_open.signature"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__InputHeader> {
    arena.make(murmur__input_header__init) {
      $0.transcript = arena.data(transcript)
      $0.worker = UInt32(worker)
      $0.dealers_digest = arena.data(dealersDigest)
      $0.n_vectors = vectors.count
      $0.vectors = arena.list(vectors) { $0.draft(in: arena) }
      $0.signature = arena.data(signature)
    }
  }
}

extension InputTrailer {
  init(wire message: Murmur__InputTrailer) throws(WireError) {
    self.init(
      transcript: try Field.fixed(message.transcript, "upload_close.transcript"),
      worker: try Field.index(message.worker, "upload_close.worker"),
      dealersDigest: try Field.fixed(message.dealers_digest, "upload_close.dealers_digest"),
      payloadDigest: try Field.fixed(message.payload_digest, "upload_close.payload_digest"),
      signature: try Field.fixed(message.signature, "upload_close.signature"))
  }

  func draft(in arena: MessageArena) -> UnsafeMutablePointer<Murmur__InputTrailer> {
    arena.make(murmur__input_trailer__init) {
      $0.transcript = arena.data(transcript)
      $0.worker = UInt32(worker)
      $0.dealers_digest = arena.data(dealersDigest)
      $0.payload_digest = arena.data(payloadDigest)
      $0.signature = arena.data(signature)
    }
  }
}
