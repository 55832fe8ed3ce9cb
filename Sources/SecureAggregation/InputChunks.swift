import Cryptography
import Federation

/// The masked chunks of one vector of one worker, made one at a time and again at will, byte for byte the same.
///
/// Neither the encoded vector nor a mask is ever whole in memory: the state is what makes them, the update, the seeds
/// and the keys.
package struct InputChunks: Sendable {
  /// Where the integers of a vector come from.
  package enum Source: Sendable {
    case update(UpdateEncoder)
    case auxiliary([Int64])
    /// Integers as they are, for known answers.
    case quantised([Int64])

    var count: Int {
      switch self {
      case .update(let encoder): encoder.count
      case .auxiliary(let values), .quantised(let values): values.count
      }
    }
  }

  package let transcript: Digest
  package let worker: Int
  package let vector: VectorSpecification
  private let width: LaneWidth
  private let source: Source
  private let keys: MaskKeys

  /// - Throws: `badLength` if source and specification differ in length, `fieldValue` for a ring that does not exist.
  package init(
    transcript: Digest, worker: Int, vector: VectorSpecification, source: Source, keys: MaskKeys
  ) throws(Refusal) {
    guard let width = LaneWidth(rawValue: vector.ringBits) else { throw .fieldValue }
    guard source.count == Int(vector.count) else { throw .badLength }
    self.transcript = transcript
    self.worker = worker
    self.vector = vector
    self.width = width
    self.source = source
    self.keys = keys
  }

  package var count: Int { vector.chunkCount }

  /// The bytes of a chunk: encoded, masked, packed.
  ///
  /// - Precondition: `index` lies in `0..<count`.
  package func chunk(_ index: Int) -> [UInt8] {
    let elements = vector.elements(ofChunk: index)
    return [UInt8](unsafeUninitializedCapacity: elements.count * width.wireByteCount) { out, filled in
      filled = elements.count * width.wireByteCount
      guard let wire = out.baseAddress.map({ UnsafeMutableRawPointer($0) }) else { return }
      guard width == .bits24 else {
        fill(wire, elements)
        return
      }
      withUnsafeTemporaryAllocation(byteCount: elements.count * width.memoryByteCount, alignment: 64) { lanes in
        guard let base = lanes.baseAddress else { return }
        fill(base, elements)
        RingLanes.pack24(base, into: wire, count: elements.count)
      }
    }
  }

  /// The digest that the payload digest covers, of bytes that `chunk` gave.
  package func digest(ofChunk index: Int, bytes: [UInt8]) -> Digest {
    ChunkDigests.chunk(transcript: transcript, worker: worker, vector: vector.id, index: index, bytes: bytes)
  }

  private func fill(_ lanes: UnsafeMutableRawPointer, _ elements: Range<Int>) {
    switch source {
    case .update(let encoder): encoder.encode(elements, width, into: lanes)
    case .auxiliary(let values), .quantised(let values):
      for (e, index) in elements.enumerated() { RingLanes.store(width, values[index], in: lanes, at: e) }
    }
    MaskStream.apply(keys.terms, width, to: lanes, elements: elements)
  }
}
