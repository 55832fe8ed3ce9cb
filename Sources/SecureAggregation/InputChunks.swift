import Cryptography
import Federation
import Synchronization

/// The masked chunks of one vector of one worker, made one at a time and again at will, byte for byte the same.
///
/// Neither the encoded vector nor a mask is ever whole in memory: the state is what makes them, the update, the seeds
/// and the keys, and the keystreams that stay open from one chunk to the next.
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
  private let open = OpenStreams()

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

  /// The bytes of a chunk: encoded, masked, packed. The threads of `runner` split its elements; the bytes are the same
  /// for any of them.
  ///
  /// - Precondition: `index` lies in `0..<count`.
  package func chunk(_ index: Int, on runner: some PartRunner = SequentialRunner()) -> [UInt8] {
    let elements = vector.elements(ofChunk: index)
    return [UInt8](unsafeUninitializedCapacity: elements.count * width.wireByteCount) { out, filled in
      filled = elements.count * width.wireByteCount
      guard let wire = out.baseAddress.map({ UnsafeMutableRawPointer($0) }) else { return }
      nonisolated(unsafe) let start = wire  // Ranges are disjoint.
      runner.forEachRange(
        of: elements, multiple: MaskStreams.elementMultiple, least: MaskStreams.leastElements
      ) { range in
        write(range, to: start + (range.lowerBound - elements.lowerBound) * width.wireByteCount)
      }
    }
  }

  /// The digest that the payload digest covers, of bytes that `chunk` gave.
  package func digest(ofChunk index: Int, bytes: [UInt8]) -> Digest {
    ChunkDigests.chunk(transcript: transcript, worker: worker, vector: vector.id, index: index, bytes: bytes)
  }

  private func write(_ elements: Range<Int>, to wire: UnsafeMutableRawPointer) {
    guard width == .bits24 else { return fill(wire, elements) }
    // Lanes of 24 bits take more room in memory than on the wire: a piece of them is filled, then packed.
    withUnsafeTemporaryAllocation(byteCount: Self.packedElements * width.memoryByteCount, alignment: 64) { lanes in
      defer { SecretBytes.wipe(lanes) }
      guard let base = lanes.baseAddress else { return }
      for first in stride(from: elements.lowerBound, to: elements.upperBound, by: Self.packedElements) {
        let piece = first..<min(first + Self.packedElements, elements.upperBound)
        fill(base, piece)
        let place = (first - elements.lowerBound) * width.wireByteCount
        RingLanes.pack24(base, into: wire + place, count: piece.count)
      }
    }
  }

  private func fill(_ lanes: UnsafeMutableRawPointer, _ elements: Range<Int>) {
    switch source {
    case .update(let encoder): encoder.encode(elements, width, into: lanes)
    case .auxiliary(let values), .quantised(let values):
      for (e, index) in elements.enumerated() { RingLanes.store(width, values[index], in: lanes, at: e) }
    }
    guard keys.terms.count <= MaskStreams.openMax else {
      return MaskStreams.apply(keys.terms, width, to: lanes, elements: elements, on: SequentialRunner())
    }
    let streams = open.take(at: elements.lowerBound) ?? MaskStreams(keys.terms, width, at: elements.lowerBound)
    streams.apply(to: lanes, count: elements.count)
    open.put(streams)
  }

  /// Elements of 24 bits that are filled and packed at a time.
  private static let packedElements = 16_384
}

/// Keystreams between two uses, so that a chunk goes on where the one before it ended. Copies of an `InputChunks` and all
/// its threads share them; whoever has taken streams is their only user.
private final class OpenStreams: Sendable {
  private let idle = Mutex<[MaskStreams]>([])

  /// Streams that stand at `element`, or any others, moved there; nil if none are idle.
  func take(at element: Int) -> MaskStreams? {
    let streams = idle.withLock { idle -> MaskStreams? in
      guard !idle.isEmpty else { return nil }
      return idle.remove(at: idle.firstIndex { $0.element == element } ?? idle.count - 1)
    }
    streams?.seek(to: element)
    return streams
  }

  func put(_ streams: MaskStreams) { idle.withLock { $0.append(streams) } }
}
